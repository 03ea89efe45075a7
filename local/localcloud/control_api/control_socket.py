"""HTTP over the control socket of a local cloud."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path


class ControlConnection(http.client.HTTPConnection):
    """A connection to the control socket at `path`; `timeout` in seconds."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("control", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect through the folder's descriptor, as a socket's path has at most 107 bytes."""
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
