"""etcd itself, as a process on this computer, without TLS."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from operations.engine.places import ROOT

BIN: Final = ROOT / ".local" / "bin"


def start_etcd(
    data: Path, name: str, ports: Mapping[str, tuple[int, int]]
) -> subprocess.Popen[bytes]:
    """Start a member of etcd, which uses the data that its folder has. The caller ends it.

    Args:
        data: its data folder.
        name: its name, one of `ports`.
        ports: each member's port for clients and for peers.
    """
    client, peer = (f"http://127.0.0.1:{port}" for port in ports[name])
    arguments = {
        "name": name,
        "data-dir": data,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": ",".join(
            f"{other}=http://127.0.0.1:{port}" for other, (_, port) in ports.items()
        ),
    }
    return subprocess.Popen(  # noqa: S603 - the toolchain's own program
        [BIN / "etcd", *(f"--{option}={value}" for option, value in arguments.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
