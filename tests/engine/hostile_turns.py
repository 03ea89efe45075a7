"""Which clouds of the engine tier are hostile, and by which seed: another one every day."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

VARIABLE: Final = "LOCALCLOUD_HOSTILE"
"""Makes every cloud hostile by one seed (docs/localcloud.md#hostile-mode); empty makes none so."""

CYCLES: Final = "lifecycle/test_cycles.py"
EDITS: Final = "lifecycle/test_edits.py and test_drift.py"
TURNS: Final = (CYCLES, EDITS)
"""The tests that take turns: they cover most resources, and nothing boots in them."""


def turn_of(day: date) -> str:
    """Whose clouds are hostile on a day.

    Each has two days in a row: one with an even seed and one with an odd one, which choose
    addresses differently.
    """
    return TURNS[day.toordinal() // 2 % len(TURNS)]


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
        return (
            f"Hostile cloud: {turn_of(today)}, seed {today.toordinal()}. "
            f"Repeat it with {VARIABLE}={today.toordinal()}."
        )
    return f"Hostile clouds: all, seed {seed}." if seed else "Hostile clouds: none."


def _today() -> date:
    return datetime.now(UTC).date()
