"""Gives the processes of one machine another time of day.

Linux has no namespace for it: `CLONE_NEWTIME` moves the monotonic clocks only
(time_namespaces(7)). Programs read the clock through `clock_gettime` in the vDSO, code that the
kernel maps into every process (vdso(7)); Go's runtime does so, too. In each process of the machine
this function is overwritten by one that asks the kernel and adds an offset to the time of day.

Not covered: a process that ends within a fraction of a second, and one that calls `gettimeofday`,
`time` or the system call itself.
"""

from __future__ import annotations

import platform
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from localcloud.machines.session import first_process

POSSIBLE: Final = platform.machine() == "x86_64"
"""Whether this computer's machine code is known here."""
_FUNCTION: Final = "__vdso_clock_gettime"
_BEFORE_OFFSET: Final = bytes.fromhex(
    "b8e4000000"  # mov eax, 228: clock_gettime(2)
    "0f05"  # syscall
    "85ff"  # test edi, edi: CLOCK_REALTIME is 0
    "7405"  # je to the addition
    "83ff05"  # cmp edi, 5: CLOCK_REALTIME_COARSE
    "7507"  # jne to the end
    "488106"  # add qword [rsi], the four bytes that follow
)
_AFTER_OFFSET: Final = b"\xc3"  # ret
_EVERY: Final = 0.1
_DYNAMIC_SYMBOLS: Final = 11
"""`SHT_DYNSYM` of elf(5)."""


@dataclass(kw_only=True)
class MachineClock:
    """The clock of one machine's processes, those that start later included."""

    folder: Path
    """Of the machine: `machines/<instance id>` in the cloud's home."""
    offset: timedelta = timedelta()
    _changed: dict[tuple[int, str], int] = field(default_factory=dict)
    """Process and what it runs → the offset that it has, in seconds."""

    def change_all(self) -> None:
        """Give every process the offset, once."""
        for pid in self._processes():
            seconds = int(self.offset.total_seconds())
            with suppress(OSError, ValueError):
                key = (pid, (Path("/proc") / str(pid) / "cmdline").read_text())
                if self._changed.get(key) != seconds:
                    _change(pid, seconds)
                    self._changed[key] = seconds

    def _processes(self) -> list[int]:
        first = first_process(self.folder)
        if first is None:
            return []
        namespace = Path(f"/proc/{first}/ns/pid").readlink()
        pids: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "ns" / "pid").readlink() == namespace:
                    pids.append(int(entry.name))
        return pids


@contextmanager
def clock_off(folder: Path, offset: timedelta) -> Iterator[MachineClock]:
    """A machine's clock is wrong by `offset` for as long as the block lasts."""
    clock, ends = MachineClock(folder=folder, offset=offset), threading.Event()

    def follow() -> None:
        while not ends.wait(_EVERY):
            clock.change_all()

    clock.change_all()
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield clock
    finally:
        ends.set()
        thread.join(30)
        clock.offset = timedelta()
        clock.change_all()


def _change(pid: int, seconds: int) -> None:
    """Overwrite the function in one process. Raises `OSError` or `ValueError` if it has none."""
    first, last = _vdso(pid)
    with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        memory.seek(first)
        at = first + _place_of_function(memory.read(last - first))
        memory.seek(at)
        code = memory.read(len(_BEFORE_OFFSET))
        offset = struct.pack("<i", seconds)
        if code == _BEFORE_OFFSET:
            # A thread may be inside the function: only the number changes.
            memory.seek(at + len(_BEFORE_OFFSET))
            memory.write(offset)
        elif seconds:
            memory.seek(at)
            memory.write(_BEFORE_OFFSET + offset + _AFTER_OFFSET)


def _vdso(pid: int) -> tuple[int, int]:
    """First and last address of the page of code."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith("[vdso]"):
            first, _, last = line.partition(" ")[0].partition("-")
            return int(first, 16), int(last, 16)
    raise ValueError(f"process {pid} has no vDSO")


def _place_of_function(image: bytes) -> int:
    """The function's offset in the page, from the table of symbols of elf(5)."""
    (sections,) = struct.unpack_from("<Q", image, 0x28)
    size, count = struct.unpack_from("<HH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", image, sections + n * size) for n in range(count)]
    for header in headers:
        kind, start, length, strings = header[1], header[4], header[5], header[6]
        if kind != _DYNAMIC_SYMBOLS:
            continue
        names = headers[strings][4]
        for symbol in range(start, start + length, 24):
            name, value = struct.unpack_from("<I4xQ", image, symbol)
            begin = names + name
            if image[begin : image.index(b"\0", begin)].decode() == _FUNCTION:
                return int(value)
    raise ValueError(f"the vDSO has no {_FUNCTION}")
