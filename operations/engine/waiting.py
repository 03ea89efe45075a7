"""The wait for a condition that another program makes true."""

from __future__ import annotations

import time
from collections.abc import Callable


def holds_within(
    is_so: Callable[[], bool],
    *,
    within: float,
    every: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> bool:
    """Whether the condition holds in time; it is tested at least once.

    Args:
        is_so: An exception that it raises ends the wait.
        within: Seconds until the wait gives up.
        every: Seconds between two tests.
        clock: Seconds.
        pause: Waits so many seconds.
    """
    until = clock() + within
    while not is_so():
        if clock() >= until:
            return False
        pause(every)
    return True
