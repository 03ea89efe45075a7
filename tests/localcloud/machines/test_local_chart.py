from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.charts.assemble import NEEDED, CrdsMissingError, assemble

pytestmark = pytest.mark.unit


def write_crds(home: Path, *left_out: str) -> None:
    folder = home / "toolchain" / "crds"
    folder.mkdir(parents=True)
    for name in NEEDED:
        if name not in left_out:
            (folder / f"{name}.yaml").write_text(f"spec:\n  names:\n    plural: {name}\n")


def test_the_chart_has_our_templates_and_the_generated_crds(tmp_path: Path) -> None:
    write_crds(tmp_path)
    chart = assemble(tmp_path)
    assert {path.name for path in (chart / "crds").iterdir()} == {f"{n}.yaml" for n in NEEDED}
    assert "name: spiderpool-local\n" in (chart / "Chart.yaml").read_text()
    assert (chart / "templates" / "controller.yaml").exists()


def test_assembling_again_changes_nothing(tmp_path: Path) -> None:
    write_crds(tmp_path)
    before = assemble(tmp_path).stat().st_ino
    assert assemble(tmp_path).stat().st_ino == before


def test_a_new_crd_reaches_an_installed_chart(tmp_path: Path) -> None:
    write_crds(tmp_path)
    assemble(tmp_path)
    (tmp_path / "toolchain" / "crds" / "more.yaml").write_text("{}")
    assert (assemble(tmp_path) / "crds" / "more.yaml").exists()


def test_missing_crds_are_named_with_the_way_out(tmp_path: Path) -> None:
    write_crds(tmp_path, "spiderippools")
    with pytest.raises(CrdsMissingError, match=r"spiderippools.*python -m toolchain"):
        assemble(tmp_path)


def test_no_crd_is_kept_in_the_repository() -> None:
    templates = Path(__file__).resolve().parents[3] / "local" / "localcloud" / "charts"
    assert not [p for p in templates.rglob("*.yaml") if "CustomResourceDef" in p.read_text()]
