"""How long tests wait for what must happen."""

from __future__ import annotations

import time
from typing import Final

_PATIENCE: Final = 3
"""A test names the time that suffices on a quiet machine; the suite may share two busy cores.

A wait that succeeds takes no longer for it, and no test measures time (`benchmarks/` does).
"""


def end_of_wait(seconds: float) -> float:
    """Return the `time.monotonic()` at which a wait that takes `seconds` at most has failed."""
    return time.monotonic() + seconds * _PATIENCE
