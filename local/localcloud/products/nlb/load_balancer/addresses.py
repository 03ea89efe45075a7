"""The addresses of an NLB in each of its zones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products.nlb.entities import NlbZone
from localcloud.products.vpc import claims, eips, ipv6
from localcloud.products.vpc.entities import Eip, VSwitch
from localcloud.requests.actions import Call
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

INTERNET: Final = "Internet"
INTRANET: Final = "Intranet"
DUAL_STACK: Final = "DualStack"
_LEAST_ZONES: Final = 2
_MOST_ZONES: Final = 10
_LEAST_LOCAL: Final = 2
_MOST_LOCAL: Final = 8


@dataclass(frozen=True, kw_only=True)
class ZoneMapping:
    """`ZoneMappings.N` of a request."""

    zone_id: str
    vswitch_id: str
    private_ipv4_address: str = wire("PrivateIPv4Address", default="")
    ipv6_address: str = ""
    allocation_id: str = ""
    eip_type: str = ""
    ipv4_local_addresses: tuple[str, ...] = ()
    ipv6_local_addresses: tuple[str, ...] = ()


def check(call: Call, vpc_id: str, mappings: Sequence[ZoneMapping]) -> dict[str, VSwitch]:
    """The vSwitch of each zone, if an NLB can have them together.

    Raises:
        ApiError: too few zones, a zone twice, a vSwitch of another zone or VPC, an EIP twice.
    """
    if not _LEAST_ZONES <= len(mappings) <= _MOST_ZONES:
        raise ApiError(
            "InvalidZones",
            f"The current zone list is illegal: {len(mappings)} zones, "
            f"an NLB is in {_LEAST_ZONES} to {_MOST_ZONES}.",
        )
    vswitches: dict[str, VSwitch] = {}
    for mapping in mappings:
        vswitch = call.store.find(VSwitch, mapping.vswitch_id)
        if vswitch is None or vswitch.vpc_id != vpc_id:
            raise ApiError(
                "ResourceNotFound.VSwitch",
                f"The specified resource of vSwitch {mapping.vswitch_id!r} is not found in "
                f"{vpc_id}.",
                404,
            )
        if vswitch.zone != mapping.zone_id:
            raise ApiError(
                "Mismatch.ZoneIdAndVswitchId",
                f"The ZoneIdAndVswitchId is mismatched for {mapping.zone_id} and {vswitch.id}, "
                f"which is in {vswitch.zone}.",
            )
        if mapping.zone_id in vswitches:
            raise ApiError(
                # The reference has the full stop at the end.
                "OperationFailed.DuplicateZones.",
                "The operation failed because of Can not Specify duplicate zones: "
                f"{mapping.zone_id}.",
            )
        vswitches[mapping.zone_id] = vswitch
    allocations = [m.allocation_id for m in mappings if m.allocation_id]
    if len(set(allocations)) != len(allocations):
        raise ApiError("DuplicatedParam.AllocationId", "The param of AllocationId is duplicated.")
    return vswitches


def take(
    call: Call, load_balancer_id: str, vswitch: VSwitch, mapping: ZoneMapping, *, dual_stack: bool
) -> NlbZone:
    """Claim the private addresses of one zone. `publish` adds a public address."""
    if dual_stack and vswitch.ipv6_cidr is None:
        raise ApiError(
            "OperationFailed.vSwitchNotSupportIpv6",
            f"The operation failed because of vSwitchNotSupportIpv6: {vswitch.id}.",
        )
    eni_id = call.new_id("eni")
    kind, owner, address = claims.NLB, load_balancer_id, mapping.private_ipv4_address
    if address:
        private = claims.take(call, vswitch, address, kind=kind, owner=owner)
    else:
        private = claims.take_any(call, vswitch, kind=kind, owner=owner)
    return NlbZone(
        zone=vswitch.zone,
        vswitch_id=vswitch.id,
        eni_id=eni_id,
        private_ipv4=private,
        local_ipv4=_local(call, vswitch, mapping.ipv4_local_addresses, load_balancer_id),
        ipv6=_ipv6(call, eni_id, vswitch, mapping.ipv6_address) if dual_stack else "",
    )


def _local(
    call: Call, vswitch: VSwitch, requested: Sequence[str], load_balancer_id: str
) -> tuple[str, ...]:
    """The addresses that connect to backends: an even number from 2 to 8.

    The cloud chooses two unless the request names them. An NLB therefore takes at least three
    addresses of each of its vSwitches (page CreateLoadBalancer, Ipv4LocalAddresses).
    """
    if not requested:
        return tuple(
            claims.take_any(call, vswitch, kind=claims.NLB, owner=load_balancer_id)
            for _ in range(_LEAST_LOCAL)
        )
    if len(requested) % 2 or not _LEAST_LOCAL <= len(requested) <= _MOST_LOCAL:
        raise ApiError(
            "IllegalParam",
            f"{len(requested)} Ipv4LocalAddresses: it must be an even number from "
            f"{_LEAST_LOCAL} to {_MOST_LOCAL}.",
        )
    return tuple(
        claims.take(call, vswitch, ip, kind=claims.NLB, owner=load_balancer_id) for ip in requested
    )


def _ipv6(call: Call, eni_id: str, vswitch: VSwitch, requested: str) -> str:
    try:
        return ipv6.put_on(call, eni_id, vswitch, requested or None)
    except ApiError as refusal:
        raise ApiError("IllegalParam", refusal.message) from refusal


def publish(call: Call, zone: NlbZone, allocation_id: str = "") -> NlbZone:
    """Add a public address to a zone: an EIP of the account, or one that the service allocates.

    Raises:
        ApiError: the EIP does not exist or is not free.
    """
    if zone.allocation_id:
        return zone
    if allocation_id:
        eip = call.store.find(Eip, allocation_id)
        if eip is None:
            raise ApiError(
                "IllegalParam",
                f"The specified AllocationId {allocation_id[:80]!r} is not found.",
            )
        if eip.life.at(call.now) != "Available":
            raise ApiError(
                "ResourceAlreadyAssociated.AllocationId",
                f"The specified resource of {eip.id} is already associated.",
            )
    else:
        eip = eips.allocate_for_service(call)
    eips.bind(
        call,
        eip,
        instance_id=zone.eni_id,
        kind=eips.NETWORK_INTERFACE,
        private_ip=zone.private_ipv4,
    )
    return dataclasses.replace(
        zone, allocation_id=eip.id, public_ipv4=eip.ip, managed_eip=not allocation_id
    )


def unpublish(call: Call, zone: NlbZone) -> NlbZone:
    """Remove a zone's public address. An EIP of the account stays and becomes free."""
    eip = call.store.find(Eip, zone.allocation_id)
    if eip is not None and eip.instance_id == zone.eni_id:
        if zone.managed_eip:
            call.store.remove(eip)
        else:
            eips.release_binding(call, eip)
    return dataclasses.replace(zone, allocation_id="", public_ipv4="", managed_eip=False)


def give_back(call: Call, zone: NlbZone) -> None:
    """Release every address of a zone."""
    unpublish(call, zone)
    for address in (zone.private_ipv4, *zone.local_ipv4):
        claims.give_back(call, zone.vswitch_id, address)
    if zone.ipv6:
        ipv6.take_from(call, zone.vswitch_id, zone.ipv6)
