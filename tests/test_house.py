"""The rules of the house that a type checker cannot see."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
import yaml

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parent.parent
_ROOMS = (
    "config",
    "planning",
    "components",
    "operations",
    "policies",
    "local/localcloud",
    "local/toolchain",
)
_MOST_MODULES = 15
_TOKENS_OF_MOVED_COMPONENTS = {"provider_ids": "cloud_controller"}
"""Module → the module in its component's type token: where it was when stacks recorded it."""


def _modules(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from sorted((_ROOT / room).rglob("*.py"))


def test_every_room_says_what_it_is() -> None:
    for room in _ROOMS:
        source = (_ROOT / room / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(source)), f"{room}/__init__.py has no docstring"


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
    parts = {part for path in _modules(*_ROOMS) for part in path.relative_to(_ROOT).parts}
    assert not {Path(part).stem for part in parts} & drawers


def test_no_folder_has_more_modules_than_a_newcomer_reads() -> None:
    folders = Counter(
        path.parent.relative_to(_ROOT)
        for path in _modules(*_ROOMS, "tests", "benchmarks")
        if path.name != "__init__.py"
    )
    assert [str(folder) for folder, number in folders.items() if number > _MOST_MODULES] == []


def test_no_component_merges_its_callers_options() -> None:
    merging = [
        str(path)
        for path in _modules("components")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "merge"
    ]
    assert not merging


def _is_call_of_super(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether a component is registered here: `super().__init__(type token, …)`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"


def test_every_component_lives_in_a_module_that_its_type_names() -> None:
    for path in _modules("components"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not _is_call_of_super(node):
                continue
            # Tokens of earlier releases are in aliases, and name the modules of that time.
            token = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            assert isinstance(token, str), f"{path.name}: the first argument is not a type token"
            module = _TOKENS_OF_MOVED_COMPONENTS.get(path.stem, path.stem)
            assert token.split(":")[:2] == ["spiderpool-alicloud", module], token


def test_every_component_takes_frozen_keyword_only_arguments() -> None:
    for path in _modules("components"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Args"):
                text = ast.unparse(node.decorator_list[0])
                assert text == "dataclass(frozen=True, kw_only=True)", f"{path.name}: {node.name}"


def test_the_project_reads_the_cloud_before_it_trusts_its_state() -> None:
    project = yaml.safe_load((_ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["options"]["refresh"] == "always"
    assert project["stackConfigDir"] == "stacks"


def test_tests_that_share_a_cloud_run_on_one_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pytest 9.2 xdist spreads every group and says nothing (pytest-xdist#1386)."""
    for name in list(os.environ):
        if name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    (tmp_path / "conftest.py").write_text((_ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = engine\n")
    seen = tmp_path / "seen"
    for file in ("test_a.py", "test_b.py"):
        (tmp_path / file).write_text(
            "import os, pathlib, time, pytest\n"
            "@pytest.mark.engine\n"
            "@pytest.mark.parametrize('nth', range(4))\n"
            "def test_x(nth):\n"
            "    time.sleep(0.1)\n"
            f"    with pathlib.Path({str(seen)!r}).open('a') as log:\n"
            f"        log.write('{file} ' + os.environ['PYTEST_XDIST_WORKER'] + '\\n')\n"
        )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    workers = [line.split() for line in seen.read_text().splitlines()]
    assert len({tuple(pair) for pair in workers}) == 2, workers
