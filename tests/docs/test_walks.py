"""`docs/walks.md` and `docs/architecture.md` name files, functions and addresses that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from operations.engine.places import ROOT
from operations.engine.stack_file import Stack, path_of_stack

pytestmark = pytest.mark.unit

WALKS = (ROOT / "docs" / "walks.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
_CLOUD = ROOT / "local" / "localcloud"
"""The folder in which the paths of the local cloud's walk begin."""
_PATH = re.compile(r"\w+(?:/\w+)+\.(?:py|sh)\b")
_DEFINED = re.compile(r"`([\w/]+\.(?:py|sh))`\s*[(,]\s*`(\w+)`")


def _file(path: str) -> Path | None:
    return next((p for p in (ROOT / path, _CLOUD / path) if p.is_file()), None)


@pytest.mark.parametrize("path", sorted(set(_PATH.findall(WALKS + ARCHITECTURE))))
def test_every_file_on_the_pages_exists(path: str) -> None:
    assert _file(path) is not None


@pytest.mark.parametrize(("path", "name"), sorted(set(_DEFINED.findall(WALKS))))
def test_every_name_on_the_page_is_in_its_file(path: str, name: str) -> None:
    file = _file(path)
    assert file is not None
    pattern = rf"^\s*(?:(?:async )?def {name}\(|{name}(?::[^=]*)? = |{name}\(\) {{)"
    assert re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_names_something_in_a_program_of_the_node_and_in_a_module() -> None:
    assert {Path(path).suffix for path, _ in _DEFINED.findall(WALKS)} == {".py", ".sh"}


def test_the_example_of_a_pools_range_is_the_plans() -> None:
    plan = Stack.read(path_of_stack("dev")).plan()
    nic = plan.nodes["workers-0"].interfaces["eth0"]
    (ips,) = plan.ip_pools["workers-0-eth0"].ips
    example = " ".join(WALKS.partition("For example, the node `workers-0`")[2].split())
    assert f"addresses in {plan.network.vswitches[nic.vswitch].cidr}." in example
    assert f"= {nic.primary}, the primary address" in example
    assert f"{nic.pods.count} pod addresses make the range {ips}." in example
