"""What a machine does with power and disk, whatever kind it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.control import Control, Instance
from localcloud.machines.kinds.machine import Machine
from localcloud.machines.kinds.machine_kind import Guest
from tests.localcloud.machines import fake_cloud

pytestmark = pytest.mark.unit

NICS = [
    fake_cloud.interface(
        "eni-1", "00:16:3e:00:00:01", "172.31.199.1", "172.31.192.0/20", primary=True
    )
]


@dataclass(kw_only=True)
class Sleeper:
    """A guest that is a process without work."""

    process: asyncio.subprocess.Process
    events: list[str]

    async def started(self) -> bool:
        return True

    async def follow(self, instance: Instance) -> None:
        self.events.append(f"follow {len(instance.interfaces)}")

    async def cut_power(self) -> None:
        self.events.append("off")
        self.process.kill()
        await self.process.wait()


@dataclass
class Kind:
    events: list[str] = field(default_factory=list)

    async def power_on(self, folder: Path, instance: Instance, raw: dict[str, Any]) -> Guest:
        (folder / "disk").touch()
        self.events.append(f"on {instance.boot} {raw['id']}")
        process = await asyncio.create_subprocess_exec("sleep", "60")
        return Sleeper(process=process, events=self.events)

    def erase_disk(self, folder: Path) -> None:
        self.events.append("erase")
        (folder / "disk").unlink(missing_ok=True)


def state(**fields: Any) -> tuple[Instance, dict[str, Any]]:  # noqa: ANN401  (of the document)
    raw = {**fake_cloud.instance("x", NICS, ""), "system_disk": "d-1", **fields}
    return Instance.read(raw), raw


def events_of(tmp_path: Path, work: Callable[[Machine], Awaitable[None]]) -> list[str]:
    """Run the steps on a machine and return what happened to its guest."""
    kind = Kind()

    async def run() -> None:
        machine = Machine(tmp_path / "i-x", kind, Control(tmp_path / "none.sock"))
        await work(machine)
        await asyncio.sleep(0.05)
        await machine.follow(*state(status="Stopped"))

    asyncio.run(run())
    return [event for event in kind.events if not event.startswith("follow")]


def test_a_stop_and_a_start_keep_the_disk(tmp_path: Path) -> None:
    async def work(machine: Machine) -> None:
        await machine.follow(*state())
        await machine.follow(*state(status="Stopped"))
        await machine.follow(*state(boot=2))

    assert events_of(tmp_path, work) == ["on 1 i-x", "off", "on 2 i-x", "off"]
    assert (tmp_path / "i-x" / "disk").exists()


def test_another_boot_is_a_power_cycle(tmp_path: Path) -> None:
    async def work(machine: Machine) -> None:
        await machine.follow(*state())
        await machine.follow(*state(boot=2))

    assert events_of(tmp_path, work) == ["on 1 i-x", "off", "on 2 i-x", "off"]


def test_another_system_disk_is_an_empty_one(tmp_path: Path) -> None:
    async def work(machine: Machine) -> None:
        await machine.follow(*state())
        await machine.follow(*state(status="Stopped"))
        await machine.follow(*state(boot=2, system_disk="d-2"))

    assert events_of(tmp_path, work) == ["on 1 i-x", "off", "erase", "on 2 i-x", "off"]


def test_a_change_that_is_not_of_power_leaves_it_on(tmp_path: Path) -> None:
    async def work(machine: Machine) -> None:
        await machine.follow(*state())
        await machine.follow(*state(tags={"a": "b"}))

    assert events_of(tmp_path, work) == ["on 1 i-x", "off"]


def test_a_deleted_machine_leaves_no_files(tmp_path: Path) -> None:
    async def work(machine: Machine) -> None:
        await machine.follow(*state())
        await machine.remove()

    assert events_of(tmp_path, work) == ["on 1 i-x", "off"]
    assert not (tmp_path / "i-x").exists()


def test_nics_are_followed_once_the_guest_has_started(tmp_path: Path) -> None:
    kind = Kind()

    async def run() -> None:
        machine = Machine(tmp_path / "i-x", kind, Control(tmp_path / "none.sock"))
        await machine.follow(*state())
        await asyncio.sleep(0.05)
        await machine.follow(*state(interfaces=[*NICS, {**NICS[0], "id": "eni-2"}]))
        await machine.follow(*state(status="Stopped"))

    asyncio.run(run())
    assert kind.events == ["on 1 i-x", "follow 1", "follow 2", "off"]
