"""Messages to the person who runs pulumi, through the engine."""

from __future__ import annotations

import contextlib
from typing import Final

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_SECONDS: Final = 5.0


class EngineLog:
    """The engine's log. Without an address (or an engine) every message is dropped."""

    def __init__(self, address: str | None) -> None:
        self._channel = grpc.insecure_channel(address) if address else None
        self._stub = engine_pb2_grpc.EngineStub(self._channel) if self._channel else None
        self._lines: dict[str, str] = {}  # the status line of each resource that has one

    def info(self, urn: str, message: str) -> None:
        """Show a message under the resource."""
        self._send(engine_pb2.INFO, urn, message, ephemeral=False)

    def warning(self, urn: str, message: str) -> None:
        """Show a warning under the resource."""
        self._send(engine_pb2.WARNING, urn, message, ephemeral=False)

    def status(self, urn: str, message: str) -> None:
        """Show a status line next to the resource while an operation on it runs.

        Without a terminal the engine prints each line it gets, so an unchanged line is not sent
        again.
        """
        if self._lines.get(urn) == message:
            return
        self._lines[urn] = message
        self._send(engine_pb2.INFO, urn, message, ephemeral=True)

    def clear_status(self, urn: str) -> None:
        """Remove the resource's status line, if there is one."""
        if self._lines.pop(urn, None) is not None:
            self._send(engine_pb2.INFO, urn, "", ephemeral=True)

    def close(self) -> None:
        """Close the connection."""
        if self._channel:
            self._channel.close()

    def _send(
        self,
        severity: engine_pb2.LogSeverity.ValueType,
        urn: str,
        message: str,
        *,
        ephemeral: bool,
    ) -> None:
        if self._stub is None:
            return
        request = engine_pb2.LogRequest(
            severity=severity, urn=urn, message=message, ephemeral=ephemeral
        )
        # An engine that is shutting down must not cause a failure.
        with contextlib.suppress(grpc.RpcError, ValueError):
            self._stub.Log(request, timeout=_SECONDS)
