"""Machines that are virtual machines: qemu with a disk of its own and a tap device for each ENI.

The disk is a sparse copy of the image. An ENI that is attached while the machine runs appears after
the next start; a detached one carries no more packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.kinds.machine_kind import is_control_plane
from localcloud.virtual.counter import counter_khz
from localcloud.virtual.hardware import (
    EMULATED_PROCESSORS,
    PROCESSORS,
    Accelerator,
    Hardware,
    Nic,
    qemu,
)
from localcloud.virtual.unpacked import Programs

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from localcloud.machines.control import Instance
    from localcloud.machines.kinds.machine_kind import Guest
    from localcloud.machines.network.fabric import Fabric

_DISK: Final = "disk.img"
SHELL: Final = "shell.sock"
"""The socket of root's shell, in the machine's folder."""
_SETTLED_SECONDS: Final = 5.0


class VirtualMachines:
    """Powers on virtual machines on the fabric of a VPC."""

    def __init__(
        self, fabric: Fabric, programs: Programs, disk: Path, kernel: Path, by: Accelerator
    ) -> None:
        self._fabric = fabric
        self._programs = programs
        self._image = disk
        self._kernel = kernel
        self._accelerator = by
        self._counter_khz = counter_khz() if by is Accelerator.EMULATION else None

    async def power_on(self, folder: Path, instance: Instance, raw: dict[str, Any]) -> Guest:  # noqa: ARG002  # the metadata service has the rest
        """Plug the ENIs and start qemu."""
        disk = folder / _DISK
        if not disk.exists():
            await asyncio.to_thread(self._make_disk, disk)
        nics = []
        for interface in instance.interfaces:
            tap = await asyncio.to_thread(self._fabric.plug_tap, interface)
            nics.append(Nic(tap=tap, mac=interface.mac))
        hardware = Hardware(
            name=instance.id,
            serial=instance.serial_number,
            processors=self._processors(instance),
            counter_khz=self._counter_khz,
            disk=disk,
            nics=tuple(nics),
            # Relative, because the path of a socket may have at most 107 bytes.
            shell=Path(SHELL),
        )
        (folder / SHELL).unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            *qemu(self._programs, self._kernel, hardware, self._accelerator),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            # Where the kernel groups tasks by session (autogroup), a machine's processors are one
            # group, apart from the control planes, which run at the same time.
            start_new_session=True,
        )
        return _VirtualGuest(process, self._fabric, tuple(nic.id for nic in instance.interfaces))

    def erase_disk(self, folder: Path) -> None:
        """Remove the disk's file."""
        (folder / _DISK).unlink(missing_ok=True)

    def _processors(self, instance: Instance) -> int:
        if self._accelerator is Accelerator.KVM or is_control_plane(instance.user_data):
            return PROCESSORS
        return EMULATED_PROCESSORS

    def _make_disk(self, disk: Path) -> None:
        draft = disk.with_suffix(".new")
        command = ("cp", "--sparse=always", "--reflink=auto", str(self._image), str(draft))
        subprocess.run(command, check=True, capture_output=True, timeout=600)  # noqa: S603
        draft.rename(disk)


class _VirtualGuest:
    def __init__(self, process: Process, fabric: Fabric, plugged: tuple[str, ...]) -> None:
        self.process = process
        self._fabric = fabric
        self._plugged = plugged

    async def started(self) -> bool:
        """Wait briefly; False if qemu ended, as it does when it cannot create the hardware."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.process.wait()), _SETTLED_SECONDS)
            return False
        return True

    async def follow(self, instance: Instance) -> None:
        """Admit the addresses that the plugged ENIs have now."""
        attached = {interface.id: interface for interface in instance.interfaces}
        for interface_id in self._plugged:
            if interface_id in attached:
                await asyncio.to_thread(self._fabric.assign, attached[interface_id])
            else:
                await asyncio.to_thread(self._fabric.unplug, interface_id)

    async def cut_power(self) -> None:
        """End qemu, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        for interface_id in self._plugged:
            await asyncio.to_thread(self._fabric.unplug, interface_id)
