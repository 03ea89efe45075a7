"""The scripts that replace commands in the machine's PATH."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from localcloud.machines import kernel
from localcloud.machines.guest.rootfs import COMMANDS

OF_THE_IMAGE: Final = (
    "apt-get",
    "apt-mark",
    "blkdiscard",
    "blockdev",
    "curl",
    "dpkg",
    "hostnamectl",
    "lsmod",
    "mkfs.ext4",
    "modprobe",
    "mount",
    "netplan",
    "networkctl",
    "nmcli",
    "swapoff",
    "sysctl",
    "systemctl",
    "timedatectl",
    "udevadm",
)
_WITH_THE_REAL: Final = frozenset({"blkdiscard", "blockdev", "curl", "mkfs.ext4", "mount"})
"""Commands that run the host's program of their name; the others must never run in a machine."""
_DEVICES: Final = "/dev/vd*|/dev/disk/*|--source=/dev/vd*|--source=/dev/disk/*"
ARCHIVES: Final = frozenset(
    {"download.docker.com", "mirrors.aliyun.com", "mirrors.cloud.aliyuncs.com", "pkgs.k8s.io"}
)
"""Hosts of package archives. Nothing outside the VPC can be reached, so keys are simulated."""


def install_image() -> None:
    """Write the commands every machine has, and hide the host's programs of those names."""
    for name in OF_THE_IMAGE:
        write(name)
        for folder in ("/usr/bin", "/usr/sbin"):
            path = Path(folder) / name
            if name not in _WITH_THE_REAL and path.exists() and not path.is_symlink():
                kernel.mount(COMMANDS / name, path, None, kernel.MS_BIND)


def write(name: str) -> None:
    """Create a command: a script that runs our own. It replaces an existing link."""
    path = COMMANDS / name
    simulated = (
        f"PYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))} "
        f'exec {shlex.quote(sys.executable)} -m localcloud.machines.guest.commands {name} "$@"\n'
    )
    simulated_for = {"curl": _of_archives(), "mount": _DEVICES}.get(name)
    real = shutil.which(name, path="/usr/bin:/bin")
    text = simulated
    if simulated_for is not None and real is not None:
        text = f'{_only_for(simulated_for, simulated)}exec {real} "$@"\n'
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)


def _of_archives() -> str:
    """A shell pattern of the addresses of archives."""
    return "|".join(f"https://{host}/*|http://{host}/*" for host in sorted(ARCHIVES))


def _only_for(pattern: str, command: str) -> str:
    """Return shell text that runs `command` when an argument matches a pattern."""
    return f'for word; do case "$word" in {pattern}) {command.rstrip()} ;; esac; done\n'
