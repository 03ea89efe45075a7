"""The supervisor: follows the emulated cloud, runs a process for each VPC, opens addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.network.public_addresses import Opening, PublicAddresses, openings

from . import channel, freezing, kernel
from .control import Control, ControlError, DataDisk, Instance, LoadBalancer, PublicAddress
from .data_disks import DataDisks

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAIT_SECONDS: Final = 20.0
_RETRY_SECONDS: Final = 0.5
_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]


class _VpcProcess:
    """A VPC's process and our end of its channel."""

    def __init__(self, process: asyncio.subprocess.Process, end: socket.socket) -> None:
        self.process = process
        self.end = end


class Supervisor:
    """Runs until `stop`; everything that it started ends with it."""

    def __init__(
        self, home: Path, tools: Path, outer: Sequence[str], virtual: Sequence[str] = ()
    ) -> None:
        """`virtual`: arguments of a VPC's process for virtual machines; empty for other ones."""
        self._machines = home / "machines"
        self._disks = DataDisks(self._machines)
        self._control_path = home / "cloud" / "run" / "control.sock"
        self._control = Control(self._control_path)
        self._tools = tools
        self._outer = tuple(outer)
        self._virtual = tuple(virtual)
        self._vpcs: dict[str, _VpcProcess] = {}
        self._port = 0
        self._lock = asyncio.Lock()
        self._document: dict[str, Any] | None = None
        self._swept = False
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._public = PublicAddresses(self._forward, self._say)
        self._log = self._machines / "supervisor.log"

    def stop(self) -> None:
        """End `run`; everything in the VPCs ends with this process."""
        self._stopping = True
        self._control.interrupt()

    async def run(self) -> None:
        """Follow the control socket until `stop`."""
        (self._machines / "run").mkdir(parents=True, exist_ok=True)
        self._machines.chmod(0o700)
        self._say("following " + str(self._control_path))
        revision, complained = 0, False
        while not self._stopping:
            try:
                if not self._port:
                    health = await asyncio.to_thread(self._control.health)
                    self._port = int(health["port"])
                document = await asyncio.to_thread(
                    self._control.machines, revision, _WAIT_SECONDS if revision else 0
                )
            except ControlError as error:
                if not complained:
                    self._say(f"waiting for the cloud: {error}")
                complained, self._port, revision = True, 0, 0
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            complained, revision = False, int(document["revision"])
            await self._follow(document)

    async def _follow(self, document: dict[str, Any]) -> None:
        async with self._lock:
            self._document = document
            raws: dict[str, list[dict[str, Any]]] = {}
            instances = [Instance.read(raw) for raw in document["instances"]]
            for instance, raw in zip(instances, document["instances"], strict=True):
                if instance.primary is not None:
                    raws.setdefault(instance.primary.vpc_id, []).append(raw)
            balancers: dict[str, list[dict[str, Any]]] = {}
            # Only a guarded fabric has the internet that an internet CLB connects to.
            raw_balancers = [
                raw
                for raw in document["load_balancers"]
                if self._virtual or not raw.get("internet")
            ]
            for raw in raw_balancers:
                balancers.setdefault(raw["vpc_id"], []).append(raw)
            if not self._swept:
                self._remove_disks_but({instance.id for instance in instances})
            await asyncio.to_thread(self._follow_data_disks, document, instances)
            for vpc_id in self._vpcs.keys() | raws.keys():
                self._write_state(
                    vpc_id,
                    {
                        "instances": raws.get(vpc_id, []),
                        "load_balancers": balancers.get(vpc_id, []),
                        "translations": [
                            raw for raw in document["translations"] if raw["vpc_id"] == vpc_id
                        ],
                        "public_ipv6_addresses": [
                            raw["address"]
                            for raw in document["public_ipv6_addresses"]
                            if raw["vpc_id"] == vpc_id
                        ],
                    },
                )
                if vpc_id in self._vpcs:
                    with contextlib.suppress(OSError):
                        channel.send(self._vpcs[vpc_id].end, {"op": "state"})
                else:
                    await self._start_vpc(vpc_id)
            addresses = [PublicAddress.read(raw) for raw in document["addresses"]]
            served = [LoadBalancer.read(raw) for raw in raw_balancers]
            self._public.follow(openings(instances, addresses, served))

    def _follow_data_disks(self, document: dict[str, Any], instances: Sequence[Instance]) -> None:
        """Follow the data disks before the VPCs see the change.

        A snapshot then has the disk's content up to the change.
        """
        where = {disk.id: instance.id for instance in instances for disk in instance.data_disks}

        def frozen(disk_id: str) -> contextlib.AbstractContextManager[None]:
            if disk_id not in where:
                return contextlib.nullcontext()
            return freezing.frozen(self._machines / where[disk_id])

        try:
            self._disks.follow(
                [DataDisk.read(raw) for raw in document["disks"]],
                [(raw["id"], raw["disk"]) for raw in document["snapshots"]],
                frozen,
            )
        except (OSError, subprocess.SubprocessError) as error:
            # The machines continue; the next change of the cloud tries again.
            self._say(f"data disks: {error}")

    def _remove_disks_but(self, present: set[str]) -> None:
        """Delete disks of instances that were deleted while no supervisor ran."""
        for folder in self._machines.glob("i-*"):
            if folder.name not in present:
                shutil.rmtree(folder, ignore_errors=True)
        self._swept = True

    def _write_state(self, vpc_id: str, state: dict[str, Any]) -> None:
        path = self._state_path(vpc_id)
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(state), encoding="utf-8")
        draft.replace(path)

    def _state_path(self, vpc_id: str) -> Path:
        return self._machines / "run" / (re.sub(r"[^\w-]", "_", vpc_id) + ".json")

    async def _start_vpc(self, vpc_id: str) -> None:
        ours, theirs = channel.pair()
        log = (self._machines / "run" / f"{vpc_id}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            *self._outer,
            sys.executable,
            "-m",
            "localcloud.machines.vpc",
            f"--channel={theirs.fileno()}",
            f"--state={self._state_path(vpc_id)}",
            f"--control={self._control_path}",
            f"--tools={self._tools}",
            *self._virtual,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs.fileno(),),
            env=os.environ | {"PYTHONPATH": _python_path()},
            # The process namespace ends with `unshare`, and `unshare` with us.
            preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
        )
        log.close()
        theirs.close()
        ours.setblocking(False)  # noqa: FBT003  (the socket module's own signature)
        self._vpcs[vpc_id] = _VpcProcess(process, ours)
        asyncio.get_running_loop().add_reader(ours, self._read, ours)
        self._say(f"{vpc_id} is up")
        watch = asyncio.create_task(self._watch(vpc_id, process))
        self._tasks.add(watch)
        watch.add_done_callback(self._tasks.discard)

    async def _watch(self, vpc_id: str, process: asyncio.subprocess.Process) -> None:
        """Restart a VPC's process when it ends, unless the VPC's last machine is deleted."""
        code = await process.wait()
        self._vpcs.pop(vpc_id).end.close()
        self._state_path(vpc_id).unlink(missing_ok=True)
        if code:
            log = self._machines / "run" / f"{vpc_id}.log"
            self._say(f"{vpc_id} is down ({code}), see {log}; starting it again")
            await asyncio.sleep(_RETRY_SECONDS * 4)
        if self._document is not None:
            await self._follow(self._document)

    def _read(self, end: socket.socket) -> None:
        """Dial the emulator's port for a machine; the connection is handed inside."""
        got = channel.receive(end)
        if got is None:
            asyncio.get_running_loop().remove_reader(end)
            return
        message, _ = got
        answer = {"op": "dialled", "n": message["n"]}
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                channel.send(end, answer, (connection.fileno(),))
        except OSError:
            channel.send(end, answer)

    def _forward(self, connection: socket.socket, opening: Opening) -> None:
        vpc = self._vpcs.get(opening.vpc_id)
        if vpc is None:
            return
        message = {"op": "relay", "address": opening.address, "port": opening.port}
        try:
            channel.send(vpc.end, message, (connection.fileno(),))
        except OSError as error:
            self._say(f"{opening.ip}:{opening.port}: {error}")

    def _say(self, text: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n"
        with self._log.open("a", encoding="utf-8") as log:
            log.write(line)
        sys.stderr.write(line)


def _python_path() -> str:
    """Return a PYTHONPATH with this package's folder and the caller's own entries."""
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_PACKAGE_ROOT), *([inherited] if inherited else [])])
