"""One `local up` or `local down` at a time for each local cloud."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from operations.engine.places import Places
from operations.failure import ExitCode, OperationError


@contextmanager
def exclusive_use(places: Places) -> Iterator[None]:
    """Lock this local cloud; the kernel releases the lock whenever the process ends."""
    places.home.mkdir(parents=True, exist_ok=True)
    with (places.home / "operations.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise OperationError(
                f"Another `local up` or `local down` is at work in {places.home}; wait for it to "
                "end and run this again.",
                code=ExitCode.BUSY,
            ) from busy
        yield
