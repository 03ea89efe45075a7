"""The load balancers of a VPC: each listener forwards connections to the machines behind it.

A CLB, and an NLB that preserves the client's address, never connects a machine with itself
(kubeadm#2996): such a connection gets no answer here until the machine gives up. A backend counts
as healthy when it takes the connection; behind an NLB its security groups must also admit the
health check from the NLB's own addresses, and the connection from these or from the client. A
connection that they drop is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from localcloud.ingress import admits
from localcloud.machines.network import relay

if TYPE_CHECKING:
    from localcloud.machines.control import Backend, Instance, Listener, LoadBalancer

_CONNECT_SECONDS: Final = 2.0

_Key = tuple[str, int]
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Addresses(Protocol):
    """Answers for addresses of the VPC; its calls block."""

    def take(self, address: str) -> None:
        """Answer for the address."""

    def give_up(self, address: str) -> None:
        """Stop answering for the address."""


def rotation(backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """Return a round of weighted round robin; a backend of weight 0 has no turn."""
    served = [backend for backend in backends if backend.weight > 0]
    unit = math.gcd(*(backend.weight for backend in served)) or 1
    return tuple(b for b in served for _ in range(b.weight // unit))


def by_this_process(balancers: Iterable[LoadBalancer]) -> list[LoadBalancer]:
    """The listeners that `LoadBalancers` serves: all but those that the kernel forwards."""
    return [
        replace(balancer, listeners=tuple(x for x in balancer.listeners if x.http))
        if balancer.internet
        else balancer
        for balancer in balancers
    ]


class LoadBalancers:
    """Keeps an address for each load balancer and a server for each of its listeners."""

    def __init__(self, fabric: Addresses, machine_at: Callable[[str], Instance | None]) -> None:
        self._fabric = fabric
        self._machine_at = machine_at
        self._addresses: set[str] = set()
        self._listeners: dict[_Key, Listener] = {}
        self._rounds: dict[_Key, tuple[Backend, ...]] = {}
        self._turns: dict[_Key, int] = {}
        self._servers: dict[_Key, asyncio.Server] = {}

    async def follow(self, balancers: Iterable[LoadBalancer]) -> None:
        """Serve exactly these load balancers; established connections stay."""
        served = list(balancers)
        self._listeners = {
            (balancer.address, listener.port): listener
            for balancer in served
            for listener in balancer.listeners
        }
        self._rounds = {
            key: rotation(b for b in listener.backends if is_checked(listener, b))
            for key, listener in self._listeners.items()
        }
        for key in self._servers.keys() - self._rounds.keys():
            self._servers.pop(key).close()
        own = {ip for listener in self._listeners.values() for ip in listener.sources}
        addresses = {balancer.address for balancer in served} | own
        for address in self._addresses - addresses:
            await asyncio.to_thread(self._fabric.give_up, address)
        for address in addresses - self._addresses:
            await asyncio.to_thread(self._fabric.take, address)
        self._addresses = addresses
        for key in self._rounds.keys() - self._servers.keys():
            self._servers[key] = await asyncio.start_server(self._accept(key), *key)

    def _accept(
        self, key: _Key
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._forward(key, (reader, writer))

        return accept

    async def _forward(self, key: _Key, client: _Stream) -> None:
        address = client[1].get_extra_info("peername")[0]
        source = self._machine_at(address)
        backend, machine = await self._connected(key, address)
        if backend is None or machine is None:
            client[1].transport.abort()
        elif (
            source is not None
            and source.id == backend.instance_id
            and _shows_client(self._listeners.get(key))
        ):
            machine[1].transport.abort()
            with contextlib.suppress(OSError):
                while await client[0].read(65_536):
                    pass
            client[1].transport.abort()
        else:
            await relay.join(client, machine)

    async def _connected(self, key: _Key, client: str) -> tuple[Backend | None, _Stream | None]:
        """Connect to the next healthy backend if it admits the client."""
        listener, backends = self._listeners.get(key), self._rounds.get(key, ())
        turn = self._turns[key] = self._turns.get(key, -1) + 1
        for at in range(len(backends)):
            backend = backends[(turn + at) % len(backends)]
            if listener is not None and not is_admitted(listener, backend, client):
                return None, None
            own = (listener.sources[0], 0) if listener is not None and listener.sources else None
            dialled = asyncio.open_connection(backend.address, backend.port, local_addr=own)
            try:
                return backend, await asyncio.wait_for(dialled, _CONNECT_SECONDS)
            except (OSError, TimeoutError):
                continue
        return None, None


def is_checked(listener: Listener, backend: Backend) -> bool:
    """Whether a backend's security groups admit the listener's health check."""
    return not backend.check_port or all(
        admits(backend.ingress, source, backend.check_port) for source in listener.sources
    )


def is_admitted(listener: Listener, backend: Backend, client: str) -> bool:
    """Whether a backend's security groups admit a connection of `client` through the listener."""
    if not listener.sources:
        return True
    sources = (client,) if listener.preserves_client else listener.sources
    return all(admits(backend.ingress, source, backend.port) for source in sources)


def _shows_client(listener: Listener | None) -> bool:
    """Whether backends see the client's address: behind a CLB always."""
    return listener is None or not listener.sources or listener.preserves_client
