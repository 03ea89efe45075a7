"""Which measured ratios the nightly job refuses, and what the page of results shows."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.page import page
from benchmarks.program import Cost, ratios, section
from benchmarks.results import RESULTS, recorded, regressions

pytestmark = pytest.mark.unit


def cost(case: str, seconds: float, *, nodes: int = 50) -> Cost:
    return Cost(
        nodes=nodes,
        case=case,
        imports=1.0,
        seconds=seconds,
        mebibytes=100,
        resources=200,
        sent_bytes=1024 * 400,
    )


_COSTS = [
    *(cost("ours-existing", seconds) for seconds in (1.0, 2.0, 9.0)),
    *(cost("flat-existing", seconds) for seconds in (4.0, 4.0, 4.0)),
    cost("ours-create", 3.0),
]


def test_a_ratio_is_that_of_the_medians() -> None:
    assert ratios(_COSTS)["50 existing seconds"] == 0.5


def test_a_size_without_the_flat_program_has_no_ratio() -> None:
    assert ratios([cost("ours-existing", 1.0, nodes=10)]) == {}


@pytest.mark.parametrize(("after", "refused"), [(0.5, 0), (0.55, 0), (0.56, 1), (0.1, 0)])
def test_a_ratio_that_is_more_than_a_tenth_worse_is_refused(after: float, refused: int) -> None:
    worse = regressions({"50 existing seconds": 0.5}, {"50 existing seconds": after})
    assert len(worse) == refused


def test_a_ratio_that_was_never_recorded_is_not_refused() -> None:
    assert regressions({}, {"50 existing seconds": 9.0}) == []


def test_the_page_has_a_row_for_each_case() -> None:
    document = {
        "machine": "one",
        "versions": "two",
        "note": "",
        "runs": 3,
        "ratios": ratios(_COSTS),
        "costs": [dataclasses.asdict(one) for one in _COSTS],
    }
    rows = [line for line in section(document) if line.startswith("| 50 |")]
    assert [row.split("|")[2].strip() for row in rows] == [
        "ours-existing",
        "flat-existing",
        "ours-create",
    ]
    assert "2.00 (1.00 to 9.00)" in rows[0]


def test_the_recorded_page_is_that_of_the_recorded_figures() -> None:
    document = recorded()
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == page(document)
    assert document["program"]["runs"] >= 5
    assert document["program"]["ratios"]
