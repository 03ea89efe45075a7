from __future__ import annotations

import re
from pathlib import Path

import pytest

from operations.__main__ import app
from operations.engine.places import ROOT
from operations.failure import ExitCode

pytestmark = pytest.mark.unit

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    broken = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert broken == []


def test_the_readme_begins_with_the_two_commands() -> None:
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    assert [line.split("#")[0].strip() for line in block[1].splitlines()] == [
        "make up",
        "make test",
    ]


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [c.value for c in ExitCode if f"| {c.value} |" not in text] == []


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    commands = [
        " ".join(str(name) for name in (group.name, command.name) if name)
        for group in app.registered_groups
        if group.typer_instance is not None
        for command in group.typer_instance.registered_commands
    ]
    assert len(commands) >= 20
    assert [name for name in commands if f"`{name}" not in text] == []
