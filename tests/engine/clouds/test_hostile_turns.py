"""The engine tier's clouds are hostile in turns."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from operations.engine.places import ROOT
from tests.engine.clouds.hostile_turns import TURNS, VARIABLE, announcement, environment, turn_of

pytestmark = pytest.mark.unit

DAYS = [date(2027, 1, 1) + timedelta(days=n) for n in range(4 * len(TURNS))]


@pytest.fixture(autouse=True)
def _no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_every_turn_comes_with_even_and_odd_seeds_equally_often() -> None:
    count = Counter((turn_of(day), day.toordinal() % 2) for day in DAYS)
    assert count == {(turn, parity): 2 for turn in TURNS for parity in (0, 1)}


@pytest.mark.parametrize("day", DAYS)
def test_one_turn_a_day_has_the_days_seed(day: date) -> None:
    seeds = {turn: environment(turn, day=day) for turn in TURNS}
    assert seeds.pop(turn_of(day)) == {VARIABLE: str(day.toordinal())}
    assert not any(seeds.values())


@pytest.mark.parametrize(
    ("seed", "text"),
    [
        ("7", "Every cloud was hostile with the seed 7."),
        ("", "No cloud was hostile, because LOCALCLOUD_HOSTILE is empty."),
    ],
)
def test_the_variable_overrides_the_turns(
    monkeypatch: pytest.MonkeyPatch, seed: str, text: str
) -> None:
    monkeypatch.setenv(VARIABLE, seed)
    assert all(environment(turn, day=day) == {} for turn in TURNS for day in DAYS)
    assert announcement() == text


def test_the_announcement_has_the_command_that_repeats_the_run() -> None:
    setting, pytest_, _, _, *paths = announcement().partition("Repeat them with ")[2].split()
    assert setting.removeprefix(f"{VARIABLE}=").isdecimal()
    assert pytest_ == "pytest"
    assert tuple(paths) in TURNS.values()
    assert all((ROOT / path).exists() for path in paths)
