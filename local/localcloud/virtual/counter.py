"""The rate of this host's time stamp counter, which qemu's emulated processor shows to its guest.

A guest measures the rate against a timer when it boots. On a busy host it measures wrongly, because
qemu does not run for a while: 33 instead of 2,596 MHz were seen, and all its time limits ended 78
times too early. So qemu gets the rate and passes it on.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from collections.abc import Callable
from typing import Final

_READ: Final = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret"""
_SECONDS: Final = 0.2
_TRIES: Final = 20


def counter_khz() -> int | None:
    """Measure the rate in kHz; None where the host's counter cannot be read."""
    if platform.machine() != "x86_64":
        return None
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    code.write(_READ)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    read: Callable[[], int] = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    began, first = _moment(read)
    time.sleep(_SECONDS)
    ended, last = _moment(read)
    return round((last - first) / (ended - began) * 1e6)


def _moment(read: Callable[[], int]) -> tuple[float, int]:
    """The time in nanoseconds and the counter: the closest of several readings."""
    _, moment, count = min(_reading(read) for _ in range(_TRIES))
    return moment, count


def _reading(read: Callable[[], int]) -> tuple[int, float, int]:
    """How long the reading took, the time in its middle, and the counter."""
    before = time.monotonic_ns()
    count = read()
    after = time.monotonic_ns()
    return after - before, (before + after) / 2, count
