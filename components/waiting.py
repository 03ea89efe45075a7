"""Polls until a condition is met, and reports now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

REPORT_EVERY: Final = 15.0
"""Seconds between two reports of one wait."""
_SHORTEST_PAUSE: Final = 0.01


async def wait_until(
    missing: Callable[[], Awaitable[str | None]],
    *,
    within: float,
    ask_every: float,
    give_up: Callable[[float, str], Exception],
    report: Callable[[float, str], object] | None = None,
) -> None:
    """Call `missing` until it returns None. An exception that it raises ends the wait.

    Args:
        missing: returns what is still missing; None when nothing is.
        within: seconds until the wait gives up; `missing` is called at least once.
        ask_every: seconds between two calls.
        give_up: the exception to raise, from the seconds waited and the last answer.
        report: gets the seconds waited and the last answer, every `REPORT_EVERY` seconds.
    """
    began = reported = time.monotonic()
    while (reason := await missing()) is not None:
        now = time.monotonic()
        waited = now - began
        if waited >= within:
            raise give_up(waited, reason)
        if report is not None and now - reported >= REPORT_EVERY:
            reported = now
            report(waited, reason)
        await asyncio.sleep(min(ask_every, max(within - waited, _SHORTEST_PAUSE)))
