"""Which clouds of the engine tier are hostile, and by which seed: another one every day."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final

VARIABLE: Final = "LOCALCLOUD_HOSTILE"
"""Makes every cloud hostile by one seed (docs/localcloud.md#hostile-mode); an empty value makes
none hostile."""

CYCLES: Final = "life cycles"
EDITS: Final = "edits and drift"
TURNS: Final = MappingProxyType(
    {
        CYCLES: ("tests/engine/lifecycle/test_cycles.py",),
        EDITS: (
            "tests/engine/lifecycle/edits/test_drift.py",
            "tests/engine/lifecycle/edits/test_edits.py",
        ),
    }
)
"""The tests that take turns: they cover most resources, and nothing boots in them."""


def turn_of(day: date) -> str:
    """Return the turn whose clouds are hostile on a day.

    Each has two days in a row: one with an even seed and one with an odd one, which choose
    addresses differently.
    """
    return tuple(TURNS)[day.toordinal() // 2 % len(TURNS)]


def environment(turn: str, *, day: date | None = None) -> Mapping[str, str]:
    """The variables of a cloud whose tests take turns; VARIABLE overrides the turns."""
    today = day or _today()
    if VARIABLE in os.environ or turn_of(today) != turn:
        return {}
    return {VARIABLE: str(today.toordinal())}


def announcement() -> str:
    """What a person needs to repeat the run."""
    seed = os.environ.get(VARIABLE)
    if seed is None:
        today = _today()
        turn, seed = turn_of(today), str(today.toordinal())
        return (
            f"Today the tests of {turn} have a hostile cloud with the seed {seed}. "
            f"Repeat them with {VARIABLE}={seed} pytest -m engine {' '.join(TURNS[turn])}"
        )
    if seed:
        return f"Every cloud was hostile with the seed {seed}."
    return f"No cloud was hostile, because {VARIABLE} is empty."


def _today() -> date:
    return datetime.now(UTC).date()
