"""Changes of an NLB's zones and of its address type."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products.nlb.choices import one_of
from localcloud.products.nlb.load_balancer import addresses, load_balancers
from localcloud.products.nlb.load_balancer.addresses import (
    DUAL_STACK,
    INTERNET,
    INTRANET,
    ZoneMapping,
)
from localcloud.requests.actions import Answer, Call, action


@dataclass(frozen=True, kw_only=True)
class UpdateLoadBalancerZones:
    """Parameters of UpdateLoadBalancerZones. The mappings are all zones of the NLB afterwards."""

    load_balancer_id: str
    zone_mappings: tuple[ZoneMapping, ...]
    region_id: str | None = None


@action(writes=True)
def update_load_balancer_zones(call: Call, request: UpdateLoadBalancerZones) -> Answer:
    """Set the zones of an NLB.

    A zone of the request whose vSwitch is the same stays, new zones are added, and all others are
    released.
    """
    balancer = load_balancers.ready(call, request.load_balancer_id)
    vswitches = addresses.check(call, balancer.vpc_id, request.zone_mappings)
    before = {(z.zone, z.vswitch_id): z for z in balancer.zones}
    keys = {(m.zone_id, m.vswitch_id) for m in request.zone_mappings}
    for key, zone in before.items():
        if key not in keys:
            addresses.give_back(call, zone)
    zones = []
    for mapping in request.zone_mappings:
        zone = before.get((mapping.zone_id, mapping.vswitch_id)) or addresses.take(
            call,
            balancer.id,
            vswitches[mapping.zone_id],
            mapping,
            dual_stack=balancer.address_ip_version == DUAL_STACK,
        )
        if balancer.address_type == INTERNET:
            zone = addresses.publish(call, zone, mapping.allocation_id)
        zones.append(zone)
    return load_balancers.configure(call, balancer, "UpdateLoadBalancerZones", zones=tuple(zones))


@dataclass(frozen=True, kw_only=True)
class UpdateLoadBalancerAddressTypeConfig:
    """Parameters of UpdateLoadBalancerAddressTypeConfig. The mappings only name EIPs."""

    load_balancer_id: str
    address_type: str
    zone_mappings: tuple[ZoneMapping, ...] = ()
    region_id: str | None = None


@action(writes=True)
def update_address_type(call: Call, request: UpdateLoadBalancerAddressTypeConfig) -> Answer:
    """Make an NLB public, with EIPs of the request or of the service, or make it private."""
    balancer = load_balancers.ready(call, request.load_balancer_id)
    address_type = one_of("AddressType", request.address_type, (INTERNET, INTRANET))
    allocations = {m.zone_id: m.allocation_id for m in request.zone_mappings}
    zones = tuple(
        addresses.publish(call, zone, allocations.get(zone.zone, ""))
        if address_type == INTERNET
        else addresses.unpublish(call, zone)
        for zone in balancer.zones
    )
    return load_balancers.configure(
        call,
        balancer,
        "UpdateLoadBalancerAddressTypeConfig",
        zones=zones,
        address_type=address_type,
    )
