from __future__ import annotations

import io
import threading
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from toolchain.pins import Build
from toolchain.progress import Progress, Work

pytestmark = pytest.mark.unit

LARGE: Final = Build(name="large", version="1", programs={"large": "."}, source=3)
SMALL: Final = Build(name="small", version="1", programs={"small": "."}, source=1)
PACKAGES: Final = {"a": 1_000_000, "b": 2_000_000}


def test_nothing_to_build_is_all_built() -> None:
    assert Work([]).fraction() == 1.0


def test_a_build_that_has_ended_counts_with_its_share_of_source() -> None:
    work = Work([LARGE, SMALL])
    work.begin(SMALL, {})
    work.end(SMALL)
    assert work.fraction() == 0.25


def test_packages_count_by_their_size_and_linking_is_left() -> None:
    work = Work([LARGE, SMALL])
    work.begin(LARGE, PACKAGES)
    work.compile(LARGE, "b")
    assert work.fraction() == pytest.approx(0.95 * 2 / 4)
    work.compile(LARGE, "a")
    assert work.fraction() == pytest.approx(0.95 * 3 / 4)
    work.end(LARGE)
    assert work.fraction() == 0.75


def test_what_the_go_command_lists_takes_the_place_of_the_measured_share() -> None:
    work = Work([LARGE, SMALL])
    work.begin(LARGE, {"a": 500_000})
    work.begin(SMALL, {"c": 500_000})
    work.end(LARGE)
    assert work.fraction() == 0.5


def test_a_build_that_is_added_makes_the_whole_larger() -> None:
    work = Work([LARGE])
    work.end(LARGE)
    work.add(SMALL)
    assert work.fraction() == 0.75


def test_the_line_has_how_far_what_is_left_and_what_is_built() -> None:
    work = Work([LARGE, SMALL])
    work.begin(LARGE, {**PACKAGES, "c": 1_000_000})
    work.begin(SMALL, {})
    work.compile(LARGE, "b")
    assert work.describe(90) == (
        "38% built after 1 min 30 s, about 2 min 27 s left: large (1 of 3 packages), small"
    )


def test_the_remaining_time_is_not_guessed_from_the_first_packages() -> None:
    assert Work([LARGE]).describe(5) == "0% built after 5 s"


def test_a_run_that_only_downloads_does_not_report_builds_as_done() -> None:
    assert Work([]).describe(75) == "nothing to build, downloading for 1 min 15 s"


@given(
    started=st.lists(st.sampled_from([*PACKAGES, "unlisted"]), max_size=8),
    is_ended=st.booleans(),
)
def test_progress_only_grows_and_stays_within_the_whole(
    *, started: list[str], is_ended: bool
) -> None:
    work = Work([LARGE, SMALL])
    work.begin(LARGE, PACKAGES)
    seen = [work.fraction()]
    for package in started:
        work.compile(LARGE, package)
        seen.append(work.fraction())
    if is_ended:
        work.end(LARGE)
        seen.append(work.fraction())
    assert seen == sorted(seen)
    assert 0.0 <= seen[0] <= seen[-1] <= 1.0


def test_without_a_terminal_progress_is_lines() -> None:
    printed: list[str] = []
    is_printed = threading.Event()

    def say(line: str) -> None:
        printed.append(line)
        is_printed.set()

    console = Console(file=io.StringIO())
    with Progress(console, [LARGE], say, line_every=0.01) as progress:
        progress.begin(LARGE, PACKAGES)
        progress.compile(LARGE, "a")
        is_printed.clear()
        assert is_printed.wait(30)
    assert "large (1 of 2 packages)" in printed[-1]


def test_on_a_terminal_progress_is_one_line_that_changes() -> None:
    printed: list[str] = []
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    with Progress(console, [LARGE], printed.append) as progress:
        progress.begin(LARGE, PACKAGES)
    assert printed == []
    assert "0% built" in output.getvalue()
