"""The process of one VPC: its network and its machines. It ends with the supervisor.

Started as `unshare … python -m localcloud.machines.vpc`, so it is the first process of a process
namespace of its own: when it ends, everything in the VPC ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcloud.machines import channel
from localcloud.machines.kinds.machine import Machine
from localcloud.machines.kinds.machine_kind import MachineKind, kind_for
from localcloud.machines.kinds.namespaces import NamespaceMachines
from localcloud.machines.kinds.virtual import VirtualMachines
from localcloud.machines.network import filter, internet, relay, translation  # noqa: A004  # an ENI's
from localcloud.machines.network.fabric import SOURCES_ADDRESS, Fabric
from localcloud.machines.network.forwarding import Forwarding
from localcloud.machines.network.ipv6_gateway import Ipv6Gateway
from localcloud.machines.network.load_balancers import LoadBalancers, by_this_process
from localcloud.machines.network.security_groups import SecurityGroups
from localcloud.machines.network.translation import Translation, Translations
from localcloud.machines.vpc_services import dhcp, package_server, resolver
from localcloud.machines.vpc_services.metadata_server import serve
from localcloud.settings import OPENAPI_ADDRESS, Machines
from localcloud.virtual import names
from localcloud.virtual.hardware import Accelerator
from localcloud.virtual.preparation import Prepared, present

from .control import Control, Instance, Interface, LoadBalancer
from .data_disks import DataDisks

_COUNT_SECONDS: Final = 2.0
_RELAY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class VirtualSettings:
    """Settings for virtual machines: which instances are virtual, and what they are made from."""

    machines: Machines
    prepared: Prepared
    accelerator: Accelerator

    @property
    def nft(self) -> filter.Apply:
        """Runs nft; call it in the VPC's network namespace."""
        return filter.nft(self.prepared.programs.command("usr/sbin/nft"))


