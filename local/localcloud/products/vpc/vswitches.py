"""VSwitches and their CIDR reservations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from localcloud import addressing
from localcloud.products import endings, filters, statuses, texts
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from . import claims, vpcs
from .entities import (
    AddressClaim,
    CidrReservation,
    Ipv6Address,
    NatGateway,
    SnatEntry,
    Vpc,
    VSwitch,
)
from .tagging import TAG_CODES

_SHORTEST: Final = 16
_LONGEST: Final = 29
_MOST_IPV6: Final = 255
_MOST_IN_VPC: Final = 150
_MOST_RESERVATIONS: Final = 100
"""Of IPv4 in a VPC: "The maximum number of reserved IPv4 and IPv6 CIDR blocks in a VPC is 100 each"
(page CreateVSwitchCidrReservation of August 2026; English pages before it say ten in a vSwitch)."""
_LONGEST_DELETION: Final = 5.0
_RESERVATION_BITS: Final = 2


find: Final = Lookup(VSwitch, "vSwitch", "InvalidVSwitchId.NotFound")


@dataclass(frozen=True, kw_only=True)
class CreateVSwitch:
    """Parameters of CreateVSwitch. Ipv6CidrBlock is the index of the /64, 0 to 255."""

    vpc_id: str
    cidr_block: str
    zone_id: str
    region_id: str | None = None
    vswitch_name: str = wire("VSwitchName", default="")
    description: str = ""
    ipv6_cidr_block: int | None = None
    vpc_ipv6_cidr_block: str | None = None
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_vswitch(call: Call, request: CreateVSwitch) -> Answer:
    """Create a vSwitch in one of the VPC's blocks. It cannot overlap another vSwitch."""
    return {"VSwitchId": make(call, request).id}


