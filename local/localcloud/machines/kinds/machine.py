"""One machine in its VPC's process: power, links, console. `MachineKind` does the rest."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.control import ControlError, Instance

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from localcloud.machines.control import Control
    from localcloud.machines.kinds.machine_kind import Guest, MachineKind

_CONSOLE_DELAY: Final = 0.25
_RESTART_DELAY: Final = 1.0
_REMOVALS: Final = 10
_LONGEST_RESTART_DELAY: Final = 60.0


class Machine:
    """Follows the cloud's view of one instance."""

    def __init__(self, folder: Path, kind: MachineKind, control: Control) -> None:
        self._folder = folder
        self._kind = kind
        self._control = control
        self._lock = asyncio.Lock()
        self._guest: Guest | None = None
        self._booted = 0
        self._started = False
        self._failures = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._target: tuple[Instance, dict[str, Any]] | None = None
        self._gone = False

    async def follow(self, instance: Instance, raw: dict[str, Any]) -> None:
        """Set power and links as in `instance`."""
        async with self._lock:
            self._target = (instance, raw)
            await self._apply(instance, raw)

    async def _apply(self, instance: Instance, raw: dict[str, Any]) -> None:
        up = instance.status in {"Starting", "Running"} and instance.primary is not None
        if self._guest and (not up or self._booted != instance.boot):
            await self._power_off()
        if up and not self._guest:
            await self._power_on(instance, raw)
        elif up and self._guest and self._started:
            await self._guest.follow(instance)

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
            # The log of the VPC's process.
            sys.stderr.write(f"The disk of {self._folder.name} is still there: {self._folder}.\n")

    async def _power_on(self, instance: Instance, raw: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        await asyncio.to_thread(self._install_disk, instance.system_disk)
        guest = await self._kind.power_on(self._folder, instance, raw)
        self._guest = guest
        self._booted = instance.boot
        self._started = False
        self._start(self._read_console(guest.process))
        self._start(self._follow_when_started(guest))
        self._start(self._notice_end(guest))

    async def _power_off(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            await guest.cut_power()

    async def _follow_when_started(self, guest: Guest) -> None:
        """Hand over the NICs once the machine can take them."""
        if not await guest.started():
            return
        async with self._lock:
            if guest is self._guest and self._target:
                self._started = True
                self._failures = 0
                await guest.follow(self._target[0])

    async def _notice_end(self, guest: Guest) -> None:
        await guest.process.wait()
        if guest is not self._guest:
            return
        self._failures += 1
        await asyncio.sleep(min(_RESTART_DELAY * 2**self._failures, _LONGEST_RESTART_DELAY))
        async with self._lock:
            if guest is not self._guest or self._gone or self._target is None:
                return
            await self._power_off()
            # Under the same lock, so that a newer state of the instance is not undone afterwards.
            await self._apply(*self._target)

    async def _read_console(self, process: Process) -> None:
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

    def _install_disk(self, disk_id: str) -> None:
        """Install the disk that the cloud's state names; a replaced disk is erased."""
        note = self._folder / "disk-id"
        if note.exists() and note.read_text("ascii") != disk_id:
            self._kind.erase_disk(self._folder)
        note.write_text(disk_id, encoding="ascii")


async def _read_at_once(stream: asyncio.StreamReader) -> bytes:
    """Return the bytes that have already arrived, possibly none."""
    try:
        return await asyncio.wait_for(stream.read(1_000_000), 0.01)
    except TimeoutError:
        return b""
