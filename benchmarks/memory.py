"""The memory of a command and of everything that it starts."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final, Self

_LOOK_EVERY: Final = 0.5
"""Seconds between two measurements."""


class MemoryBelow:
    """Measures the resident memory of all processes below one until the block ends.

    The emulated cloud runs in the background, so it is not below the benchmark.
    """

    highest: float
    """MiB, at the highest so far."""

    def __init__(self, root: int) -> None:
        self.highest = 0.0
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE") / 2**20
        while not self._over.wait(_LOOK_EVERY):
            pages = sum(_resident_pages(pid) for pid in _below(self._root))
            self.highest = max(self.highest, pages * page)


def _below(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    below: set[int] = set()
    todo = list(children.get(root, ()))
    while todo:
        pid = todo.pop()
        below.add(pid)
        todo += children.get(pid, [])
    return below


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
