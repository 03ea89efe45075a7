"""No name in the tree is one of those that `docs/style.md` bans: names are nouns for the thing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parent.parent
_STYLE = _ROOT / "docs" / "style.md"
_TOPS = ("benchmarks", "components", "config", "local", "operations", "planning", "policies")


@cache
def banned_names() -> frozenset[str]:
    """The words after "Never" in the section about names, in lower case."""
    section = _STYLE.read_text(encoding="utf-8").partition("## Names")[2].partition("\n## ")[0]
    sentence = re.search(r"Never ((?:`\w+`(?:,\s+)?)+)", section)
    assert sentence is not None, "docs/style.md has no list of banned names"
    return frozenset(re.findall(r"\w+", sentence[1].lower()))


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each name that the code binds, with its line: variables, parameters, attributes and so on.

    An attribute counts where it is assigned or annotated. What is only read, imported under its own
    name or passed as a keyword belongs to whoever defines it.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, node.lineno
            case ast.MatchStar(name=str(name)) | ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.MatchMapping(rest=str(name)):
                yield name, node.lineno
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from ((name, node.lineno) for name in names)
            case _:
                pass


def is_banned(name: str) -> bool:
    return name.strip("_").lower() in banned_names()


def violations(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    where = path.relative_to(_ROOT)
    return [f"{where}:{line}: {name}" for name, line in bound_names(tree) if is_banned(name)]


def modules() -> list[Path]:
    folders = [_ROOT / name for name in (*_TOPS, "tests")]
    return [_ROOT / "__main__.py", *(p for folder in folders for p in sorted(folder.rglob("*.py")))]


def test_the_style_guide_lists_the_banned_names() -> None:
    assert {"found", "held", "wanted", "given", "said", "told", "known", "made"} <= banned_names()


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "_Found = int",
        "def told() -> None: ...",
        "async def _told_() -> None: ...",
        "class Made: ...",
        "def f(*, wanted: int) -> None: ...",
        "lambda known: known",
        "self.held = 1",
        "class A:\n    said: str",
        "for found in (): ...",
        "with open('x') as held: ...",
        "[made for made in ()]",
        "if given := f(): ...",
        "try: ...\nexcept ValueError as found: ...",
        "import json as known",
        "match x:\n    case {'a': found}: ...",
        "match x:\n    case {**wanted}: ...",
        "match x:\n    case [*told]: ...",
        "match x:\n    case int() as made: ...",
    ],
)
def test_each_way_to_bind_a_name_is_seen(source: str) -> None:
    assert any(is_banned(name) for name, _ in bound_names(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["from hypothesis import given", "f(found=1)", "x.known", "unknown = 1", "is_known = 1"],
)
def test_a_name_of_somebody_else_and_a_longer_name_are_fine(source: str) -> None:
    assert not any(is_banned(name) for name, _ in bound_names(ast.parse(source)))


def test_no_name_is_banned() -> None:
    assert [line for path in modules() for line in violations(path)] == []
