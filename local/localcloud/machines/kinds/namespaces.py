"""Machines that are sets of namespaces, with simulated services (`guest`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines import channel, kernel
from localcloud.machines.privileges import inner_command

if TYPE_CHECKING:
    import socket
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from localcloud.machines.control import DataDisk, Instance, Interface
    from localcloud.machines.data_disks import DataDisks
    from localcloud.machines.kinds.machine_kind import Guest
    from localcloud.machines.network.fabric import Fabric

_FIRST_EXTRA_LINK: Final = 6
_POWER_OFF_SECONDS: Final = 10.0


def guest_link_names(interfaces: tuple[Interface, ...]) -> dict[str, str]:
    """Return the kernel's name of each ENI in the guest, by ENI id.

    The primary is eth0; others come up as ens6, ens7 …, so that naming by MAC has work to do.
    """
    others = [nic for nic in interfaces if not nic.primary]
    names = {nic.id: f"ens{_FIRST_EXTRA_LINK + place}" for place, nic in enumerate(others)}
    return names | {nic.id: "eth0" for nic in interfaces if nic.primary}


class NamespaceMachines:
    """Powers on sets of namespaces on the fabric of a VPC."""

    def __init__(self, fabric: Fabric, disks: DataDisks, about: Mapping[str, Any]) -> None:
        self._fabric = fabric
        self._disks = disks
        self._about = dict(about)

    async def power_on(self, folder: Path, instance: Instance, raw: dict[str, Any]) -> Guest:  # noqa: ARG002  # the instance is in `raw`
        """Start the machine's first process."""
        spec = folder / "machine.json"
        spec.touch(mode=0o600)
        spec.write_text(json.dumps({"instance": raw, **self._about}), encoding="utf-8")
        ours, theirs = channel.pair()
        ours.setblocking(False)  # noqa: FBT003  (the socket module's own signature)
        process = await asyncio.create_subprocess_exec(
            *inner_command(),
            sys.executable,
            "-m",
            "localcloud.machines.guest",
            str(folder),
            str(theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "LANG": "C.UTF-8"},
        )
        theirs.close()
        return NamespaceGuest(process, ours, self._fabric, self._disks)

    def erase_disk(self, folder: Path) -> None:
        """Remove its files."""
        if (folder / "disk").exists():
            shutil.rmtree(folder / "disk")


class NamespaceGuest:
    """A set of namespaces that is powered on."""

    def __init__(
        self, process: Process, end: socket.socket, fabric: Fabric, disks: DataDisks
    ) -> None:
        self.process = process
        self._end = end
        self._fabric = fabric
        self._disks = disks
        self._plugged: dict[str, Interface] = {}
        self._attached: dict[str, DataDisk] = {}

    async def started(self) -> bool:
        """Wait until the machine is in its own network namespace."""
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self._end, 4096))
        except OSError:
            return False

    async def follow(self, instance: Instance) -> None:
        """Send the changes to the machine.

        The first message has everything, and the machine boots after it.
        """
        message = {**await self._leases(instance), **self._detached(instance)}
        disks = [disk for disk in instance.data_disks if disk != self._attached.get(disk.id)]
        added = [disk for disk in disks if disk.id not in self._attached]
        trees: list[int] = []
        try:
            for disk in disks:
                folder = await asyncio.to_thread(self._disks.prepare, disk)
                if disk in added:
                    trees.append(kernel.open_tree(folder))
            if added:
                message["attached"] = [disk.serial_number for disk in added]
            if message:
                with contextlib.suppress(OSError):
                    channel.send(self._end, message, tuple(trees))
        finally:
            for tree in trees:
                os.close(tree)
        self._attached = {disk.id: disk for disk in instance.data_disks}

    async def _leases(self, instance: Instance) -> dict[str, Any]:
        """Plug and unplug ENIs and admit the addresses that they have now.

        Returns:
            The message about links and primary addresses; empty if these are the same. A rule of
            a security group, for example, does not concern the machine.
        """
        attached = {nic.id: nic for nic in instance.interfaces}
        names = guest_link_names(instance.interfaces)
        for interface_id in self._plugged.keys() - attached.keys():
            await asyncio.to_thread(self._fabric.unplug, interface_id)
        for interface_id in attached.keys() - self._plugged.keys():
            await asyncio.to_thread(
                self._fabric.plug, attached[interface_id], names[interface_id], self.process.pid
            )
        for interface_id in attached.keys() & self._plugged.keys():
            await asyncio.to_thread(self._fabric.assign, attached[interface_id])
        before, self._plugged = _leases_of(self._plugged), attached
        leases = _leases_of(attached)
        return {} if leases == before else {"leases": list(leases.values())}

    def _detached(self, instance: Instance) -> dict[str, Any]:
        gone = self._attached.keys() - {disk.id for disk in instance.data_disks}
        serials = [self._attached[disk_id].serial_number for disk_id in sorted(gone)]
        return {"detached": serials} if serials else {}

    async def cut_power(self) -> None:
        """Kill all processes at once, because stopping kube-apiserver would take a minute."""
        for pid in (*_children(self.process.pid), self.process.pid):
            # End the first process first: then `unshare` ends, and with it everything else.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if pid != self.process.pid:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.process.wait(), _POWER_OFF_SECONDS)
        await self.process.wait()
        self._end.close()
        for interface_id in self._plugged:
            await asyncio.to_thread(self._fabric.unplug, interface_id)


def _leases_of(interfaces: Mapping[str, Interface]) -> dict[str, dict[str, Any]]:
    """Links and primary addresses, as the machine gets them, by ENI id."""
    return {
        id_: {
            "mac": nic.mac,
            "address": nic.address,
            "prefix_length": nic.prefix_length,
            "gateway": nic.gateway,
            "primary": nic.primary,
        }
        for id_, nic in interfaces.items()
    }


def _children(pid: int) -> list[int]:
    """Return the children of a process; none if the kernel does not report them."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]
