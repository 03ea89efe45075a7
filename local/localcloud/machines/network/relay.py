"""Bytes from one stream to another and back, until both are done."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

_CHUNK: Final = 65_536
_joining: Final[set[asyncio.Task[object] | None]] = set()
"""The tasks in `join`. The event loop does not refer to a connection whose reading is paused, so
without these references the garbage collector would end the connection and its task."""


async def join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Relay in both directions; a half-closed side stays half-closed. Closes both at the end."""
    own = asyncio.current_task()
    _joining.add(own)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(one[0], other[1]))
            group.create_task(_copy(other[0], one[1]))
    except* OSError:
        pass
    finally:
        _joining.discard(own)
        for _, writer in (one, other):
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
