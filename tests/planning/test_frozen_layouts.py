"""A cluster that a released version laid out keeps its addresses in every later one."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent
REQUIRED_ACTIONS = {"load-balancers": {"namespaces": {"audit": {"create": False}}}}
"""What CHANGELOG.md asks of a stack file that a release took as it is."""

KUBERNETES = {"0.1.0": "1.35.4"}
"""The version that a release gave to a stack file that names none; `maxPods` depends on it."""

CLUSTERS = sorted(HERE.glob("frozen/*/*.cluster.json"))


def _freezer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("freeze_layouts", HERE / "freeze_layouts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda p: f"{p.parent.name}-{p.name.split('.')[0]}")
def test_a_released_layout_never_changes(path: Path) -> None:
    cluster = json.loads(path.read_text(encoding="utf-8"))
    cluster |= REQUIRED_ACTIONS.get(path.name.split(".")[0], {})
    cluster["kubernetes"] = {"version": KUBERNETES[path.parent.name]} | cluster.get(
        "kubernetes", {}
    )
    frozen = json.loads(path.with_name(path.name.replace(".cluster.", ".layout.")).read_text())
    assert _freezer().layout(cluster) == frozen


def test_every_frozen_release_is_a_version() -> None:
    for folder in (HERE / "frozen").iterdir():
        assert re.fullmatch(r"\d+\.\d+\.\d+", folder.name)


@pytest.mark.parametrize("arguments", [["--help"], [], ["0.2"], ["1.0.0", "2.0.0"]])
def test_nothing_but_a_version_is_frozen(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["freeze_layouts.py", *arguments])
    before = sorted((HERE / "frozen").iterdir())
    assert _freezer().main() == 2
    assert sorted((HERE / "frozen").iterdir()) == before


def test_layouts_are_frozen() -> None:
    assert {p.name.split(".")[0] for p in CLUSTERS} >= {"local", "dev", "prod", "guide"}


def test_the_guides_own_numbers_are_frozen() -> None:
    path = HERE / "frozen/0.1.0/local.layout.json"
    pools = json.loads(path.read_text(encoding="utf-8"))["pools"]
    assert {name: (pool["ips"], pool["gateway"]) for name, pool in pools.items()} == {
        "master-eth0": (["172.31.199.185-172.31.199.189"], "172.31.207.253"),
        "master-eth1": (["192.168.0.156-192.168.0.160"], "192.168.0.253"),
        "worker-eth0": (["172.31.199.190-172.31.199.194"], "172.31.207.253"),
        "worker-eth1": (["192.168.0.161-192.168.0.165"], "192.168.0.253"),
    }
