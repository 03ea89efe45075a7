"""Keeps the registration of thousands of resources fast: little is recorded, searched and sent."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pulumi

DEBUG: Final = "SPIDERPOOL_ALICLOUD_DEBUG"
"""The environment variable that lets the SDK's debug messages through."""

_FRAMES: Final = 8
"""Innermost frames of the Python stack that a resource records. Six of them are the SDK's own."""

_ALLOCATIONS: Final = 100_000
"""Objects between two searches for cycles. Python's default is 700."""


@contextmanager
def short_stack_traces() -> Iterator[None]:
    """Record the nearest callers of each resource that is constructed inside, and not all of them.

    The SDK sends the whole Python stack with each resource (`_get_stack_trace` of
    `pulumi/runtime/resource.py`), and the engine keeps it in the state. In a program of components
    that was half of the state, and file and object stores write the state as a whole twice for each
    change. `sys.tracebacklimit` is the limit of `traceback.extract_stack`
    (https://docs.python.org/3/library/traceback.html). Tracebacks of errors are printed later, in
    full.
    """
    before = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = _FRAMES
    try:
        yield
    finally:
        if before is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = before


def search_cycles_seldom() -> None:
    """Let Python search for unreachable cycles after many allocations only.

    A resource is some hundred objects that live until the run ends, and every search visits them
    all, so the searches took a third of the program's time. Call it once all modules are imported:
    those objects are never searched again (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
    gc.enable()


def drop_debug_messages() -> None:
    """Send no debug messages to the engine, unless `SPIDERPOOL_ALICLOUD_DEBUG` is set.

    The SDK sends four or five of them for each resource. The whole program waits for each of these
    calls, whether or not the run has `--debug`, and they took a quarter of the program's time
    (https://github.com/pulumi/pulumi/issues/7292 reports the same cost). The engine does not tell
    the program whether it will show them, so a person who wants to see them sets the variable.
    """
    if os.environ.get(DEBUG):
        return

    def drop(*_: object, **__: object) -> None:
        """Take what `pulumi.log.debug` takes."""

    pulumi.log.debug = drop


async def begin_registrations() -> None:
    """Let every registration begin before the SDK waits for the run's end; `pulumi.run` calls it.

    The SDK waits for registrations first, one after another, and for Outputs afterwards
    (`wait_for_rpcs` of `pulumi/runtime/stack.py`). A registration counts once it has begun. If none
    has, the SDK goes over all pending Outputs whenever one of them resolves: a time that grows with
    the square of the resources.
    """
    await asyncio.sleep(0)
