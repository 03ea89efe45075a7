"""The pool addresses of machines that move: emptied before the change, filled after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import pulumi

from components.api.cluster_api import ClusterApi
from components.machines.addresses.moving_addresses import (
    MovedPools,
    empty_pools,
    fill_pools,
    moved_pools,
)
from components.machines.draining import drain_seconds
from components.machines.rollout.cluster_access import ClusterAccess
from planning.model import ClusterPlan

PoolAddresses = Callable[[], Awaitable[Mapping[str, Sequence[str]] | None]]
"""Waits for the `ips` of a node's pools by name, as its ENIs have them."""


class MovedAddresses:
    """The pools that this run has emptied and has to fill again."""

    def __init__(self, plan: ClusterPlan, cluster: ClusterAccess) -> None:
        self._plan = plan
        self._cluster = cluster
        self._pools: dict[str, MovedPools] = {}
        self._addresses: dict[str, PoolAddresses] = {}

    def expect(self, node: str, addresses: PoolAddresses) -> None:
        """Note where the addresses of a node's new ENIs come from."""
        self._addresses[node] = addresses

    async def empty(
        self, api: ClusterApi, node: str, old: Mapping[str, object], new: Mapping[str, object]
    ) -> None:
        """Evict DaemonSet pods, too, and remove the addresses that the node loses from its pools.

        `old` and `new` are the inputs of the machine's generation. If the time for a drain is 0,
        nothing happens. Raises `ClusterError` if a pod keeps such an address.
        """
        within = drain_seconds()
        before, after = _interfaces(old), _interfaces(new)
        if within == 0 or before is None or after is None:
            return
        moved = moved_pools(self._plan, node, before, after)
        await api.taint_removed(node)
        async with self._cluster.pools() as pools:
            await empty_pools(pools, moved, within=within, report=pulumi.log.info)
        self._pools[node] = moved

    async def fill(self, node: str) -> None:
        """Put the new machine's addresses into the pools before pods can run on its Node."""
        if node not in self._pools:
            return
        addresses = await self._addresses[node]()
        async with self._cluster.pools() as pools:
            await fill_pools(pools, self._pools[node], addresses or {})
        del self._pools[node]


def _interfaces(inputs: Mapping[str, object]) -> Mapping[str, object] | None:
    identity = inputs.get("identity")
    interfaces = (identity if isinstance(identity, Mapping) and identity else inputs).get(
        "interfaces"
    )
    return interfaces if isinstance(interfaces, Mapping) else None
