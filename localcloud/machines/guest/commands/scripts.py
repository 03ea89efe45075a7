"""The scripts that stand for commands in the machine's PATH."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from localcloud.machines import kernel
from localcloud.machines.guest.rootfs import COMMANDS, TOOLS

OF_THE_IMAGE: Final = (
    "apt-get",
    "apt-mark",
    "curl",
    "hostnamectl",
    "lsmod",
    "modprobe",
    "netplan",
    "networkctl",
    "nmcli",
    "swapoff",
    "sysctl",
    "systemctl",
    "timedatectl",
    "udevadm",
)
_REAL: Final = frozenset({"kubectl"})


def install_image() -> None:
    """Write the commands every machine has, and hide the host's programs of those names."""
    for name in OF_THE_IMAGE:
        write(name)
        for folder in ("/usr/bin", "/usr/sbin"):
            path = Path(folder) / name
            # curl runs the host's own; the others must never act from inside a machine.
            if name != "curl" and path.exists() and not path.is_symlink():
                kernel.mount(COMMANDS / name, path, None, kernel.MS_BIND)


def write(name: str) -> None:
    """Make a command: the toolchain's program where nothing need be simulated, else a script."""
    path = COMMANDS / name
    if name in _REAL and (TOOLS / name).exists():
        path.unlink(missing_ok=True)
        path.symlink_to(TOOLS / name)
        return
    path.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))} "
        f'exec {shlex.quote(sys.executable)} -m localcloud.machines.guest.commands {name} "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
