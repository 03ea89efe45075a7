"""The layer 4 data plane of internet CLBs in a guarded fabric: the kernel forwards the packets.

An nftables table of the family `ip` in the VPC's network namespace. What arrives from the internet
for a listener goes to one of its backends with the client's own address, as a CLB's does
(https://www.alibabacloud.com/help/en/slb/classic-load-balancer/user-guide/listener-overview).
Security groups do not judge it. The backends of a listener are those that take a connection; with
none of them the kernel itself refuses the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.machines.control import LoadBalancer
from localcloud.machines.network.filter import Apply
from localcloud.machines.network.load_balancers import rotation
from localcloud.machines.network.translation import LINK

TABLE: Final = "forwarding"
_CHECK_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 3.0

Endpoint = tuple[str, int]
"""An IPv4 address and a TCP port."""
Checked = Callable[[Endpoint], Awaitable[bool]]
"""Whether an endpoint takes a connection."""


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A listener's public endpoint, and one round of its backends."""

    public: Endpoint
    backends: tuple[Endpoint, ...]


def forwards(balancers: Iterable[LoadBalancer]) -> tuple[Forward, ...]:
    """The layer 4 listeners of the internet CLBs among these."""
    return tuple(
        Forward(
            public=(balancer.address, listener.port),
            backends=tuple((b.address, b.port) for b in rotation(listener.backends)),
        )
        for balancer in balancers
        if balancer.internet
        for listener in balancer.listeners
        if not listener.http
    )


def table(present: Iterable[Forward]) -> str:
    """The script that replaces all forwards in one transaction."""
    rules = [
        f'    iifname "{LINK}" ip daddr {one.public[0]} tcp dport {one.public[1]} '
        f"dnat ip {_choice(one.backends)}"
        for one in present
        if one.backends
    ]
    return "\n".join(
        [
            f"table ip {TABLE} {{}}",
            f"delete table ip {TABLE}",
            f"table ip {TABLE} {{",
            "  chain received {",
            "    type nat hook prerouting priority dstnat; policy accept;",
            *rules,
            "  }",
            "}",
            "",
        ]
    )


def _choice(backends: Sequence[Endpoint]) -> str:
    if len(backends) == 1:
        return f"to {backends[0][0]}:{backends[0][1]}"
    turns = ", ".join(f"{turn} : {ip} . {port}" for turn, (ip, port) in enumerate(backends))
    return f"addr . port to numgen inc mod {len(backends)} map {{ {turns} }}"


async def takes_connections(endpoint: Endpoint) -> bool:
    """Whether the endpoint takes a TCP connection from the VPC's process."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(*endpoint), _CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


class Forwarding:
    """The forwards of one VPC, to the backends that are healthy."""

    def __init__(self, apply: Apply, check: Checked = takes_connections) -> None:
        self._apply = apply
        self._check = check
        self._forwards: tuple[Forward, ...] = ()
        self._applied = ""

    def follow(self, balancers: Iterable[LoadBalancer]) -> None:
        """Forward for exactly these from the next round of checks on."""
        self._forwards = forwards(balancers)

    async def run(self) -> None:
        """Check the backends until it is cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(_CHECK_SECONDS)

    async def update(self) -> None:
        """Check all backends once, and forward to the healthy ones from now on."""
        present = self._forwards
        endpoints = sorted({endpoint for one in present for endpoint in one.backends})
        answers = await asyncio.gather(*(self._check(endpoint) for endpoint in endpoints))
        healthy = {e for e, is_healthy in zip(endpoints, answers, strict=True) if is_healthy}
        script = table(
            Forward(
                public=one.public,
                backends=tuple(backend for backend in one.backends if backend in healthy),
            )
            for one in present
        )
        if script != self._applied:
            await asyncio.to_thread(self._apply, script)
            self._applied = script
