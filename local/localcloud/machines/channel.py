"""JSON messages with open descriptors, sent between two of our processes on a socket pair."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

_LIMIT: Final = 60_000
_DESCRIPTORS: Final = 16
"""One for each data disk that an instance can have."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends; the other end reads an empty message when one closes."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Send one message of at most 60,000 bytes; the descriptors are duplicated.

    Raises ValueError if the message is longer, and OSError if the other end is closed.
    """
    data = json.dumps(message).encode()
    if len(data) > _LIMIT:
        raise ValueError(f"a message of {len(data)} bytes; at most {_LIMIT} fit")
    socket.send_fds(end, [data], list(descriptors))


def receive(end: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return one message and its descriptors, or None when the other end is closed."""
    try:
        data, descriptors, _, _ = socket.recv_fds(end, _LIMIT, _DESCRIPTORS)
    except ConnectionResetError:
        return None
    if not data:
        return None
    return json.loads(data), descriptors
