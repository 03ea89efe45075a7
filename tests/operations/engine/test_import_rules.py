from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from operations.engine.places import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

LINT = Path(sys.executable).parent / "lint-imports"


def lint(cwd: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter in `cwd`, which finds packages there and in `folders`."""
    return subprocess.run(  # noqa: S603 - the linter on our own files
        [LINT, "--no-cache"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        check=False,
        capture_output=True,
        text=True,
    )


def test_imports_keep_to_the_rooms() -> None:
    done = lint(ROOT, ROOT / "local")
    assert done.returncode == 0, done.stdout


def test_an_import_against_the_rules_is_reported(tmp_path: Path) -> None:
    for room in (
        "config",
        "planning",
        "components",
        "operations",
        "policies",
        "localcloud",
        "toolchain",
    ):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
    (tmp_path / "config" / "__init__.py").write_text("import planning\n")
    (tmp_path / ".importlinter").write_text((ROOT / ".importlinter").read_text())
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "config is not allowed to import planning" in done.stdout
