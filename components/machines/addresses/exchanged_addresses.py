"""Removes addresses from one pool before another pool takes them.

Spiderpool's webhook refuses a pool that has an address of another pool. The engine creates and
updates pools in any order, and deletes pools last, so it cannot keep this order itself.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pulumi

from components.api.api_access import UnusableKubeconfigError
from components.api.pool_api import PoolApi, PoolError, pool_api
from components.machines.addresses.address_guard import AddressesInUseError, release
from components.machines.addresses.leaving_addresses import Leaving
from config.ranges import Address
from planning.addresses.ipv6 import IPV4_BITS
from planning.names import IPV6
from planning.transitions.reading import Record
from planning.transitions.rules.addresses import between_pools


async def give_up(before: Record, after: Record, kubeconfig: str) -> None:
    """Remove the addresses that change their pool from the pools that have them now.

    Raises `pulumi.RunError` if a pod has one of them or the API server does not answer; no pool has
    changed then.
    """
    addresses = between_pools(before, after)
    if not addresses:
        return
    try:
        async with pool_api(kubeconfig) as api:
            await take_out(api, addresses)
    except (AddressesInUseError, PoolError, UnusableKubeconfigError) as error:
        raise pulumi.RunError(
            "Addresses move from one pool to another, and could not be removed from the first one: "
            f"{str(error).rstrip('.')}. Resolve that, and run `pulumi up` again."
        ) from error


async def take_out(api: PoolApi, addresses: frozenset[int]) -> None:
    """Take IPv4 addresses and their IPv6 twins out of every pool, or out of none."""
    leaving: set[Address] = {IPv4Address(address) for address in addresses}
    for pool in await api.pools():
        if pool.name.endswith(f"-v{IPV6}") and pool.ips:
            first = ip_address(pool.ips[0].partition("-")[0])
            network = int(first) & ~IPV4_BITS
            leaving |= pool.among(IPv6Address(network | address) for address in addresses)
    change = Leaving(addresses=frozenset(leaving), cloud_chooses=False)
    await release(api, "Pools", change)
