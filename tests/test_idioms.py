"""Two idioms hide what a call gets and what a function ignores: neither is in the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_names import modules

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parent.parent
_SIGN = re.compile(r"\*\s*[(\[]|\bdel\b")


def unpacked_literals(tree: ast.AST) -> Iterator[int]:
    """Lines with `*(a, b)` or `*[a, b]`: the same items can be written without the star."""
    for node in ast.walk(tree):
        match node:
            case ast.Starred(value=ast.Tuple() | ast.List(), lineno=line):
                yield line
            case _:
                pass


def deleted_parameters(tree: ast.AST) -> Iterator[int]:
    """Lines with `del parameter` as a function's first statement: the signature should say it."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
                match body[1:] if ast.get_docstring(node) is not None else body:
                    case [ast.Delete(targets=targets, lineno=line), *_] if any(
                        isinstance(target, ast.Name) for target in targets
                    ):
                        yield line
            case _:
                pass


@pytest.mark.parametrize("source", ["f(*(1, 2))", "(*[1, 2], 3)", "{*(1, 2)}", "x = [*('a',)]"])
def test_each_unpacked_literal_is_seen(source: str) -> None:
    assert _SIGN.search(source)
    assert list(unpacked_literals(ast.parse(source))) == [1]


@pytest.mark.parametrize("source", ["f(*names)", "(*(n for n in x), 3)", "first, *rest = x"])
def test_an_unpacked_name_is_fine(source: str) -> None:
    assert list(unpacked_literals(ast.parse(source))) == []


@pytest.mark.parametrize(
    "source",
    ["def f(x):\n    del x", 'def f(x):\n    "Text."\n    del x', "async def f(x):\n    del x, y"],
)
def test_each_deleted_parameter_is_seen(source: str) -> None:
    assert _SIGN.search(source)
    assert len(list(deleted_parameters(ast.parse(source)))) == 1


@pytest.mark.parametrize("source", ["def f(x):\n    del x['a']", "def f(x):\n    g(x)\n    del x"])
def test_another_deletion_is_fine(source: str) -> None:
    assert list(deleted_parameters(ast.parse(source))) == []


def test_no_literal_is_unpacked_and_no_parameter_is_deleted() -> None:
    # Most modules have neither sign of it, and are not parsed.
    texts = {path: path.read_text(encoding="utf-8") for path in modules()}
    trees = {path: ast.parse(text) for path, text in texts.items() if _SIGN.search(text)}
    assert [
        f"{path.relative_to(_ROOT)}:{line}"
        for path, tree in trees.items()
        for line in (*unpacked_literals(tree), *deleted_parameters(tree))
    ] == []
