"""Folders in memory for clouds, because their disks are not what most tests are about.

A cloud waits for its disk after each change, which takes longer than all else that a test does.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def fast_home(prefix: str = "lc-") -> Iterator[Path]:
    """A new folder, in memory where the system has some that this user may write."""
    shared = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
    where = shared if os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=where) as folder:
        yield Path(folder)
