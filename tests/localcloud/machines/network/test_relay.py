"""Bytes through a relay whose reader is slow."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from localcloud.machines.network import relay

pytestmark = pytest.mark.unit

SIZE = 8 << 20
"""More than the buffers of two sockets and two streams hold."""


async def received_by_a_slow_reader() -> int:
    """How many bytes arrive if the garbage collector runs while the relay waits for the reader."""
    loop = asyncio.get_running_loop()
    sender, near = socket.socketpair()
    far, receiver = socket.socketpair()
    for end in (sender, receiver):
        end.setblocking(False)  # noqa: FBT003  (the socket module's own signature)

    async def start() -> None:
        ends = [await asyncio.open_connection(sock=end) for end in (near, far)]
        loop.create_task(relay.join(ends[0], ends[1]))  # noqa: RUF006  (as a server's own task)

    await start()
    sent = asyncio.create_task(loop.sock_sendall(sender, bytes(SIZE)))
    for _ in range(20):
        await asyncio.sleep(0.01)
        gc.collect()
    count = 0
    while count < SIZE and (data := await loop.sock_recv(receiver, 1 << 20)):
        count += len(data)
    sent.cancel()
    for end in (sender, receiver):
        end.close()
    return count


def test_every_byte_arrives() -> None:
    assert asyncio.run(received_by_a_slow_reader()) == SIZE
