"""`python -m localcloud.machines.guest.commands NAME …`: run one simulated command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest import services

from . import apt, containerd, curl, kubernetes, modules, network, sysctl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def systemctl(words: Sequence[str]) -> int:
    """Hand the command to the machine's first process."""
    reply = services.ask(words)
    if reply.text and not {"-q", "--quiet"} & set(words):
        (sys.stderr if reply.code else sys.stdout).write(reply.text + "\n")
    return reply.code


def nothing(_: Sequence[str]) -> int:
    """Swap, time zones and udev belong to the host; there is nothing to do."""
    return 0


_COMMANDS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "apt-get": apt.apt_get,
    "apt-mark": apt.apt_mark,
    "containerd": containerd.containerd,
    "crictl": containerd.crictl,
    "curl": curl.curl,
    "hostnamectl": nothing,
    "kubeadm": kubernetes.kubeadm,
    "kubectl": kubernetes.kubectl,
    "kubelet": kubernetes.kubelet,
    "lsmod": modules.lsmod,
    "modprobe": modules.modprobe,
    "netplan": network.netplan,
    "networkctl": nothing,
    "nmcli": nothing,
    "swapoff": nothing,
    "sysctl": sysctl.sysctl,
    "systemctl": systemctl,
    "timedatectl": nothing,
    "udevadm": nothing,
}

if __name__ == "__main__":
    sys.exit(_COMMANDS[sys.argv[1]](sys.argv[2:]))
