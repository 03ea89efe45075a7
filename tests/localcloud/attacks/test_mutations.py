"""Each rule of the local cloud that is switched off makes at least one test fail."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess  # a mutated cloud needs an interpreter of its own
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.localcloud.attacks.mutations import MUTATIONS, VARIABLE, Mutation

ROOT = Path(__file__).resolve().parents[3]
SOME_FAILED: Final = 1
"""pytest's exit code for "tests ran, and some failed": collection errors and misuse have others."""


def _pytest(arguments: Iterable[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own tests
        [sys.executable, "-m", "pytest", "-m", "unit", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.unit
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.rule)
def test_a_mutation_edits_a_function_that_exists(mutation: Mutation) -> None:
    spec = importlib.util.find_spec(mutation.module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text()
    compile(mutation.applied(source), spec.origin, "exec")


@pytest.mark.unit
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.rule)
def test_a_mutation_names_tests_that_exist(mutation: Mutation) -> None:
    for argument in mutation.tests:
        file, _, name = argument.partition("::")
        if name:
            functions = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            assert name in {f.name for f in functions if isinstance(f, ast.FunctionDef)}


@pytest.mark.unit
def test_every_mutation_has_a_rule_of_its_own() -> None:
    rules = [m.rule for m in MUTATIONS]
    assert sorted(rules) == sorted(set(rules))


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tests", sorted({m.tests for m in MUTATIONS}), ids=" ".join)
def test_the_tests_of_mutations_pass_without_one(tests: tuple[str, ...]) -> None:
    completed = _pytest(tests)
    assert completed.returncode == 0, completed.stdout[-3000:]


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.rule)
def test_a_rule_that_is_switched_off_is_noticed(mutation: Mutation) -> None:
    completed = _pytest(
        ["-x", "-p", "tests.localcloud.attacks.mutation_plugin", *mutation.tests],
        **{VARIABLE: mutation.rule},
    )
    assert completed.returncode == SOME_FAILED, (
        f"no test notices that this rule is switched off: {mutation.rule}\n"
        f"{completed.stdout[-3000:]}{completed.stderr[-2000:]}"
    )
