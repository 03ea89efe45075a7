"""Compares what the cloud answered with the plan. Pure: plain data in, plain data out.

A pod with an address that its ENI does not have is unreachable, and Kubernetes does not report it.
So the run stops (docs/decisions/planned-addresses.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pulumi

from planning.addresses.canonical import canonical_ranges, expand
from planning.addresses.ipv6 import interface_addresses
from planning.addresses.pod_addresses import Counted
from planning.model import ClusterPlan, InterfacePlan, IPPoolPlan


def in_order(addresses: Iterable[str] | None) -> tuple[str, ...]:
    """Sort by value: the cloud returns secondary addresses in no particular order."""
    return tuple(str(address) for address in sorted(IPv4Address(a) for a in addresses or ()))


def addresses_of(prefixes: Iterable[str] | None) -> tuple[str, ...]:
    """Every address of every /28 block: all sixteen can be given to pods."""
    return in_order(str(address) for block in prefixes or () for address in IPv4Network(block))


def primary_as_planned(node: str, plan: InterfacePlan, answered: str) -> str:
    """Return `answered`, or stop the run if it is not the planned primary address."""
    if pulumi.runtime.is_dry_run() or answered == str(plan.primary):
        return answered
    raise pulumi.RunError(
        f"{node}/{plan.name}: the cloud gave the ENI the primary address {answered} instead of "
        f"the planned {plan.primary}. The node's files and certificates were made for the planned "
        "one. Run `pulumi refresh` and then `pulumi up`; the ENI is replaced."
    )


def pod_addresses_as_planned(
    node: str, plan: InterfacePlan, answered: Sequence[str]
) -> tuple[str, ...]:
    """Return the ENI's pod addresses in order, or stop the run if they differ from the plan.

    Where the cloud chooses the addresses, only their number is compared.
    """
    addresses = in_order(answered)
    if pulumi.runtime.is_dry_run():
        return addresses
    if isinstance(plan.pods, Counted):
        if len(addresses) == plan.pods.count:
            return addresses
        raise pulumi.RunError(
            f"{node}/{plan.name}: the cloud gave {len(addresses)} pod addresses "
            f"instead of {plan.pods.count}. Run `pulumi refresh` and then `pulumi up`; "
            "if that does not help, the instance type's limit is reached or the vSwitch has no "
            "free addresses."
        )
    planned = in_order(str(address) for address in plan.pods.planned)
    if addresses == planned:
        return addresses
    missing = canonical_ranges(IPv4Address(a) for a in planned if a not in addresses)
    extra = canonical_ranges(IPv4Address(a) for a in addresses if a not in planned)
    raise pulumi.RunError(
        f"{node}/{plan.name}: the ENI does not hold the planned pod addresses "
        f"(missing: {', '.join(missing) or 'none'}; not planned: {', '.join(extra) or 'none'}). "
        "Pods on such an address would be unreachable. Run `pulumi refresh` and then `pulumi up`, "
        "which assigns the missing ones and removes those that are not planned."
    )


def ips_of_pools(
    plan: ClusterPlan,
    node: str,
    pods: Mapping[str, Sequence[str]],
    twins: Mapping[str, Mapping[str, str]],
) -> dict[str, list[str]]:
    """The `ips` of a node's pools by name, from its NICs' pod addresses and IPv6 twins."""
    return {
        pool.name: (
            ipv6_pool_ips(pool, twins[pool.interface])
            if pool.twins
            else pool_ips(pool, pods[pool.interface], siblings(plan, pool))
        )
        for pool in plan.pools_of_nodes[node]
    }


def siblings(plan: ClusterPlan, pool: IPPoolPlan) -> list[IPPoolPlan]:
    """The other pools of the same ENI and IP version."""
    return [
        other
        for other in plan.pools_of_nodes[pool.node]
        if other is not pool
        and (other.interface, other.ip_version) == (pool.interface, pool.ip_version)
    ]


def pool_ips(pool: IPPoolPlan, assigned: Sequence[str], others: Sequence[IPPoolPlan]) -> list[str]:
    """The pool's `ips`: its part of the ENI's addresses, as Spiderpool writes them.

    `others` are its `siblings`: a pool without planned addresses takes what they leave.
    """
    if pool.ips:
        planned = {str(address) for address in expand(pool.ips)}
        chosen = [address for address in assigned if address in planned]
    else:
        taken = {str(address) for other in others for address in expand(other.ips)}
        chosen = [address for address in assigned if address not in taken]
    return list(canonical_ranges(IPv4Address(address) for address in chosen))


def ipv6_as_planned(
    node: str, plan: InterfacePlan, network: IPv6Network, answered: Sequence[str]
) -> Mapping[str, str]:
    """Map each IPv4 address of the ENI to its IPv6 twin, or stop the run if one is missing."""
    planned = interface_addresses(network, plan)
    assigned = {IPv6Address(address) for address in answered}
    if assigned != set(planned) and not pulumi.runtime.is_dry_run():
        missing = canonical_ranges(a for a in planned if a not in assigned)
        extra = canonical_ranges(a for a in assigned if a not in planned)
        raise pulumi.RunError(
            f"{node}/{plan.name}: the ENI does not hold the planned IPv6 addresses "
            f"(missing: {', '.join(missing) or 'none'}; "
            f"not planned: {', '.join(extra) or 'none'}). "
            "Run `pulumi refresh` and then `pulumi up`."
        )
    addresses = (plan.primary, *plan.pods.planned)
    return {str(ipv4): str(ipv6) for ipv4, ipv6 in zip(addresses, planned, strict=True)}


def ipv6_pool_ips(pool: IPPoolPlan, twins: Mapping[str, str]) -> list[str]:
    """The `ips` of an IPv6 pool: the twins of its IPv4 addresses."""
    return list(canonical_ranges(IPv6Address(twins[str(address)]) for address in pool.twins))
