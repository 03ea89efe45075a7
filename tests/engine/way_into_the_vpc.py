"""A way into the VPC for a person's programs, as through a bastion: an HTTP proxy on loopback.

A process in a machine accepts the connections that come to the loopback port of the host, because a
listening socket stays in the network in which it was made. What it opens starts at the machine.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from operations.engine.places import ROOT

_PROXY: Final = """
import asyncio, socket, sys

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()

async def serve(reader, writer):
    try:
        request = await reader.readuntil(b"\\r\\n\\r\\n")
        host, port = request.split()[1].decode().rsplit(":", 1)
        inner = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 5)
    except (OSError, ValueError, IndexError, asyncio.IncompleteReadError):
        writer.close()
        return
    writer.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))

async def main():
    listening = socket.socket(fileno=int(sys.argv[1]))
    async with await asyncio.start_server(serve, sock=listening) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def way_into_the_vpc(home: Path, *, node: str) -> Iterator[str]:
    """The URL of a proxy through the machine of a node, which need not have booted yet."""
    ends = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        thread = threading.Thread(target=_run, args=(home, node, listening, ends))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ends.set()
            thread.join(30)


def _run(home: Path, node: str, listening: socket.socket, ends: threading.Event) -> None:
    process: subprocess.Popen[bytes] | None = None
    while not ends.wait(1):
        instance = _instance_of(home, node)
        if instance is not None and (process is None or process.poll() is not None):
            process = _proxy(home, instance, listening.fileno())
    if process is not None:
        process.terminate()
        process.wait(10)


def _instance_of(home: Path, node: str) -> str | None:
    for path in (home / "machines").glob("*/machine.json"):
        if json.loads(path.read_text())["instance"]["hostname"] == node:
            return path.parent.name
    return None


def _proxy(home: Path, instance: str, listening: int) -> subprocess.Popen[bytes]:
    session = (sys.executable, "-m", "localcloud.machines.session", "--home", str(home), instance)
    return subprocess.Popen(  # noqa: S603 - our own commands
        [*session, "--", "python3", "-c", _PROXY, str(listening)],
        cwd=ROOT,
        pass_fds=(listening,),
        stderr=subprocess.DEVNULL,
    )
