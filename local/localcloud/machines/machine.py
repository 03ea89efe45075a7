"""One machine in its VPC's process: power, links, console."""

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
from .control import ControlError, Instance
from .privileges import inner_command

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from .control import Control, Interface
    from .fabric import Fabric

_FIRST_EXTRA_LINK: Final = 6
_CONSOLE_DELAY: Final = 0.25
_RESTART_DELAY: Final = 1.0
_POWER_OFF_SECONDS: Final = 10.0
_REMOVALS: Final = 10
_LONGEST_RESTART_DELAY: Final = 60.0


def guest_link_names(interfaces: tuple[Interface, ...]) -> dict[str, str]:
    """Return the kernel's name of each ENI in the guest, by ENI id.

    The primary is eth0; others come up as ens6, ens7 …, so that naming by MAC has work to do.
    """
    others = [nic for nic in interfaces if not nic.primary]
    names = {nic.id: f"ens{_FIRST_EXTRA_LINK + place}" for place, nic in enumerate(others)}
    return names | {nic.id: "eth0" for nic in interfaces if nic.primary}


class Machine:
    """Follows the cloud's view of one instance."""

    def __init__(
        self, folder: Path, fabric: Fabric, control: Control, about: Mapping[str, Any]
    ) -> None:
        self._folder = folder
        self._fabric = fabric
        self._control = control
        self._about = dict(about)
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._booted = 0
        self._started = False
        self._failures = 0
        self._plugged: dict[str, Interface] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._target: tuple[Instance, dict[str, Any]] | None = None
        self._gone = False

    async def follow(self, instance: Instance, raw: dict[str, Any]) -> None:
        """Set power and links as `instance` has them."""
        async with self._lock:
            self._target = (instance, raw)
            await self._apply(instance, raw)

    async def _apply(self, instance: Instance, raw: dict[str, Any]) -> None:
        up = instance.status in {"Starting", "Running"} and instance.primary is not None
        if self._process and (not up or self._booted != instance.boot):
            await self._power_off()
        if up and not self._process:
            await self._power_on(instance, raw)
        elif up:
            await self._follow_links(instance)

    async def remove(self) -> None:
        """Power off and delete the disk."""
        async with self._lock:
            self._gone = True
            await self._power_off()
            for _ in range(_REMOVALS):
                await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
                if not self._folder.exists():
                    return
                await asyncio.sleep(_RESTART_DELAY)

    async def _power_on(self, instance: Instance, raw: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        await asyncio.to_thread(_install_disk, self._folder, instance.system_disk)
        spec = self._folder / "machine.json"
        spec.touch(mode=0o600)
        spec.write_text(json.dumps({"instance": raw, **self._about}), encoding="utf-8")
        ours, theirs = channel.pair()
        ours.setblocking(False)  # noqa: FBT003  (the socket module's own signature)
        self._process = await asyncio.create_subprocess_exec(
            *inner_command(),
            sys.executable,
            "-m",
            "localcloud.machines.guest",
            str(self._folder),
            str(theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "LANG": "C.UTF-8"},
        )
        theirs.close()
        self._channel = ours
        self._booted = instance.boot
        self._started = False
        self._plugged = {}
        self._start(self._read_console(self._process))
        self._start(self._plug_when_started(self._process, ours))
        self._start(self._notice_end(self._process))

    async def _power_off(self) -> None:
        """Cut the power: no service is asked to stop (kube-apiserver would take a minute)."""
        process, self._process = self._process, None
        if process is None:
            return
        for pid in (*_children(process.pid), process.pid):
            # End its first process first: `unshare` ends after it, and with it everything else.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if pid != process.pid:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _POWER_OFF_SECONDS)
        await process.wait()
        if self._channel:
            self._channel.close()
            self._channel = None
        for interface_id in self._plugged:
            await asyncio.to_thread(self._fabric.unplug, interface_id)

    async def _plug_when_started(
        self, process: asyncio.subprocess.Process, end: socket.socket
    ) -> None:
        """Hand over the NICs once the machine is in its own network namespace."""
        try:
            message = await asyncio.get_running_loop().sock_recv(end, 4096)
        except OSError:
            return
        async with self._lock:
            if message and process is self._process and self._target:
                self._started = True
                self._failures = 0
                await self._follow_links(self._target[0])

    async def _follow_links(self, instance: Instance) -> None:
        if self._process is None or self._channel is None or not self._started:
            return
        attached = {nic.id: nic for nic in instance.interfaces}
        names = guest_link_names(instance.interfaces)
        for interface_id in self._plugged.keys() - attached.keys():
            await asyncio.to_thread(self._fabric.unplug, interface_id)
        for interface_id in attached.keys() - self._plugged.keys():
            await asyncio.to_thread(
                self._fabric.plug, attached[interface_id], names[interface_id], self._process.pid
            )
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
            channel.send(self._channel, {"leases": leases})

    async def _notice_end(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        if process is not self._process:
            return
        self._failures += 1
        await asyncio.sleep(min(_RESTART_DELAY * 2**self._failures, _LONGEST_RESTART_DELAY))
        async with self._lock:
            if process is not self._process or self._gone or self._target is None:
                return
            await self._power_off()
            # Under the same lock, so that a newer state of the instance is not undone afterwards.
            await self._apply(*self._target)

    async def _read_console(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        with (self._folder / "console.log").open("ab", buffering=0) as log:
            while data := await process.stdout.read(65_536):
                log.write(data)
                await asyncio.sleep(_CONSOLE_DELAY)
                if more := await _read_at_once(process.stdout):
                    log.write(more)
                await self._post(data + more)

    async def _post(self, text: bytes) -> None:
        instance_id = self._folder.name
        with contextlib.suppress(ControlError):
            await asyncio.to_thread(
                self._control.console, instance_id, text.decode("utf-8", "replace")
            )

    def _start(self, work: Any) -> None:  # noqa: ANN401  (a coroutine of any yield type)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _install_disk(folder: Path, disk_id: str) -> None:
    """Take the disk that is in the cloud's books; nothing is left of one that was replaced."""
    note = folder / "disk-id"
    if note.exists() and note.read_text("ascii") != disk_id:
        shutil.rmtree(folder / "disk")
    note.write_text(disk_id, encoding="ascii")


async def _read_at_once(stream: asyncio.StreamReader) -> bytes:
    """Return what has arrived already, or nothing."""
    try:
        return await asyncio.wait_for(stream.read(1_000_000), 0.01)
    except TimeoutError:
        return b""


def _children(pid: int) -> list[int]:
    """Return the children of a process, none where the kernel does not report them."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]
