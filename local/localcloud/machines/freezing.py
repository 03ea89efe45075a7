"""Stops the processes of a machine for a moment, for example while its disk is copied."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from .session import first_process


@contextlib.contextmanager
def frozen(folder: Path, proc: Path = Path("/proc")) -> Iterator[None]:
    """Stop all processes of the machine that boots from `folder`, except the first one.

    A machine that is off has no processes.
    """
    first = first_process(folder, proc)
    stopped: set[int] = set()
    try:
        # Repeat until there is no new one: a process may start another before it is stopped.
        while first is not None and (running := _descendants(first, proc) - stopped):
            for pid in running:
                _signal(pid, signal.SIGSTOP)
            stopped |= running
        yield
    finally:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _descendants(pid: int, proc: Path) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in proc.glob("[0-9]*"):
        try:
            # After the command's name, which is in parentheses: the state and the parent's id.
            parent = int(
                (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1]
            )
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    below: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            below.add(child)
            waiting.append(child)
    return below
