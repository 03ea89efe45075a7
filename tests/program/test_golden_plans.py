"""Each stack file's plan is the one that was reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.program.golden_plans import FOLDER, run_stack, stack_files, written

pytestmark = pytest.mark.unit

_FILES = stack_files()


@pytest.mark.parametrize(("name", "path"), _FILES.items(), ids=_FILES)
def test_the_plan_is_the_reviewed_one(name: str, path: Path) -> None:
    golden = FOLDER / f"{name}.yaml"
    assert golden.is_file(), "run `python -m tests.program.golden_plans` and review its diff"
    assert written(run_stack(name, path, readable=True)) == golden.read_text(encoding="utf-8")


def test_no_plan_is_left_of_a_file_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(_FILES)
