"""Intranet CLBs of a VPC: each listener forwards connections to the machines behind it.

As a real CLB does, it never connects a machine with itself: what a backend sends to the CLB and
would come back to it is lost (kubeadm#2996), here by silence until the machine gives up. A backend
counts as healthy when it takes the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from . import relay

if TYPE_CHECKING:
    from .control import Backend, Instance, LoadBalancer

_CONNECT_SECONDS: Final = 2.0

_Key = tuple[str, int]
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Addresses(Protocol):
    """What answers for addresses of the VPC; its calls block."""

    def take(self, address: str) -> None:
        """Answer for it."""

    def give_up(self, address: str) -> None:
        """Answer for it no more."""


def rotation(backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """Return a round of weighted round robin; a backend of weight 0 has no turn."""
    served = [backend for backend in backends if backend.weight > 0]
    unit = math.gcd(*(backend.weight for backend in served)) or 1
    return tuple(b for b in served for _ in range(b.weight // unit))


class LoadBalancers:
    """Keeps an address for each CLB and a server for each of its listeners."""

    def __init__(self, fabric: Addresses, machine_at: Callable[[str], Instance | None]) -> None:
        self._fabric = fabric
        self._machine_at = machine_at
        self._addresses: set[str] = set()
        self._rounds: dict[_Key, tuple[Backend, ...]] = {}
        self._turns: dict[_Key, int] = {}
        self._servers: dict[_Key, asyncio.Server] = {}

    async def follow(self, balancers: Iterable[LoadBalancer]) -> None:
        """Serve these and no others; connections that stand are left alone."""
        served = list(balancers)
        self._rounds = {
            (balancer.address, listener.port): rotation(listener.backends)
            for balancer in served
            for listener in balancer.listeners
        }
        for key in self._servers.keys() - self._rounds.keys():
            self._servers.pop(key).close()
        addresses = {balancer.address for balancer in served}
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
        source = self._machine_at(client[1].get_extra_info("peername")[0])
        backend, machine = await self._connected(key)
        if backend is None or machine is None:
            client[1].transport.abort()
        elif source is not None and source.id == backend.instance_id:
            machine[1].transport.abort()
            with contextlib.suppress(OSError):
                while await client[0].read(65_536):
                    pass
            client[1].transport.abort()
        else:
            await relay.join(client, machine)

    async def _connected(self, key: _Key) -> tuple[Backend | None, _Stream | None]:
        """Connect to the healthy backend whose turn it is."""
        backends = self._rounds.get(key, ())
        turn = self._turns[key] = self._turns.get(key, -1) + 1
        for at in range(len(backends)):
            backend = backends[(turn + at) % len(backends)]
            dialled = asyncio.open_connection(backend.address, backend.port)
            try:
                return backend, await asyncio.wait_for(dialled, _CONNECT_SECONDS)
            except (OSError, TimeoutError):
                continue
        return None, None
