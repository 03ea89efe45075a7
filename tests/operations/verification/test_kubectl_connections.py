"""What counts as a connection to a load balancer: one that somebody keeps."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from operations.engine.running import Runner
from operations.verification import kubectl
from operations.verification.kubectl import Kubectl

pytestmark = pytest.mark.unit

ABORTS = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection."""


@contextmanager
def listening(behave: Callable[[socket.socket], object]) -> Iterator[int]:
    """A listener's port; it takes one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            client, _ = listener.accept()
            with client:
                behave(client)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def outcome(behave: Callable[[socket.socket], object]) -> str | None:
    with listening(behave) as port:
        return Kubectl(runner=Runner(env={})).connect("127.0.0.1", port)


def test_a_server_that_speaks_first_is_there() -> None:
    assert outcome(lambda client: client.sendall(b"220 ready")) is None


def test_a_server_that_waits_for_its_client_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl, "_LASTS", 0.1)
    assert outcome(lambda client: client.recv(1)) is None


def test_a_connection_that_is_closed_at_once_has_no_server() -> None:
    assert outcome(lambda _: None) == "the connection was closed at once"


def test_a_connection_that_is_reset_has_no_server() -> None:
    why = outcome(lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTS))
    assert why is not None
    assert "reset" in why


def test_a_port_that_nobody_listens_on_has_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in str(Kubectl(runner=Runner(env={})).connect("127.0.0.1", port))
