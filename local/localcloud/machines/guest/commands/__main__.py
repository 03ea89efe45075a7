"""`python -m localcloud.machines.guest.commands NAME …`: run one simulated command.

A set-up calls dozens of commands, so each imports only what it needs.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

_COMMANDS: Final = {
    "apt-get": "apt.apt_get",
    "apt-mark": "apt.apt_mark",
    "blkdiscard": "disks.blkdiscard",
    "blockdev": "disks.blockdev",
    "containerd": "containerd.containerd",
    "crictl": "containerd.crictl",
    "ctr": "containerd.ctr",
    "curl": "curl.curl",
    "dpkg": "dpkg.dpkg",
    "hostnamectl": "nothing.nothing",
    "kubeadm": "kubernetes.kubeadm",
    "kubectl": "kubernetes.kubectl",
    "kubelet": "kubernetes.kubelet",
    "lsmod": "modules.lsmod",
    "mkfs.ext4": "disks.mkfs_ext4",
    "modprobe": "modules.modprobe",
    "mount": "disks.mount",
    "netplan": "network.netplan",
    "networkctl": "nothing.nothing",
    "nft": "nft.nft",
    "nmcli": "nothing.nothing",
    "swapoff": "nothing.nothing",
    "sysctl": "sysctl.sysctl",
    "systemctl": "systemctl.systemctl",
    "timedatectl": "nothing.nothing",
    "udevadm": "nothing.nothing",
}


def main() -> int:
    """Run the command named by the first argument; return its exit code."""
    module, _, function = _COMMANDS[sys.argv[1]].partition(".")
    command = getattr(importlib.import_module(f"{__package__}.{module}"), function)
    return int(command(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
