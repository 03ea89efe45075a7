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
            # curl runs the host's program; the others must never run inside a machine.
            if name != "curl" and path.exists() and not path.is_symlink():
                kernel.mount(COMMANDS / name, path, None, kernel.MS_BIND)


def write(name: str) -> None:
    """Create a command: a script that runs our own. It replaces an existing link."""
    path = COMMANDS / name
    simulated = (
        f"PYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))} "
        f'exec {shlex.quote(sys.executable)} -m localcloud.machines.guest.commands {name} "$@"\n'
    )
    if name == "curl" and (real := shutil.which("curl", path="/usr/bin:/bin")):
        text = f'{_only_for_archives(simulated)}exec {real} "$@"\n'
    else:
        text = simulated
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)


def _only_for_archives(command: str) -> str:
    """Return shell text that runs `command` when an argument is an address of an archive."""
    pattern = "|".join(f"https://{host}/*|http://{host}/*" for host in sorted(ARCHIVES))
    return f'for word; do case "$word" in {pattern}) {command.rstrip()} ;; esac; done\n'
