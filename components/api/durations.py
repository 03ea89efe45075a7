"""Durations that the environment of a run may set."""

from __future__ import annotations

import os

import pulumi


def seconds_from_environment(
    variable: str, *, default: float, positive: bool, remedy: str
) -> float:
    """Seconds that an environment variable sets, `default` without it.

    `positive` refuses 0. Raises `pulumi.RunError`, with `remedy` in its message, for a negative or
    infinite number and for text that is not a number.
    """
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 < seconds < float("inf") or (seconds == 0 and not positive):
        return seconds
    raise pulumi.RunError(f"{variable}={text} is not a number of seconds. {remedy}")