def make(call: Call, request: CreateVSwitch, *, is_default: bool = False) -> VSwitch:
    """Create a vSwitch, for every action that does so.

    Raises:
        ApiError: the VPC has no room for it, or the request has a value that a vSwitch cannot have.
    """
    vpc = vpcs.find(call, request.vpc_id)
    _check_texts(request.vswitch_name, request.description)
    statuses.require(call, vpc, "Available", code="IncorrectVpcStatus")
    if request.zone_id not in call.cloud.zones:
        raise ApiError(
            "InvalidZoneId.NotFound",
            f"Specified zone {request.zone_id!r} does not exist in {call.cloud.region}.",
            404,
        )
    network = addressing.requested_block(
        request.cidr_block, "InvalidCidrBlock.Malformed", "CidrBlock"
    )
    if not _SHORTEST <= network.prefixlen <= _LONGEST:
        raise ApiError(
            # The reference has this spelling.
            "InvalidCirdrBlock.MaskLength",
            f"The CIDR block {network} of a vSwitch must be a /{_SHORTEST} to /{_LONGEST}.",
        )
    if not any(network.subnet_of(block) for block in vpcs.blocks(vpc)):
        raise ApiError(
            "InvalidParameter",
            f"The CIDR block {network} is in none of the VPC's CIDR blocks "
            f"{', '.join(map(str, vpcs.blocks(vpc)))}.",
        )
    for other in call.store.where(VSwitch, "vpc", vpc.id):
        if network.overlaps(addressing.block(other.cidr)):
            raise ApiError(
                "InvalidCidrBlock.Overlapped",
                f"The CIDR block {network} overlaps with {other.cidr} of {other.id}.",
            )
    if call.store.size(VSwitch, "vpc", vpc.id) >= _MOST_IN_VPC:
        raise ApiError("QuotaExceeded.VSwitch", f"The VPC has {_MOST_IN_VPC} vSwitches.")
    return call.store.put(
        VSwitch(
            id=call.new_id("vsw"),
            is_default=is_default,
            vpc_id=vpc.id,
            zone=request.zone_id,
            name=request.vswitch_name,
            description=request.description,
            cidr=str(network),
            ipv6_cidr=_ipv6(call, vpc, request.ipv6_cidr_block),
            created=call.now,
            life=call.passing(("Pending", 1.0), to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )


def _check_texts(name: str | None, description: str | None) -> None:
    texts.check(name, "InvalidVSwitchName.Malformed")
    texts.check(description, "InvalidVSwitchDiscription.Malformed", texts.DESCRIPTION)


def _ipv6(call: Call, vpc: Vpc, index: int | None) -> str | None:
    if index is None:
        return None
    if vpc.ipv6_cidr is None:
        raise ApiError(
            "OperationFailed.VpcIpv6Disabled",
            f"The VPC {vpc.id} has no IPv6 CIDR block: enable IPv6 on it first.",
        )
    if not 0 <= index <= _MOST_IPV6:
        raise ApiError(
            "IllegalParam.Ipv6CidrBlock",
            f"Ipv6CidrBlock {index} must be from 0 to {_MOST_IPV6}.",
        )
    block = str(addressing.sub_block(addressing.ipv6_block(vpc.ipv6_cidr), index))
    if any(v.ipv6_cidr == block for v in call.store.where(VSwitch, "vpc", vpc.id)):
        raise ApiError(
            "OperationFailed.Ipv6CidrBlockExisted",
            f"The IPv6 CIDR block {block} is already in use.",
        )
    return block


def _shown(call: Call, vswitch: VSwitch) -> dict[str, object]:
    vpc = vpcs.find(call, vswitch.vpc_id)
    return {
        "VSwitchId": vswitch.id,
        "VSwitchName": vswitch.name,
        "Description": vswitch.description,
        "VpcId": vswitch.vpc_id,
        "ZoneId": vswitch.zone,
        "Status": vswitch.life.at(call.now),
        "CidrBlock": vswitch.cidr,
        "Ipv6CidrBlock": vswitch.ipv6_cidr or "",
        "EnabledIpv6": vswitch.ipv6_cidr is not None,
        "AvailableIpAddressCount": claims.available(call.store, vswitch),
        "IsDefault": vswitch.is_default,
        "OwnerId": int(call.cloud.account_id),
        "ResourceGroupId": vpc.resource_group_id,
        "NetworkAclId": "",
        "ShareType": "",
        "RouteTable": {"RouteTableId": vpc.route_table_id, "RouteTableType": "System"},
        "CreationTime": moment(vswitch.created),
        "Tags": tags.vpc(vswitch.tags),
    }


_TABLE: Final = Table("VSwitches", "VSwitch", _shown, most=50)


@dataclass(frozen=True, kw_only=True)
class DescribeVSwitchAttributes:
    """Parameters of DescribeVSwitchAttributes."""

    vswitch_id: str
    region_id: str | None = None


@action()
def describe_vswitch_attributes(call: Call, request: DescribeVSwitchAttributes) -> Answer:
    """Describe one vSwitch. For an unknown id, the API answers with empty fields."""
    vswitch = call.store.find(VSwitch, request.vswitch_id)
    if vswitch is None:
        return {"VSwitchId": "", "VpcId": "", "Status": "", "CidrBlock": "", "ZoneId": ""}
    return _shown(call, vswitch)


@dataclass(frozen=True, kw_only=True)
class DescribeVSwitches(PageRequest):
    """Parameters of DescribeVSwitches."""

    region_id: str | None = None
    vpc_id: str | None = None
    vswitch_id: str | None = None
    vswitch_name: str | None = None
    zone_id: str | None = None
    is_default: bool | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_vswitches(call: Call, request: DescribeVSwitches) -> Answer:
    """List vSwitches by filter."""
    ids = filters.names(request.vswitch_id)
    vswitches = [
        v
        for v in (
            call.store.where(VSwitch, "vpc", request.vpc_id)
            if request.vpc_id
            else call.store.all(VSwitch)
        )
        if filters.among(ids, v.id)
        and filters.equal(request.zone_id, v.zone)
        and filters.equal(request.vswitch_name, v.name)
        and filters.equal(request.resource_group_id, vpcs.find(call, v.vpc_id).resource_group_id)
        and request.is_default in {None, v.is_default}
        and tags.match(v.tags, request.tag)
    ]
    return _TABLE.numbered(call, vswitches, request)


@dataclass(frozen=True, kw_only=True)
class ModifyVSwitchAttribute:
    """Parameters of ModifyVSwitchAttribute."""

    vswitch_id: str
    region_id: str | None = None
    vswitch_name: str | None = wire("VSwitchName", default=None)
    description: str | None = None
    enable_ipv6: bool | None = wire("EnableIPv6", default=None)
    ipv6_cidr_block: int | None = None
    vpc_ipv6_cidr_block: str | None = None


@action(writes=True)
def modify_vswitch_attribute(call: Call, request: ModifyVSwitchAttribute) -> Answer:
    """Rename a vSwitch, or turn its IPv6 on (with an index) or off.

    A block is released before another one is assigned, and EnableIPv6 needs Ipv6CidrBlock (comments
    of the provider 1.285.0, resource_alicloud_vswitch.go).
    """
    vswitch = find(call, request.vswitch_id)
    _check_texts(request.vswitch_name, request.description)
    changes = requested(name=request.vswitch_name, description=request.description)
    if request.enable_ipv6 is False and request.ipv6_cidr_block is not None:
        raise ApiError(
            "ParamExclusive.DisableIpv6AndIpv6CidrBlock",
            "Ipv6CidrBlock cannot be set where EnableIPv6 is false.",
        )
    if request.enable_ipv6 is False and vswitch.ipv6_cidr is not None:
        if call.store.any(Ipv6Address, "vswitch", vswitch.id):
            raise ApiError(
                "OperationFailed.Ipv6InstanceExist", "The vSwitch still has IPv6 addresses."
            )
        changes["ipv6_cidr"] = None
    elif request.ipv6_cidr_block is not None or request.enable_ipv6:
        if request.ipv6_cidr_block is None:
            raise ApiError("IllegalParam.Ipv6CidrBlock", "EnableIPv6 needs an Ipv6CidrBlock.")
        if vswitch.ipv6_cidr is not None:
            raise ApiError(
                "OperationFailed.Ipv6AlreadyEnabled",
                f"The vSwitch has {vswitch.ipv6_cidr} already; turn its IPv6 off first.",
            )
        vpc = vpcs.find(call, vswitch.vpc_id)
        changes["ipv6_cidr"] = _ipv6(call, vpc, request.ipv6_cidr_block)
    call.store.change(vswitch, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteVSwitch:
    """Parameters of DeleteVSwitch."""

    vswitch_id: str
    region_id: str | None = None


@action(writes=True)
def delete_vswitch(call: Call, request: DeleteVSwitch) -> Answer:
    """Delete a vSwitch that is not in use."""
    vswitch = find(call, request.vswitch_id)
    statuses.require(call, vswitch, "Available", code="IncorrectVSwitchStatus")
    _check_empty(call, vswitch)
    if not endings.has_begun(call, vswitch, "Pending", longest=_LONGEST_DELETION):
        call.store.remove(vswitch)
    return {}


def _check_empty(call: Call, vswitch: VSwitch) -> None:
    if call.store.any(SnatEntry, "vswitch", vswitch.id):
        raise ApiError(
            "DependencyViolation.SnatEntry", "The vSwitch is the source of a SNAT entry."
        )
    if call.store.any(NatGateway, "vswitch", vswitch.id):
        raise ApiError("DependencyViolation.EnhancedNatgw", "A NAT gateway is in the vSwitch.")
    addresses = call.store.where(AddressClaim, "vswitch", vswitch.id)
    if addresses:
        # The code is the same for every owner of an address: an ENI, a CLB or an NLB.
        raise ApiError(
            "DependencyViolation", f"{addresses[0].owner_id} still uses the vSwitch {vswitch.id}."
        )
    if call.store.any(CidrReservation, "vswitch", vswitch.id):
        raise ApiError(
            "DependencyViolation.VSwitchCidrReservation", "The vSwitch has a CIDR reservation."
        )
    if call.store.any(Ipv6Address, "vswitch", vswitch.id):
        raise ApiError("DependencyViolation.Ipv6Address", "The vSwitch has IPv6 addresses.")


def settle(call: Call) -> None:
    """Remove the vSwitches whose deletion has ended. A vSwitch that is no longer empty stays."""
    endings.settle(call, VSwitch, _check_empty)


@dataclass(frozen=True, kw_only=True)
class CreateVSwitchCidrReservation:
    """Parameters of CreateVSwitchCidrReservation."""

    vswitch_id: str
    region_id: str | None = None
    ip_version: str = "IPv4"
    cidr: str | None = wire("VSwitchCidrReservationCidr", default=None)
    mask: str | None = wire("VSwitchCidrReservationMask", default=None)
    name: str = wire("VSwitchCidrReservationName", default="")
    description: str = wire("VSwitchCidrReservationDescription", default="")
    kind: str = wire("VSwitchCidrReservationType", default="Prefix")
    tag: tuple[TagParameter, ...] = ()


def _named_reservation(
    text: str,
    network: IPv4Network,
    reserved: Sequence[IPv4Network],
    assigned: Sequence[IPv4Network],
) -> IPv4Network:
    """The block that the request names: a proper part of the vSwitch without addresses in use."""
    chosen = addressing.requested_block(
        text, "IllegalParamFormat.VSwitchCidrReservationCidr", "VSwitchCidrReservationCidr"
    )
    if not chosen.subnet_of(network) or chosen == network:
        raise ApiError(
            "OperationFailed.VSwitchCidrReservationCidr",
            f"The block {chosen} conflicts with {network}: it must be a proper part of it.",
        )
    if chosen.prefixlen > addressing.PREFIX_LENGTH:
        raise ApiError(
            "QuotaExceeded.VSwitchCidrReservationMask",
            f"The mask of {chosen} exceeds that of an IP prefix, {addressing.PREFIX_LENGTH}.",
        )
    if any(addressing.is_reserved(ip, network) for ip in (chosen[0], chosen[-1])):
        raise ApiError(
            "OperationFailed.SystemReservedIpContained",
            f"The block {chosen} holds an address that the system reserves in {network}.",
        )
    if any(chosen.overlaps(one) for one in reserved):
        raise ApiError(
            "OperationFailed.VSwitchCidrReservationCidr",
            f"The block {chosen} overlaps with a CIDR reservation of the vSwitch.",
        )
    if any(chosen.overlaps(one) for one in assigned):
        raise ApiError(
            "OperationFailed.AlreadyUsedIpContained", f"Addresses of {chosen} are in use."
        )
    return chosen


def _free_reservation(
    mask: str | None, network: IPv4Network, taken: Sequence[IPv4Network]
) -> IPv4Network:
    """The first free block of a length. A block with a system address is never free."""
    if not mask:
        raise ApiError(
            "MissingParam.CidrReservationMaskOrCidrReservationCidr",
            "Either VSwitchCidrReservationMask or VSwitchCidrReservationCidr must be specified.",
        )
    length = int(mask) if mask.isdecimal() else 0
    shortest = network.prefixlen + _RESERVATION_BITS
    if not shortest <= length <= addressing.PREFIX_LENGTH:
        raise ApiError(
            "IllegalParam.VSwitchCidrReservationMask",
            f"Mask {mask[:40]!r} must be {_RESERVATION_BITS} bits longer than the vSwitch's "
            f"/{network.prefixlen}, and at most {addressing.PREFIX_LENGTH}.",
        )
    for candidate in network.subnets(new_prefix=length):
        if any(addressing.is_reserved(ip, network) for ip in (candidate[0], candidate[-1])):
            continue
        if not any(candidate.overlaps(one) for one in taken):
            return candidate
    raise ApiError(
        "OperationFailed.CidrNotEnoughInVSwitch", f"No free /{length} is left in {network}."
    )


@action(writes=True)
def create_vswitch_cidr_reservation(call: Call, request: CreateVSwitchCidrReservation) -> Answer:
    """Reserve a block of a vSwitch, /28 or larger, for the address prefixes of ENIs."""
    vswitch = find(call, request.vswitch_id, code="ResourceNotFound.VSwitch", status=400)
    if request.kind.lower() != "prefix":
        raise ApiError(
            "UnsupportedFeature.ReservedType",
            f"VSwitchCidrReservationType {request.kind[:40]!r} must be prefix.",
        )
    if request.ip_version.lower() != "ipv4":
        raise ApiError(
            "UnsupportedFeature.VSwitchIpv6", "Reservations of IPv6 blocks are not emulated."
        )
    network = addressing.block(vswitch.cidr)
    reserved = [
        addressing.block(r.cidr) for r in call.store.where(CidrReservation, "vswitch", vswitch.id)
    ]
    if call.store.size(CidrReservation, "vpc", vswitch.vpc_id) >= _MOST_RESERVATIONS:
        raise ApiError(
            "QuotaExceeded.CidrReservationCount",
            f"A VPC has at most {_MOST_RESERVATIONS} CIDR reservations.",
        )
    assigned = [
        addressing.block(c.address if "/" in c.address else f"{c.address}/32")
        for c in call.store.where(AddressClaim, "vswitch", vswitch.id)
    ]
    if request.cidr and request.mask:
        raise ApiError(
            "Conflict.CidrReservationMaskAndCidrReservationCidr",
            "Either VSwitchCidrReservationMask or VSwitchCidrReservationCidr may be specified.",
        )
    if request.cidr:
        chosen = _named_reservation(request.cidr, network, reserved, assigned)
    else:
        chosen = _free_reservation(request.mask, network, [*reserved, *assigned])
    reservation = call.store.put(
        CidrReservation(
            id=call.new_id("vcr"),
            vswitch_id=vswitch.id,
            vpc_id=vswitch.vpc_id,
            name=request.name,
            description=request.description,
            cidr=str(chosen),
            created=call.now,
            life=call.passing(("Creating", 1.0), to="Assigned"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {"VSwitchCidrReservationId": reservation.id}


_reservation: Final = Lookup(
    CidrReservation, "CIDR reservation", "ResourceNotFound.CidrReservation", 400
)


def _prefixes_in(call: Call, reservation: CidrReservation) -> int:
    network = addressing.block(reservation.cidr)
    return sum(
        "/" in claim.address and addressing.block(claim.address).subnet_of(network)
        for claim in call.store.where(AddressClaim, "vswitch", reservation.vswitch_id)
    )


@dataclass(frozen=True, kw_only=True)
class ListVSwitchCidrReservations:
    """Parameters of ListVSwitchCidrReservations."""

    region_id: str | None = None
    vswitch_id: str | None = None
    vpc_id: str | None = None
    ids: tuple[str, ...] = wire("VSwitchCidrReservationIds", default=())
    ip_version: str | None = None
    kind: str | None = wire("VSwitchCidrReservationType", default=None)
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def list_vswitch_cidr_reservations(call: Call, request: ListVSwitchCidrReservations) -> Answer:
    """List CIDR reservations by filter."""
    reservations = [
        r
        for r in call.store.all(CidrReservation)
        if filters.among(request.ids, r.id)
        and filters.equal(request.vswitch_id, r.vswitch_id)
        and filters.equal(request.vpc_id, r.vpc_id)
        and filters.equal(request.ip_version, "IPv4")
        and filters.equal(request.kind, "Prefix")
        and tags.match(r.tags, request.tag)
    ]
    part, following = paging.page_by_token(
        reservations,
        request.next_token,
        request.max_results,
        usual=10,
        most=100,
        codes=paging.ILLEGAL_CODES,
    )
    shown = []
    for r in part:
        assigned = _prefixes_in(call, r)
        total = addressing.block(r.cidr).num_addresses // 16
        shown.append(
            {
                "VSwitchCidrReservationId": r.id,
                "VSwitchCidrReservationName": r.name,
                "VSwitchCidrReservationDescription": r.description,
                "VSwitchCidrReservationCidr": r.cidr,
                "VSwitchId": r.vswitch_id,
                "VpcId": r.vpc_id,
                "IpVersion": "IPv4",
                "Type": "Prefix",
                "Status": r.life.at(call.now),
                "AssignedCidrCount": assigned,
                "AvailableCidrCount": total - assigned,
                "CreationTime": moment(r.created),
                "Tags": tags.plain(r.tags),
            }
        )
    return {
        "VSwitchCidrReservations": shown,
        "TotalCount": len(reservations),
        "MaxResults": request.max_results or 20,
        "NextToken": following,
    }


@dataclass(frozen=True, kw_only=True)
class ModifyVSwitchCidrReservationAttribute:
    """Parameters of ModifyVSwitchCidrReservationAttribute."""

    reservation_id: str = wire("VSwitchCidrReservationId")
    region_id: str | None = None
    name: str | None = wire("VSwitchCidrReservationName", default=None)
    description: str | None = wire("VSwitchCidrReservationDescription", default=None)


@action(writes=True)
def modify_vswitch_cidr_reservation_attribute(
    call: Call, request: ModifyVSwitchCidrReservationAttribute
) -> Answer:
    """Rename a CIDR reservation."""
    reservation = _reservation(call, request.reservation_id)
    call.store.change(reservation, **requested(name=request.name, description=request.description))
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteVSwitchCidrReservation:
    """Parameters of DeleteVSwitchCidrReservation."""

    reservation_id: str = wire("VSwitchCidrReservationId")
    region_id: str | None = None


@action(writes=True)
def delete_vswitch_cidr_reservation(call: Call, request: DeleteVSwitchCidrReservation) -> Answer:
    """Release a reserved block, unless an ENI has a prefix of it."""
    reservation = _reservation(call, request.reservation_id)
    if _prefixes_in(call, reservation):
        raise ApiError(
            "DependencyViolation.IpPrefix", "An ENI still has a prefix of the reservation."
        )
    call.store.remove(reservation)
    return {}
