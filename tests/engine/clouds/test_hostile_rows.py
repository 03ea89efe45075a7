"""The table of the hostile seeds keeps its rows when one more is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.clouds.hostile_seeds import Run, row, write_row
from tests.engine.clouds.hostile_turns import CYCLES, EDITS

pytestmark = pytest.mark.unit

PAGE = """\
before
<!-- hostile: begin -->
| seed | of | tests | failed | time |
|---|---|---|---|---|
| 2 | life cycles | 23 | 0 | 206 s |
| 10 | life cycles | 23 | 0 | 210 s |
<!-- hostile: end -->
after
"""


def measured(seed: int, turn: str, *, failed: tuple[str, ...] = ()) -> str:
    return row(Run(seed=seed, turn=turn, tests=22, failed=failed, seconds=503.4, output=""))


def rows_after(page: Path, *new: str) -> list[str]:
    page.write_text(PAGE)
    for each in new:
        write_row(page, each)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    return [line for line in text.splitlines() if line.startswith("| ") and "seed" not in line]


def test_a_row_comes_between_those_of_other_seeds_and_turns(tmp_path: Path) -> None:
    assert rows_after(tmp_path / "page.md", measured(3, EDITS), measured(2, EDITS)) == [
        "| 2 | life cycles | 23 | 0 | 206 s |",
        "| 2 | edits and drift | 22 | 0 | 503 s |",
        "| 3 | edits and drift | 22 | 0 | 503 s |",
        "| 10 | life cycles | 23 | 0 | 210 s |",
    ]


def test_a_second_run_of_a_seed_replaces_its_row(tmp_path: Path) -> None:
    assert rows_after(tmp_path / "page.md", measured(2, CYCLES, failed=("test_down",))) == [
        "| 2 | life cycles | 22 | 1 | 503 s |",
        "| 10 | life cycles | 23 | 0 | 210 s |",
    ]
