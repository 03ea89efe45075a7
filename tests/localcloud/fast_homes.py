"""Folders in memory for clouds, because their disks are not what most tests are about.

A cloud waits for its disk after each change, which takes longer than all else that a test does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
_ROOM: Final = 1 << 30
"""Bytes that have to be free: a container has 64 MB there unless somebody asked for more."""


@contextlib.contextmanager
def fast_home(prefix: str = "lc-") -> Iterator[Path]:
    """A new folder, in memory where the system has enough that this user may write."""
    is_there = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_MEMORY if is_there else None) as folder:
        yield Path(folder)
