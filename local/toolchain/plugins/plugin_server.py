"""The gRPC server of a plugin: on a loopback port, which the first line of its output names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from typing import Final

import grpc

_LARGEST_MESSAGE: Final = 400 << 20
"""Bytes: the engine's own limit."""
POLL_SECONDS: Final = 1.0
"""Between two checks that the engine still runs."""


@dataclass(frozen=True)
class Engine:
    """The process that started this one. A killed engine does not end its plugins.

    Create it before `serve` prints the port: afterwards the engine may be gone and the parent of
    this process another one.
    """

    _process: int = field(default_factory=os.getppid)

    @property
    def runs(self) -> bool:
        """Whether the engine is still this process's parent."""
        return os.getppid() == self._process


def serve(add_to: Callable[[grpc.Server], None], *, workers: int) -> grpc.Server:
    """Start a server on a free loopback port, and print the port for the engine.

    Args:
        add_to: registers the service.
        workers: how many calls are answered at a time.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=workers),
        options=[
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ],
    )
    add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    return server
