"""IPv6 addresses and their public bandwidth."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address as Address
from types import MappingProxyType
from typing import Final

from localcloud import addressing
from localcloud.products import filters, statuses
from localcloud.products.ecs.entities import NetworkInterface
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from . import ipv6_gateways, vswitches
from .entities import (
    DEFAULT_RESOURCE_GROUP,
    Ipv6Address,
    Ipv6Bandwidth,
    Ipv6Gateway,
    VSwitch,
)
from .tagging import TAG_CODES

_MOST_BANDWIDTH: Final = MappingProxyType({"PayByTraffic": 1000, "PayByBandwidth": 2000})
"""Mbit/s, by how the traffic is paid (page AllocateIpv6InternetBandwidth)."""


def _free(call: Call, vswitch: VSwitch) -> str:
    block = addressing.ipv6_block(vswitch.ipv6_cidr or "")
    offset = call.store.size(Ipv6Address, "vswitch", vswitch.id) + 16
    while True:
        candidate = str(block[offset])
        if not call.store.any(Ipv6Address, "address", f"{vswitch.id}/{candidate}"):
            return candidate
        offset += 1


@dataclass(frozen=True)
class Ipv6Codes:
    """The codes and statuses with which an action refuses an IPv6 address, by cause."""

    disabled: tuple[str, int] = ("InvalidVSwitch.Ipv6NotTurnOn", 403)
    malformed: tuple[str, int] = ("InvalidIp.Address", 403)
    outside: tuple[str, int] = ("InvalidVSwitchId.IpInvalid", 404)
    taken: tuple[str, int] = ("InvalidIp.IpAssigned", 404)


ASSIGNING: Final = Ipv6Codes()
"""Codes of AssignIpv6Addresses."""


def put_on(
    call: Call,
    interface_id: str,
    vswitch: VSwitch,
    requested_address: str | None,
    codes: Ipv6Codes = ASSIGNING,
) -> str:
    """Give an ENI an IPv6 address: the requested one, allocated or not, or any free one."""

    def refusal(code: tuple[str, int], message: str) -> ApiError:
        return ApiError(code[0], message, code[1])

    if vswitch.ipv6_cidr is None:
        raise refusal(
            codes.disabled, f"The vSwitch {vswitch.id} has no IPv6 CIDR block: enable IPv6 first."
        )
    if requested_address is None:
        ip = _free(call, vswitch)
    else:
        parsed = addressing.requested_ipv6(requested_address, *codes.malformed)
        if parsed not in addressing.ipv6_block(vswitch.ipv6_cidr):
            raise refusal(codes.outside, f"{parsed} is not in the block {vswitch.ipv6_cidr}.")
        ip = str(parsed)
    allocated = call.store.where(Ipv6Address, "address", f"{vswitch.id}/{ip}")
    if allocated:
        if allocated[0].interface_id is not None:
            raise refusal(codes.taken, f"The IPv6 address {ip} is already assigned.")
        call.store.change(allocated[0], interface_id=interface_id)
        return ip
    call.store.put(
        Ipv6Address(
            id=call.new_id("ipv6"),
            vswitch_id=vswitch.id,
            vpc_id=vswitch.vpc_id,
            address=ip,
            name="",
            description="",
            own=False,
            interface_id=interface_id,
            resource_group_id=DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(to="Available"),
        )
    )
    return ip


def take_from(call: Call, vswitch_id: str, address: str) -> None:
    """Take an address from its ENI. An address that is not `own` is removed with its bandwidth."""
    for allocated in call.store.where(Ipv6Address, "address", f"{vswitch_id}/{address}"):
        if allocated.own:
            call.store.change(allocated, interface_id=None)
            continue
        for bandwidth in call.store.where(Ipv6Bandwidth, "address", allocated.id):
            call.store.remove(bandwidth)
        call.store.remove(allocated)


@dataclass(frozen=True, kw_only=True)
class AllocateIpv6Address:
    """Parameters of AllocateIpv6Address."""

    vswitch_id: str
    region_id: str | None = None
    ipv6_address: str | None = None
    ipv6_address_name: str = ""
    ipv6_address_description: str = ""
    address_type: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


def _allocatable(vswitch: VSwitch, text: str) -> Address:
    ip = addressing.requested_ipv6(text, "IllegalParam.IpAddress")
    block = addressing.ipv6_block(vswitch.ipv6_cidr or "")
    if ip not in block:
        raise ApiError(
            "OperationFailed.AddressNotInVSwitchCidr",
            f"{ip} is not in the vSwitch's IPv6 block {block}.",
        )
    return ip


@action(writes=True)
def allocate_ipv6_address(call: Call, request: AllocateIpv6Address) -> Answer:
    """Allocate an IPv6 address of a vSwitch. It stays allocated while it is on no ENI."""
    vswitch = vswitches.find(call, request.vswitch_id, code="ResourceNotFound.VSwitch")
    if vswitch.ipv6_cidr is None:
        raise ApiError(
            "OperationFailed.IPv6Disabled", f"The vSwitch {vswitch.id} has no IPv6 block."
        )
    if request.ipv6_address:
        ip = str(_allocatable(vswitch, request.ipv6_address))
        if call.store.any(Ipv6Address, "address", f"{vswitch.id}/{ip}"):
            raise ApiError(
                "OperationFailed.IPv6AddressAlreadyAllocated", f"The IPv6 address {ip} is in use."
            )
    else:
        ip = _free(call, vswitch)
    address = call.store.put(
        Ipv6Address(
            id=call.new_id("ipv6"),
            vswitch_id=vswitch.id,
            vpc_id=vswitch.vpc_id,
            address=ip,
            name=request.ipv6_address_name,
            description=request.ipv6_address_description,
            own=True,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(("Pending", 2.0), to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {
        "Ipv6AddressId": address.id,
        "Ipv6Address": address.address,
        "ResourceGroupId": address.resource_group_id,
    }


def _associated(call: Call, address: Ipv6Address) -> tuple[str, str]:
    """The instance if the address is on its primary ENI, else the ENI; empty without an ENI."""
    eni = call.store.find(NetworkInterface, address.interface_id)
    if eni is None:
        return "", ""
    if eni.primary and eni.instance_id:
        return eni.instance_id, "EcsInstance"
    return eni.id, "NetworkInterface"


def _network_type(call: Call, address: Ipv6Address) -> str:
    return "Public" if call.store.any(Ipv6Bandwidth, "address", address.id) else "Private"


def _address_shown(call: Call, address: Ipv6Address) -> dict[str, object]:
    instance_id, instance_type = _associated(call, address)
    bandwidths = call.store.where(Ipv6Bandwidth, "address", address.id)
    gateways = call.store.where(Ipv6Gateway, "vpc", address.vpc_id)
    shown: dict[str, object] = {
        "Ipv6AddressId": address.id,
        "Ipv6Address": address.address,
        "Ipv6AddressName": address.name,
        "Ipv6AddressDescription": address.description,
        "VSwitchId": address.vswitch_id,
        "VpcId": address.vpc_id,
        "Ipv6GatewayId": gateways[0].id if gateways else "",
        "Status": address.life.at(call.now),
        "AddressType": "IPv6Address",
        "NetworkType": _network_type(call, address),
        "AssociatedInstanceId": instance_id,
        "AssociatedInstanceType": instance_type,
        "Ipv6Isp": "BGP",
        "RealBandwidth": bandwidths[0].bandwidth if bandwidths else 0,
        "ServiceManaged": 0,
        "ResourceGroupId": address.resource_group_id,
        "AllocationTime": moment(address.created),
        "Tags": {"Tag": tags.plain(address.tags)},
    }
    if bandwidths:
        shown["Ipv6InternetBandwidth"] = {
            "Ipv6InternetBandwidthId": bandwidths[0].id,
            "Bandwidth": bandwidths[0].bandwidth,
            "InternetChargeType": bandwidths[0].internet_charge_type,
            "BusinessStatus": "Normal",
            "InstanceChargeType": "PostPaid",
            "HasReservationData": False,
        }
    return shown


_ADDRESSES: Final = Table("Ipv6Addresses", "Ipv6Address", _address_shown)


@dataclass(frozen=True, kw_only=True)
class DescribeIpv6Addresses(PageRequest):
    """Parameters of DescribeIpv6Addresses."""

    region_id: str | None = None
    ipv6_address_id: str | None = None
    ipv6_address: str | None = None
    ipv6_internet_bandwidth_id: str | None = None
    associated_instance_id: str | None = None
    associated_instance_type: str | None = None
    vswitch_id: str | None = None
    vpc_id: str | None = None
    name: str | None = None
    network_type: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_ipv6_addresses(call: Call, request: DescribeIpv6Addresses) -> Answer:
    """List IPv6 addresses by filter."""
    ids = filters.names(request.ipv6_address_id)
    addresses = [
        a
        for a in call.store.all(Ipv6Address)
        if filters.among(ids, a.id)
        and filters.equal(request.vswitch_id, a.vswitch_id)
        and filters.equal(request.vpc_id, a.vpc_id)
        and filters.equal(request.ipv6_address, a.address)
        and filters.equal(request.name, a.name)
        and filters.equal(request.network_type, _network_type(call, a))
        and filters.equal(request.resource_group_id, a.resource_group_id)
        and (
            not request.associated_instance_id
            or request.associated_instance_id in {*_associated(call, a), a.interface_id}
        )
        and (
            not request.ipv6_internet_bandwidth_id
            or any(
                b.id == request.ipv6_internet_bandwidth_id
                for b in call.store.where(Ipv6Bandwidth, "address", a.id)
            )
        )
        and tags.match(a.tags, request.tag)
    ]
    return _ADDRESSES.numbered(call, addresses, request)


_address: Final = Lookup(Ipv6Address, "IPv6 address", "ResourceNotFound.Ipv6Address")


@dataclass(frozen=True, kw_only=True)
class ModifyIpv6AddressAttribute:
    """Parameters of ModifyIpv6AddressAttribute."""

    ipv6_address_id: str
    region_id: str | None = None
    name: str | None = None
    description: str | None = None


@action(writes=True)
def modify_ipv6_address_attribute(call: Call, request: ModifyIpv6AddressAttribute) -> Answer:
    """Rename an IPv6 address."""
    address = _address(
        call, request.ipv6_address_id, code="InvalidIpv6AddressId.NotFound", status=400
    )
    call.store.change(address, **requested(name=request.name, description=request.description))
    return {}


@dataclass(frozen=True, kw_only=True)
class ReleaseIpv6Address:
    """Parameters of ReleaseIpv6Address."""

    ipv6_address_id: str
    region_id: str | None = None


@action(writes=True)
def release_ipv6_address(call: Call, request: ReleaseIpv6Address) -> Answer:
    """Release an IPv6 address that is not on an ENI and has no public bandwidth."""
    address = _address(call, request.ipv6_address_id, code="ResourceNotFound.Ipv6InstanceId")
    if address.interface_id is not None:
        raise ApiError(
            "OperationFailed.AssociationExist", f"The IPv6 address {address.address} is in use."
        )
    if call.store.any(Ipv6Bandwidth, "address", address.id):
        raise ApiError(
            "DependencyViolation.Ipv6InternetBandwidth",
            f"The IPv6 address {address.address} has public bandwidth.",
        )
    call.store.remove(address)
    return {}


@dataclass(frozen=True, kw_only=True)
class AllocateIpv6InternetBandwidth:
    """Parameters of AllocateIpv6InternetBandwidth."""

    ipv6_gateway_id: str
    ipv6_address_id: str
    bandwidth: int
    region_id: str | None = None
    internet_charge_type: str = "PayByBandwidth"


def _check_bandwidth(bandwidth: int, charge_type: str) -> None:
    if charge_type not in _MOST_BANDWIDTH:
        raise ApiError(
            "IllegalParam.InternetChargeType",
            f"InternetChargeType {charge_type[:40]!r} must be one of {', '.join(_MOST_BANDWIDTH)}.",
        )
    if not 1 <= bandwidth <= _MOST_BANDWIDTH[charge_type]:
        raise ApiError(
            "IllegalParam.Bandwidth",
            f"Bandwidth {bandwidth} must be 1 to {_MOST_BANDWIDTH[charge_type]} Mbit/s.",
        )


@action(writes=True)
def allocate_ipv6_internet_bandwidth(call: Call, request: AllocateIpv6InternetBandwidth) -> Answer:
    """Give an IPv6 address public bandwidth through its VPC's gateway."""
    gateway = ipv6_gateways.find(
        call, request.ipv6_gateway_id, code="OperationFailed.Ipv6GatewayNotExist", status=400
    )
    address = _address(call, request.ipv6_address_id)
    _check_bandwidth(request.bandwidth, request.internet_charge_type)
    statuses.require(call, gateway, "Available", code="IncorrectStatus.Ipv6Instance")
    if gateway.vpc_id != address.vpc_id:
        raise ApiError(
            "OperationFailed.Ipv6GatewayDisMatchIpv6Address",
            f"{gateway.id} is not in the VPC of {address.address}.",
        )
    if call.store.any(Ipv6Bandwidth, "address", address.id):
        raise ApiError(
            "OperationFailed.InternetBandwidthAlreadyExisted",
            f"{address.address} already has bandwidth.",
        )
    bandwidth = call.store.put(
        Ipv6Bandwidth(
            id=call.new_id("ipv6bw"),
            gateway_id=gateway.id,
            address_id=address.id,
            bandwidth=request.bandwidth,
            internet_charge_type=request.internet_charge_type,
            created=call.now,
        )
    )
    return {"InternetBandwidthId": bandwidth.id, "Ipv6AddressId": address.id}


