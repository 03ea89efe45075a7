"""The kinds of machines of the local cloud, and the interface that `Machine` needs.

There are two kinds: a set of namespaces with simulated services (`namespaces`), and a virtual
machine (`virtual`). Everything that does not depend on the kind, such as power, console and the
replacement of a disk, is in `machine`.
"""

from __future__ import annotations

import base64
import binascii
from asyncio.subprocess import Process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from localcloud.settings import Machines

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.machines.control import Instance

_AUTHORITY: Final = b"/etc/kubernetes/pki/ca.key"
"""The file of a cluster's CA key; only the user-data of a control plane has it."""


class Guest(Protocol):
    """A machine that is powered on. It is on as long as its process runs."""

    @property
    def process(self) -> Process:
        """The machine's process; its stdout is the console."""

    async def started(self) -> bool:
        """Wait until `follow` can be called; False if the machine ended before."""

    async def follow(self, instance: Instance) -> None:
        """Give the machine the ENIs that the instance has."""

    async def cut_power(self) -> None:
        """End all of the machine's processes; its disk stays."""


class MachineKind(Protocol):
    """How one kind of machine is powered on, and where its disk is."""

    async def power_on(self, folder: Path, instance: Instance, raw: dict[str, Any]) -> Guest:
        """Boot the machine that has its disk in `folder`. `raw` is the control socket's entry."""

    def erase_disk(self, folder: Path) -> None:
        """Remove the machine's disk, if it has one, so that the next boot is a first boot."""


def kind_for(
    machines: Machines, *, namespaces: MachineKind, virtual: MachineKind
) -> Callable[[Instance], MachineKind]:
    """Return a function that decides on an instance's kind."""
    match machines:
        case Machines.NAMESPACES:
            return lambda _: namespaces
        case Machines.VIRTUAL:
            return lambda _: virtual
        case Machines.MIXED:
            return lambda instance: namespaces if is_control_plane(instance.user_data) else virtual


def is_control_plane(user_data: str) -> bool:
    """Whether base64 user-data makes a control plane: it brings the key of the cluster's CA."""
    try:
        return _AUTHORITY in base64.b64decode(user_data, validate=True)
    except binascii.Error:
        return _AUTHORITY in user_data.encode()
