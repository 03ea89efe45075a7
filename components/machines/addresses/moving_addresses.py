"""Empties a machine's pools before its replacement has other addresses, and fills them afterwards.

The pools' own resources are updated only once every node exists. Until then a pool with the old
machine's addresses would give pods addresses that no NIC has, and an empty pool would give none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.api.cluster_api import ClusterError
from components.api.pool_api import Pool, PoolApi, PoolError, RefusedError
from components.waiting import wait_until
from config.ranges import expand
from planning.addresses.canonical import canonical_ranges, holds
from planning.model import ClusterPlan
from planning.names import IPV6, pool_name


@dataclass(frozen=True, kw_only=True)
class MovedPool:
    """A pool of a NIC that has another ENI in the new machine."""

    keeps: tuple[str, ...] = ()
    """The new machine's `ips`, as far as the plan knows them. Pods may keep these."""
    is_filled: bool = True
    """Whether the roll-out fills it again. A pool that moves to another vSwitch stays empty until
    its own resource replaces it, because the webhook refuses a change of the subnet. A pool whose
    NIC is removed stays empty, too."""


MovedPools = Mapping[str, MovedPool]
"""By pool name."""

_LOOK_EVERY: Final = 2.0


def moved_pools(
    plan: ClusterPlan, node: str, old: Mapping[str, object], new: Mapping[str, object]
) -> MovedPools:
    """The pools of the node's NICs that have another ENI in the new machine.

    `old` and `new` are the `interfaces` of the machine's identity (`planning.nodes.machine`).
    """
    moved = {nic for nic in old if old[nic] != new.get(nic)}
    pools = {
        name: MovedPool(is_filled=False)
        for nic in moved
        for name in (pool_name(node, nic), pool_name(node, nic, IPV6))
    }
    for pool in plan.ip_pools.values():
        if pool.node == node and pool.interface in moved:
            stays = _vswitch(old, pool.interface) == _vswitch(new, pool.interface)
            pools[pool.name] = MovedPool(keeps=pool.ips if stays else (), is_filled=stays)
    return pools


async def empty_pools(
    api: PoolApi, moved: MovedPools, *, within: float, report: Callable[[str], object]
) -> None:
    """Remove each address that the new machine will not have from the pools, once it is free.

    `within` is in seconds. Raises `ClusterError` with the pods that still have such addresses, or
    when the API server does not answer.
    """

    async def missing() -> str | None:
        try:
            return await _empty_free_ones(api, moved) or None
        except PoolError as error:
            return f"the API server: {error}"

    await wait_until(
        missing,
        within=within,
        ask_every=_LOOK_EVERY,
        give_up=lambda _, waiting: ClusterError(
            f"The new machine has other addresses, and after {within:.0f} s pods still use the "
            f"present ones: {waiting}. Delete these pods and run `pulumi up` again."
        ),
        report=lambda _, waiting: report(f"waiting until addresses are free: {waiting}"),
    )


async def fill_pools(
    api: PoolApi, moved: MovedPools, addresses: Mapping[str, Sequence[str]]
) -> None:
    """Give the pools the addresses that the new machine's ENIs have, by pool name.

    A second call changes nothing. Raises `ClusterError`.
    """
    try:
        for pool in await _pools(api, moved):
            ips = tuple(addresses.get(pool.name, ()))
            if moved[pool.name].is_filled and ips and pool.ips != ips:
                await api.set_ips(pool, ips)
    except PoolError as error:
        raise ClusterError(
            f"{', '.join(moved)} did not get their new addresses: {error}"
        ) from error


async def _empty_free_ones(api: PoolApi, moved: MovedPools) -> str:
    """Pods and pools to wait for, as text; empty when there is nothing left to remove."""
    waiting: list[str] = []
    for pool in await _pools(api, moved):
        keeps = moved[pool.name].keeps
        kept = canonical_ranges(a for a in expand(keeps) if holds(pool.ips, a))
        holders = {a: pod for a, pod in pool.holders.items() if not holds(kept, a)}
        if holders:
            waiting += [f"{pod} ({address})" for address, pod in holders.items()]
        elif pool.ips != kept:
            try:
                await api.set_ips(pool, kept)
            except RefusedError as error:
                # A pod got or released an address meanwhile. Read the pools again.
                waiting.append(f"{pool.name} ({error})")
    return ", ".join(sorted(waiting))


async def _pools(api: PoolApi, moved: MovedPools) -> list[Pool]:
    return [pool for pool in await api.pools() if pool.name in moved and not pool.ending]


def _vswitch(interfaces: Mapping[str, object], nic: str) -> object:
    interface = interfaces.get(nic)
    return interface.get("vswitch") if isinstance(interface, Mapping) else None