class Vpc:
    """Machines of one VPC, as its state file describes them."""

    def __init__(
        self,
        end: socket.socket,
        state: Path,
        control: Control,
        tools: Path,
        virtual: VirtualSettings | None,
    ) -> None:
        self._end = end
        self._state = state
        self._control = control
        self._virtual = virtual
        self._guard = None if virtual is None else filter.Filter(virtual.nft)
        self._groups = None if virtual is None else SecurityGroups(virtual.nft)
        self._translations = None if virtual is None else Translations(virtual.nft)
        self._ipv6_gateway = None if virtual is None else Ipv6Gateway(virtual.nft)
        self._fabric = Fabric(self._guard)
        self._kind_of = self._kinds(tools)
        self._machines: dict[str, Machine] = {}
        self._by_address: dict[str, Instance] = {}
        self._forwarding = None if virtual is None else Forwarding(virtual.nft)
        self._public: frozenset[str] = frozenset()
        """The addresses that only the internet connects to."""
        self._internet: subprocess.Popen[bytes] | None = None
        self._balancers = LoadBalancers(self._fabric, self._by_address.get)
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dials: dict[int, asyncio.Future[int]] = {}
        self._dialled = 0

    async def run(self) -> None:
        """Serve until the supervisor's end of the channel closes."""
        loop = asyncio.get_running_loop()
        self._end.setblocking(False)  # noqa: FBT003  (the socket module's own signature)
        ended = asyncio.Event()
        loop.add_reader(self._end, self._read, ended)
        serve(self._by_address.get, self._control)
        if self._virtual is not None:
            await dhcp.serve(self._interface_of)
            await resolver.serve(
                dict.fromkeys(names.ALL, (SOURCES_ADDRESS,))
                | dict.fromkeys(internet.NAMES, (internet.ADDRESS, internet.IPV6_ADDRESS))
            )
            self._internet = await asyncio.to_thread(internet.start, self._fabric)
            self._start(self._count_frames(self._state.with_suffix(".frames")))
            prepared = self._virtual.prepared
            package_server.serve([prepared.sources], prepared.tls, prepared.images)
        if self._forwarding is not None:
            self._start(self._forwarding.run())
        await asyncio.start_server(self._openapi, OPENAPI_ADDRESS, 443)
        self._start(self._follow(ended))
        self._changed.set()
        await ended.wait()

    def _read(self, ended: asyncio.Event) -> None:
        got = channel.receive(self._end)
        if got is None:
            ended.set()
            return
        message, descriptors = got
        match message["op"]:
            case "state":
                self._changed.set()
            case "relay":
                self._start(self._relay(descriptors[0], message["address"], message["port"]))
            case "dialled":
                waiting = self._dials.pop(message["n"], None)
                if waiting and descriptors:
                    waiting.set_result(descriptors[0])
                elif waiting:
                    waiting.set_exception(ConnectionRefusedError())

    async def _follow(self, ended: asyncio.Event) -> None:
        removals: list[asyncio.Task[None]] = []
        while True:
            await self._changed.wait()
            self._changed.clear()
            state = json.loads(self._state.read_text(encoding="utf-8"))
            instances = [(Instance.read(raw), raw) for raw in state["instances"]]
            self._by_address.clear()
            for instance, _ in instances:
                for nic in instance.interfaces:
                    for address in (nic.address, *nic.secondary_addresses):
                        self._by_address[address] = instance
            await self._apply_rules([instance for instance, _ in instances], state)
            balancers = [LoadBalancer.read(raw) for raw in state["load_balancers"]]
            self._public = frozenset(b.address for b in balancers if b.internet)
            if self._forwarding is not None:
                self._forwarding.follow(balancers)
            await self._balancers.follow(by_this_process(balancers))
            present = {instance.id for instance, _ in instances}
            removals += [
                asyncio.create_task(self._machines.pop(gone).remove())
                for gone in self._machines.keys() - present
            ]
            if not instances:
                await asyncio.gather(*removals)
                ended.set()
                return
            for instance, raw in instances:
                machine = self._machines.get(instance.id) or Machine(
                    self._state.parent.parent / instance.id,
                    self._kind_of(instance),
                    self._control,
                )
                self._machines[instance.id] = machine
                self._start(machine.follow(instance, raw))

    async def _apply_rules(self, instances: list[Instance], state: dict[str, Any]) -> None:
        """Set the rules of security groups and translations; retry if the kernel refuses them."""
        if self._groups is None or self._translations is None or self._ipv6_gateway is None:
            return
        translations = [
            *translation.of_machines(instances),
            *(Translation.read(entry) for entry in state["translations"]),
        ]
        nics = [nic for instance in instances for nic in instance.interfaces]
        try:
            await asyncio.to_thread(self._translations.follow, translations)
            await asyncio.to_thread(self._ipv6_gateway.follow, state["public_ipv6_addresses"])
            await asyncio.to_thread(self._groups.follow, nics)
        except (filter.FilterError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"The fabric keeps its previous rules: {error}\n")
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._changed.set)

    def _kinds(self, tools: Path) -> Callable[[Instance], MachineKind]:
        disks = DataDisks(self._state.parent.parent)
        namespaces = NamespaceMachines(self._fabric, disks, {"tools": str(tools)})
        if self._virtual is None:
            return lambda _: namespaces
        prepared = self._virtual.prepared
        virtual = VirtualMachines(
            self._fabric,
            prepared.programs,
            prepared.disk,
            prepared.kernel,
            self._virtual.accelerator,
        )
        return kind_for(self._virtual.machines, namespaces=namespaces, virtual=virtual)

    async def _count_frames(self, file: Path) -> None:
        """Write the counters as JSON, so that they can be read from outside."""
        while self._guard is not None and self._groups is not None:
            frames = await asyncio.to_thread(self._guard.counts)
            text = json.dumps(frames | await asyncio.to_thread(self._groups.counts))
            draft = file.with_suffix(".new-frames")
            draft.write_text(text, encoding="ascii")
            draft.replace(file)
            await asyncio.sleep(_COUNT_SECONDS)

    def _interface_of(self, mac: str) -> Interface | None:
        """The ENI of this MAC; called in the event loop's thread."""
        instances = self._by_address.values()
        return next((n for i in instances for n in i.interfaces if n.mac == mac), None)

    async def _relay(self, descriptor: int, address: str, port: int) -> None:
        """Relay a connection that was accepted outside to a machine."""
        outside = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
        try:
            inside = await asyncio.wait_for(self._connect(address, port), _RELAY_SECONDS)
        except (OSError, TimeoutError):
            outside[1].transport.abort()
            return
        await relay.join(outside, inside)

    async def _connect(
        self, address: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a machine or a load balancer, by a public address from the internet."""
        if self._internet is None or address not in self._public:
            return await asyncio.open_connection(address, port)
        client = await asyncio.to_thread(
            internet.connect, self._internet.pid, address, port, _RELAY_SECONDS
        )
        return await asyncio.open_connection(sock=client)

    async def _openapi(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a machine's connection with the emulator's port, which the supervisor dials."""
        self._dialled += 1
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._dials[self._dialled] = waiting
        channel.send(self._end, {"op": "dial", "n": self._dialled})
        try:
            descriptor = await asyncio.wait_for(waiting, 10)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        outside = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
        await relay.join((reader, writer), outside)

    def _start(self, work: Any) -> None:  # noqa: ANN401  (a coroutine of any yield type)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def main() -> None:
    """Run one VPC; called by the supervisor only."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--machines", type=Machines, default=Machines.NAMESPACES)
    parser.add_argument("--virtual", type=Path)
    parser.add_argument("--accelerator", type=Accelerator, default=Accelerator.EMULATION)
    arguments = parser.parse_args()
    end = socket.socket(fileno=arguments.channel)
    virtual = None
    if arguments.machines is not Machines.NAMESPACES:
        virtual = VirtualSettings(
            machines=arguments.machines,
            prepared=present(arguments.virtual),
            accelerator=arguments.accelerator,
        )
    vpc = Vpc(end, arguments.state, Control(arguments.control), arguments.tools, virtual)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(vpc.run())


if __name__ == "__main__":
    main()