_bandwidth: Final = Lookup(Ipv6Bandwidth, "IPv6 bandwidth", "InvalidIpv6Instance.NotFound", 400)


@dataclass(frozen=True, kw_only=True)
class ModifyIpv6InternetBandwidth:
    """Parameters of ModifyIpv6InternetBandwidth."""

    bandwidth: int
    ipv6_internet_bandwidth_id: str | None = None
    ipv6_address_id: str | None = None
    region_id: str | None = None


def _named_bandwidth(
    call: Call, request: ModifyIpv6InternetBandwidth | DeleteIpv6InternetBandwidth
) -> Ipv6Bandwidth:
    """The bandwidth that a request names by its own id or by that of its address.

    The provider sends both ids (v1.285.0, resource_alicloud_vpc_ipv6_internet_bandwidth.go).
    """
    if request.ipv6_internet_bandwidth_id:
        return _bandwidth(call, request.ipv6_internet_bandwidth_id)
    of_address = call.store.where(Ipv6Bandwidth, "address", request.ipv6_address_id or "")
    return of_address[0] if of_address else _bandwidth(call, request.ipv6_address_id)


@action(writes=True)
def modify_ipv6_internet_bandwidth(call: Call, request: ModifyIpv6InternetBandwidth) -> Answer:
    """Change public bandwidth."""
    if not (request.ipv6_internet_bandwidth_id or request.ipv6_address_id):
        raise ApiError(
            "MissingParam.Ipv6InstanceId", "Ipv6InternetBandwidthId or Ipv6AddressId must be set."
        )
    bandwidth = _named_bandwidth(call, request)
    _check_bandwidth(request.bandwidth, bandwidth.internet_charge_type)
    call.store.change(bandwidth, bandwidth=request.bandwidth)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteIpv6InternetBandwidth:
    """Parameters of DeleteIpv6InternetBandwidth."""

    ipv6_internet_bandwidth_id: str | None = None
    ipv6_address_id: str | None = None
    region_id: str | None = None


@action(writes=True)
def delete_ipv6_internet_bandwidth(call: Call, request: DeleteIpv6InternetBandwidth) -> Answer:
    """Remove public bandwidth from an IPv6 address."""
    if not (request.ipv6_internet_bandwidth_id or request.ipv6_address_id):
        raise ApiError(
            "BothEmptyParam.Ipv6AddressIdAndIpv6InternetBandwidthId",
            "Either Ipv6AddressId or Ipv6InternetBandwidthId must be set.",
        )
    call.store.remove(_named_bandwidth(call, request))
    return {}
