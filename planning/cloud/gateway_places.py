"""Chooses the vSwitch of the NAT gateway and of the API server's load balancer.

The cloud chooses their addresses anywhere in the vSwitch. In a vSwitch of nodes it could choose an
address that a node's block needs later. So both have a subnet of their own, named `gateways` unless
`network.nat.subnet` names another one. A stack without a subnet of that name gets one with 16
addresses at the end of its VPC.

No choice depends on which other subnets and zones there are, so adding one moves nothing
(docs/decisions/addresses-of-gateways.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from config.members import has_balancer, home_zone
from config.model import ClusterConfig
from config.report import Problem
from config.rules.network.vpc import DEFAULT_GATEWAY_SUBNET
from planning.addresses.blocks import gateway
from planning.model import VSwitchPlan
from planning.names import vswitch_key

GATEWAYS: Final = DEFAULT_GATEWAY_SUBNET

_SIZE: Final = 28
"""Prefix length of the vSwitch that is added: 12 usable addresses, for two gateways."""


@dataclass(frozen=True, kw_only=True)
class GatewayPlaces:
    """vSwitch keys of the gateways; None without the gateway, or if `problems` has the reason."""

    nat: str | None = None
    api: str | None = None
    added: VSwitchPlan | None = None
    """The vSwitch that the program adds to those of the stack file."""
    problems: tuple[Problem, ...] = ()


def gateway_places(config: ClusterConfig) -> GatewayPlaces:
    """Place both gateways; they are always in one vSwitch."""
    nat = config.network.nat
    has_nat = nat.enabled and nat.id is None
    has_api = has_balancer(config)
    if not has_nat and not has_api:
        return GatewayPlaces()
    # Also without a NAT gateway of this stack: the load balancer stays where it is when that goes.
    subnet = nat.subnet or GATEWAYS
    if subnet in config.network.subnets:
        place = _in_subnet(config, subnet)
        key = place if isinstance(place, str) else None
        problems = (place,) if isinstance(place, Problem) else ()
        return GatewayPlaces(
            nat=key if has_nat else None, api=key if has_api else None, problems=problems
        )
    if subnet != GATEWAYS:
        return GatewayPlaces()  # `config.rules.network.vpc` refuses the name
    added = _added(config)
    if isinstance(added, Problem):
        return GatewayPlaces(problems=(added,))
    return GatewayPlaces(
        nat=added.key if has_nat else None, api=added.key if has_api else None, added=added
    )


def _in_subnet(config: ClusterConfig, subnet: str) -> str | Problem | None:
    zones = sorted(config.network.subnets[subnet].zones)
    zone = config.network.nat.zone or (zones[0] if len(zones) == 1 else home_zone(config))
    if zone in zones:
        return vswitch_key(subnet, zone)
    if not zones or config.network.nat.zone is not None:
        return None  # `config.rules.network.vpc` refuses either
    return Problem(
        path="network.nat.zone",
        value=None,
        rule=f"The subnet {subnet} of the NAT gateway and the API server's load balancer has "
        "several zones, and the first control plane is in none of them.",
        remedy=f"Write the zone: one of {', '.join(zones)}. For a gateway that is deployed write "
        f"the one that it is in; until now that was {zones[0]}.",
    )


def _added(config: ClusterConfig) -> VSwitchPlan | Problem:
    vpc = config.network.vpc
    zone = config.network.nat.zone or home_zone(config)
    zones = {zone for subnet in config.network.subnets.values() for zone in subnet.zones}
    zone = zone or min(zones, default=None)
    cidr = _end_of(vpc.cidr)
    if vpc.id is not None or zone is None or cidr is None or _is_taken(config, cidr):
        return _no_room(config, zone)
    return VSwitchPlan(
        key=vswitch_key(GATEWAYS, zone),
        subnet=GATEWAYS,
        zone=zone,
        cidr=cidr,
        gateway=gateway(cidr),
        vswitch_id=None,
        ipv6_index=None,
        snat=False,
    )


def _no_room(config: ClusterConfig, zone: str | None) -> Problem:
    """The problem that no subnet can be added: the VPC is adopted, or its end is in use."""
    free = next(_free(config), None)
    adopted = config.network.vpc.id is not None
    example = f"{{{zone or 'ZONE'}: {{cidr: {free or 'a free range'}}}}}"
    check = f" Check first that {free} is not in use." if adopted and free is not None else ""
    reason = (
        "the VPC exists already, and its free ranges are not known here"
        if adopted
        else f"the end of {config.network.vpc.cidr} is in use"
    )
    return Problem(
        path="network.subnets.gateways",
        value=None,
        rule="The NAT gateway and the API server's load balancer take addresses that the cloud "
        "chooses, which a node's block may need later. They need a subnet without nodes, and "
        f"this program cannot add one: {reason}.",
        remedy=f"Write network.subnets.gateways: {{egress: false, zones: {example}}}, or name "
        "another subnet in network.nat.subnet; for a gateway that is deployed the one that it is "
        f"in.{check}",
    )


def _end_of(cidr: IPv4Network) -> IPv4Network | None:
    if cidr.prefixlen >= _SIZE:
        return None
    size = 2 ** (32 - _SIZE)
    return IPv4Network((int(cidr.broadcast_address) + 1 - size, _SIZE))


def _is_taken(config: ClusterConfig, cidr: IPv4Network) -> bool:
    return any(
        vswitch.cidr.overlaps(cidr)
        for subnet in config.network.subnets.values()
        for vswitch in subnet.zones.values()
    )


def _free(config: ClusterConfig) -> Iterator[IPv4Network]:
    """Free ranges of the VPC that are next to a subnet of the stack file."""
    size = 2 ** (32 - _SIZE)
    cidrs = [v.cidr for s in config.network.subnets.values() for v in s.zones.values()]
    for whole in (config.network.vpc.cidr, *config.network.vpc.secondary_cidrs):
        starts = {int(c.broadcast_address) + 1 for c in cidrs} | {
            int(c.network_address) // size * size - size for c in cidrs
        }
        for start in sorted(starts | {int(whole.broadcast_address) + 1 - size}):
            if start % size or not 0 <= start < 2**32:
                continue
            block = IPv4Network((start, _SIZE))
            if block.subnet_of(whole) and not _is_taken(config, block):
                yield block
