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

from . import channel
from .privileges import inner_command

if TYPE_CHECKING:
    import socket
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from .control import Instance, Interface
    from .fabric import Fabric
    from .kinds import Guest

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
    """This kind of machine, on the fabric of a VPC."""

    def __init__(self, fabric: Fabric, about: Mapping[str, Any]) -> None:
        self._fabric = fabric
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
        return _NamespaceGuest(process, ours, self._fabric)

    def erase_disk(self, folder: Path) -> None:
        """Remove its files."""
        if (folder / "disk").exists():
            shutil.rmtree(folder / "disk")


class _NamespaceGuest:
    def __init__(self, process: Process, end: socket.socket, fabric: Fabric) -> None:
        self.process = process
        self._end = end
        self._fabric = fabric
        self._plugged: dict[str, Interface] = {}

    async def started(self) -> bool:
        """Wait until the machine is in its own network namespace."""
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self._end, 4096))
        except OSError:
            return False

    async def follow(self, instance: Instance) -> None:
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
        if attached == self._plugged:
            return
        self._plugged = attached
        leases = [
            {
                "mac": nic.mac,
                "address": nic.address,
                "prefix_length": nic.prefix_length,
                "gateway": nic.gateway,
                "primary": nic.primary,
            }
            for nic in instance.interfaces
        ]
        with contextlib.suppress(OSError):
            channel.send(self._end, {"leases": leases})

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


def _children(pid: int) -> list[int]:
    """Return the children of a process, none where the kernel does not report them."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]
