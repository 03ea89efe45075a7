"""Runs of pulumi that die at a write inside Kubernetes, with every process that they started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

from tests.engine.clouds.local_cloud import processes_below
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.interruptions.api_gate import ApiGate, Write
from tests.engine.lifecycle.interruptions.interrupts import begin_up

_LONGEST = 400.0


def cut_off_inside(light: LightCloud, gate: ApiGate, when: Callable[[Write], bool]) -> Write | None:
    """Start an `up` and kill it at the first write for which `when` is true.

    The API server has done that write, and nobody hears of it. The engine, its plugins and helm die
    together, as when their machine goes away. Returns the write; None when the run ended before.
    """
    child = begin_up(light)
    last: list[Write] = []

    def die(write: Write) -> None:
        if last or not when(write):
            return
        last.append(write)
        # The engine first: it must not write down that a plugin has died.
        for pid in sorted(processes_below([child.pid]), key=lambda pid: pid != child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    gate.witness = die
    try:
        child.wait(timeout=_LONGEST)
    finally:
        gate.reset()
    return last[0] if last else None
