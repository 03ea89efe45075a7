"""The local cloud's only wait loop: calls a function until it has an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def first_answer(ask: Callable[[], _T | None], *, within: float, every: float) -> _T | None:
    """Return the first answer of `ask` that is not None, or None if there is none in time.

    Args:
        ask: Called at least once. An exception that it raises ends the wait.
        within: Seconds until the wait gives up.
        every: Seconds between two calls.
    """
    until = time.monotonic() + within
    while True:
        answer = ask()
        if answer is not None:
            return answer
        if time.monotonic() >= until:
            return None
        time.sleep(every)


def holds_within(is_so: Callable[[], bool], *, within: float, every: float) -> bool:
    """Whether the condition holds in time; it is tested at least once."""
    return first_answer(lambda: is_so() or None, within=within, every=every) is not None
