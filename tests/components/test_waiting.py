"""A wait asks, reports now and then, and gives up with the last answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from components.waiting import wait_until

pytestmark = pytest.mark.unit


class GaveUpError(Exception):
    """Raised at the end of a wait."""


class Clock:
    """In place of `time` and `asyncio`: a clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("components.waiting.time", clock)
    monkeypatch.setattr("components.waiting.asyncio", clock)
    return clock


def answers(values: Iterable[str | None]) -> Callable[[], Awaitable[str | None]]:
    remaining = iter(values)

    async def missing() -> str | None:
        return next(remaining)

    return missing


def wait(
    missing: Callable[[], Awaitable[str | None]], *, within: float = 60.0, ask_every: float = 2.0
) -> list[str]:
    """Wait to the end; what was reported."""
    reports: list[str] = []
    asyncio.run(
        wait_until(
            missing,
            within=within,
            ask_every=ask_every,
            give_up=lambda waited, reason: GaveUpError(f"{waited:.0f} s: {reason}"),
            report=lambda waited, reason: reports.append(f"{waited:.0f} s: {reason}"),
        )
    )
    return reports


def test_what_is_there_at_once_is_not_waited_for(clock: Clock) -> None:
    assert wait(answers([None])) == []
    assert clock.pauses == []


def test_it_asks_again_after_each_pause(clock: Clock) -> None:
    wait(answers(["a", "b", None]))
    assert clock.pauses == [2.0, 2.0]


@pytest.mark.usefixtures("clock")
def test_the_last_answer_is_in_the_exception() -> None:
    with pytest.raises(GaveUpError, match="5 s: c"):
        wait(answers(["a", "b", "c"]), within=5.0, ask_every=2.5)


def test_the_last_pause_is_no_longer_than_the_time_that_is_left(clock: Clock) -> None:
    with pytest.raises(GaveUpError, match="3 s"):
        wait(answers(["a", "a", "a"]), within=3.0, ask_every=2.0)
    assert clock.pauses == [2.0, 1.0]


def test_without_time_it_still_asks_once() -> None:
    with pytest.raises(GaveUpError, match="0 s: not yet"):
        wait(answers(["not yet"]), within=0.0)
    assert wait(answers([None]), within=0.0) == []


@pytest.mark.usefixtures("clock")
def test_it_reports_every_fifteen_seconds() -> None:
    reports = wait(answers([*["slow"] * 40, None]), within=100.0, ask_every=1.0)
    assert reports == ["15 s: slow", "30 s: slow"]


def test_an_exception_of_the_question_ends_the_wait(clock: Clock) -> None:
    async def missing() -> str | None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        wait(missing)
    assert clock.pauses == []
