"""When objects and cloud resources were deleted.

Objects are polled at the API server; cloud resources are read from the emulator's call log."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.machines.guest.kubelet.client import Access, ApiError, Client

_EVERY = 0.1


@dataclass
class Deletions:
    """Times of deletion in seconds since the epoch, by `kind/name`."""

    paths: Mapping[str, str]
    """What is looked at: kind → list in the API server."""
    marked: dict[str, float] = field(default_factory=dict)
    """When an object was first seen with a requested deletion, or was gone."""
    gone: dict[str, float] = field(default_factory=dict)
    stood: set[str] = field(default_factory=set)

    def of(self, kind: str, when: Mapping[str, float] | None = None) -> list[float]:
        """All times of one kind."""
        return [t for name, t in (when or self.marked).items() if name.startswith(f"{kind}/")]

    def look(self, client: Client) -> None:
        for kind, path in self.paths.items():
            try:
                items = client.get(path)["items"]
            except ApiError as error:
                if error.status != http.HTTPStatus.NOT_FOUND:
                    return  # the API server is gone, or about to be
                items = []
            now = time.time()
            seen = {f"{kind}/{item['metadata']['name']}": item["metadata"] for item in items}
            self.stood |= set(seen)
            for name, metadata in seen.items():
                if "deletionTimestamp" in metadata:
                    self.marked.setdefault(name, now)
            for name in self.stood - set(seen):
                if name.startswith(f"{kind}/"):
                    self.marked.setdefault(name, now)
                    self.gone.setdefault(name, now)


@contextmanager
def watched(kubeconfig: Path, paths: Mapping[str, str]) -> Iterator[Deletions]:
    """Poll the API server ten times a second for as long as the block lasts."""
    deletions, ends = Deletions(paths=paths), threading.Event()
    client = Client(Access.read(kubeconfig))
    deletions.look(client)

    def run() -> None:
        while not ends.wait(_EVERY):
            deletions.look(client)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield deletions
    finally:
        ends.set()
        thread.join(60)


def cloud_calls(control: Path, action: str) -> list[float]:
    """Times of the successful calls of an action, in seconds since the epoch."""
    return [
        _seconds(call["time"])
        for call in _asked(control, "/calls?after=0")
        if call["action"] == action and call["status"] == http.HTTPStatus.OK
    ]


def _seconds(when: object) -> float:
    return when if isinstance(when, float) else datetime.fromisoformat(str(when)).timestamp()


def _asked(control: Path, path: str) -> Any:  # noqa: ANN401 - JSON
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    # A socket's path has a length limit; the path through a file descriptor is always short.
    folder = os.open(control.parent, os.O_PATH)
    try:
        connection.sock.connect(f"/proc/self/fd/{folder}/{control.name}")
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        os.close(folder)
        connection.close()
