"""Ports of the loopback interface for servers that tests start."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

# Linux gives outgoing connections ports from 32768 on (net.ipv4.ip_local_port_range), so a port of
# that range can be taken between the choice and the bind. Ports below 18000 are left to programs
# with fixed ports.
_PORTS: Final = range(18_000, 30_000)

# Locks stay with the process: its descriptors are closed when it ends, however it ends.
_LOCKS: Final[dict[int, int]] = {}


def free_port() -> int:
    """Return a port that no server has and no other test process is given while this one lives."""
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if port not in _LOCKS and _lock(port):
            if _can_bind(port):
                return port
            os.close(_LOCKS.pop(port))
    raise AssertionError(f"No port of {_PORTS} is free on the loopback interface.")


def _lock(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"loopback-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _LOCKS[port] = descriptor
    return True


def _can_bind(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
