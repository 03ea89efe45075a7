"""Elastic IP addresses, from the cloud's EIP range."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Final

from localcloud.products import choices, filters, resource_groups, statuses, texts
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.slb.entities import LoadBalancer
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid, missing
from localcloud.wire.parameters import wire

from . import nat_gateways
from .entities import DEFAULT_RESOURCE_GROUP, Eip, Ipv4Gateway, NatGateway, SnatEntry
from .tagging import TAG_CODES

ECS_INSTANCE: Final = "EcsInstance"
NAT: Final = "Nat"
SLB_INSTANCE: Final = "SlbInstance"
# The reference has this spelling.
_NO_INSTANCE: Final = "InvalidInstanId.NotFound"
NETWORK_INTERFACE: Final = "NetworkInterface"
IP_ADDRESS: Final = "IpAddress"
_TARGETS: Final = (ECS_INSTANCE, NAT, SLB_INSTANCE, NETWORK_INTERFACE, IP_ADDRESS)
_BY_TRAFFIC: Final = "PayByTraffic"
_BY_BANDWIDTH: Final = "PayByBandwidth"
_PREPAID: Final = "PrePaid"
_POSTPAID: Final = "PostPaid"
_MOST_BANDWIDTH: Final = MappingProxyType(
    {
        (_POSTPAID, _BY_BANDWIDTH): 500,
        (_POSTPAID, _BY_TRAFFIC): 200,
        (_PREPAID, _BY_BANDWIDTH): 1000,
    }
)
"""Mbit/s, by how the EIP and its traffic are paid (page AllocateEipAddress, 2025-12)."""
_MOST_OF_SERVICE: Final = 1000
_MOST_EIPS: Final = 20
_LINES: Final = (
    "BGP",
    "BGP_PRO",
    "ChinaTelecom",
    "ChinaUnicom",
    "ChinaMobile",
    "ChinaTelecom_L2",
    "ChinaUnicom_L2",
    "ChinaMobile_L2",
    "BGP_FinanceCloud",
    "BGP_International",
)
"""Line types on the page AllocateEipAddress and in the provider 1.285.0."""
_MOST_ON_NAT: Final = MappingProxyType({"MULTI_BINDED": 20, "NAT": 50})


@dataclass(frozen=True, kw_only=True)
class AllocateEipAddress:
    """Parameters of AllocateEipAddress."""

    region_id: str | None = None
    bandwidth: str = "5"
    name: str = ""
    description: str = ""
    isp: str = wire("ISP", default="BGP")
    netmode: str = "public"
    internet_charge_type: str = "PayByBandwidth"
    instance_charge_type: str = "PostPaid"
    resource_group_id: str = ""
    zone: str = ""
    instance_id: str | None = None
    ip_address: str | None = None
    activity_id: str | None = None
    auto_pay: bool | None = None
    period: int | None = None
    pricing_cycle: str | None = None
    public_ip_address_pool_id: str | None = None
    security_protection_types: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()


find: Final = Lookup(Eip, "EIP", "InvalidAllocationId.NotFound")


def free_address(call: Call) -> str:
    """The lowest free address of the EIP range, excluding its first and last address."""
    taken = {load_balancer.address for load_balancer in call.store.all(LoadBalancer)}
    network = call.cloud.eip_range
    first = int(network.network_address)
    for offset in range(1, network.num_addresses - 1):
        ip = str(IPv4Address(first + offset))
        if ip not in taken and not _is_in_use(call, ip):
            return ip
    raise ApiError("OperationFailed.InsufficientEIP", f"The EIP range {network} is used up.")


def _is_in_use(call: Call, ip: str) -> bool:
    """Whether an address is an EIP or the static public address of an instance."""
    return call.store.any(Eip, "ip", ip) or call.store.any(Instance, "public_ip", ip)


def _checked_bandwidth(text: str, charge: str, traffic: str) -> int:
    """The bandwidth in Mbit/s, if the way of paying allows it."""
    most = _MOST_BANDWIDTH[charge, traffic]
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise invalid(
            "Bandwidth", text, f"with {charge} and {traffic} it must be from 1 to {most} Mbit/s"
        )
    return int(text)


@action(writes=True)
def allocate_eip_address(call: Call, request: AllocateEipAddress) -> Answer:
    """Allocate an EIP from the cloud's range: a free one or the one that the request names."""
    resource_groups.require_of_vpc(request.resource_group_id)
    charge = request.instance_charge_type or _POSTPAID
    traffic = request.internet_charge_type or _BY_BANDWIDTH
    if (charge, traffic) not in _MOST_BANDWIDTH:
        raise invalid(
            "InternetChargeType",
            traffic,
            "a subscription is paid by bandwidth only: write PayByBandwidth",
        )
    bandwidth = _checked_bandwidth(request.bandwidth, charge, traffic)
    texts.check(request.name, "InvalidName.Malformed", letter_first=True)
    texts.check(request.description, "InvalidDescription.Malformed", texts.LONGER_DESCRIPTION)
    choices.require("ISP", request.isp, *_LINES)
    choices.require("Netmode", request.netmode, "public")
    if sum(not eip.service_managed for eip in call.store.all(Eip)) >= _MOST_EIPS:
        raise ApiError("QuotaExceeded.Eip", f"The account has {_MOST_EIPS} EIPs in the region.")
    if request.ip_address:
        try:
            inside = IPv4Address(request.ip_address) in call.cloud.eip_range
        except ValueError:
            inside = False
        if not inside or _is_in_use(call, request.ip_address):
            raise ApiError(
                "ResourceNotFound.Ip",
                f"{request.ip_address} cannot be allocated: it is in use or "
                f"outside of {call.cloud.eip_range}.",
            )
    eip = call.store.put(
        Eip(
            id=call.new_id("eip"),
            ip=request.ip_address or free_address(call),
            name=request.name,
            description=request.description,
            bandwidth=bandwidth,
            isp=request.isp or "BGP",
            netmode=request.netmode or "public",
            internet_charge_type=traffic,
            charge_type=charge,
            zone=request.zone,
            security_protection=request.security_protection_types,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {
        "AllocationId": eip.id,
        "EipAddress": eip.ip,
        "ResourceGroupId": eip.resource_group_id,
    }


def _shown(call: Call, eip: Eip) -> dict[str, object]:
    return {
        "AllocationId": eip.id,
        "IpAddress": eip.ip,
        "Name": eip.name,
        "Description": eip.description,
        "Status": eip.life.at(call.now),
        "BusinessStatus": "Normal",
        "Bandwidth": str(eip.bandwidth),
        "EipBandwidth": str(eip.bandwidth),
        "BandwidthPackageId": "",
        "BandwidthPackageBandwidth": "",
        "BandwidthPackageType": "",
        "InternetChargeType": eip.internet_charge_type,
        "ChargeType": eip.charge_type,
        "InstanceId": eip.instance_id or "",
        "InstanceType": eip.instance_type or "",
        "InstanceRegionId": call.cloud.region if eip.instance_id else "",
        "PrivateIpAddress": eip.private_ip,
        "Mode": eip.mode,
        "VpcId": eip.vpc_id,
        "ISP": eip.isp,
        "Netmode": eip.netmode,
        "Zone": eip.zone,
        "DeletionProtection": eip.deletion_protection,
        "HDMonitorStatus": "ON" if eip.monitor_log else "OFF",
        "SecondLimited": False,
        "SegmentInstanceId": "",
        "ServiceManaged": int(eip.service_managed),
        "PublicIpAddressPoolId": "",
        "SecurityProtectionTypes": {"SecurityProtectionType": list(eip.security_protection)},
        "OperationLocks": {"LockReason": []},
        "HasReservationData": "false",
        "ResourceGroupId": eip.resource_group_id,
        "RegionId": call.cloud.region,
        "AllocationTime": moment(eip.created),
        "ExpiredTime": "",
        "Tags": tags.vpc(eip.tags),
    }


_TABLE: Final = Table("EipAddresses", "EipAddress", _shown)


@dataclass(frozen=True, kw_only=True)
class DescribeEipAddresses(PageRequest):
    """Parameters of DescribeEipAddresses."""

    region_id: str | None = None
    allocation_id: str | None = None
    eip_address: str | None = None
    eip_name: str | None = None
    status: str | None = None
    associated_instance_id: str | None = None
    associated_instance_type: str | None = None
    charge_type: str | None = None
    isp: str | None = wire("ISP", default=None)
    resource_group_id: str | None = None
    lock_reason: str | None = None
    segment_instance_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_eip_addresses(call: Call, request: DescribeEipAddresses) -> Answer:
    """List EIPs by filter. Ids and addresses may be several, separated by commas."""
    ids = filters.names(request.allocation_id)
    ips = filters.names(request.eip_address)
    eips = [
        e
        for e in call.store.all(Eip)
        if filters.among(ids, e.id)
        and filters.among(ips, e.ip)
        and filters.equal(request.eip_name, e.name)
        and filters.equal(request.status, e.life.at(call.now))
        and filters.equal(request.associated_instance_id, e.instance_id)
        and filters.equal(request.associated_instance_type, e.instance_type)
        and filters.equal(request.charge_type, e.charge_type)
        and filters.equal(request.isp, e.isp)
        and filters.equal(request.resource_group_id, e.resource_group_id)
        and tags.match(e.tags, request.tag)
    ]
    return _TABLE.numbered(call, eips, request)


@dataclass(frozen=True, kw_only=True)
class AssociateEipAddress:
    """Parameters of AssociateEipAddress."""

    allocation_id: str
    instance_id: str
    instance_type: str | None = None
    region_id: str | None = None
    instance_region_id: str | None = None
    private_ip_address: str | None = None
    mode: str | None = None
    vpc_id: str | None = None


def _check_nat(call: Call, nat_id: str) -> None:
    nat = nat_gateways.find(call, nat_id, code=_NO_INSTANCE)
    if nat.network_type == "intranet":
        raise ApiError("Forbidden.EipCanNotBindGatgw", "A VPC NAT gateway has no public side.")
    statuses.require(call, nat, "Available", code="IncorrectStatus.NatGateway")
    most = _MOST_ON_NAT[nat.eip_bind_mode]
    if call.store.size(Eip, "instance", nat.id) >= most:
        raise ApiError("QuotaExceeded.NumberOfEip", f"{nat.id} has {most} EIPs.")


def _check_target(call: Call, kind: str, instance_id: str) -> None:
    """Raise if an EIP cannot be bound to the target."""
    if kind == NAT:
        _check_nat(call, instance_id)
        return
    if kind == SLB_INSTANCE:
        load_balancer = call.store.find(LoadBalancer, instance_id)
        if load_balancer is None:
            raise _no_instance(instance_id)
        if load_balancer.address_type != "intranet":
            raise ApiError(
                "EIP_CAN_NOT_ASSOCIATE_WITH_PUBLIC_IP", "Only an intranet CLB can have an EIP."
            )
        return
    if kind == NETWORK_INTERFACE:
        if call.store.find(NetworkInterface, instance_id) is None:
            raise _no_instance(instance_id)
        return
    instance = call.store.find(Instance, instance_id)
    if instance is None:
        raise _no_instance(instance_id)
    if instance.public_ip:
        raise ApiError(
            "EIP_CAN_NOT_ASSOCIATE_WITH_PUBLIC_IP",
            f"{instance.id} has the static public address {instance.public_ip}.",
        )
    statuses.require(call, instance, "Running", "Stopped", code="IncorrectInstanceStatus")


def _check_address(call: Call, request: AssociateEipAddress) -> None:
    """Raise for a bare address whose VPC has no active IPv4 gateway (error table)."""
    if not request.vpc_id:
        raise missing("VpcId")
    try:
        IPv4Address(request.instance_id)
    except ValueError:
        raise invalid("InstanceId", request.instance_id, "it must be an IPv4 address") from None
    gateway = next(iter(call.store.where(Ipv4Gateway, "vpc", request.vpc_id)), None)
    if gateway is None:
        raise ApiError(
            "OperationFailed.Ipv4GatewayNotOpenedInVpc",
            f"The VPC {request.vpc_id[:80]!r} has no IPv4 gateway.",
        )
    if not gateway.enabled:
        raise ApiError(
            "OperationFailed.Ipv4GatewayNotActivatedInVpc", f"{gateway.id} is not active."
        )
    if any(
        e.vpc_id == request.vpc_id for e in call.store.where(Eip, "instance", request.instance_id)
    ):
        raise ApiError(
            "ResourceAlreadyAssociated.IpAddress", f"{request.instance_id} already has an EIP."
        )


def _no_instance(instance_id: str) -> ApiError:
    return ApiError(_NO_INSTANCE, f"Specified instance {instance_id[:80]!r} does not exist.", 404)


def _requested_address(call: Call, kind: str, request: AssociateEipAddress) -> str:
    """The address of an ENI that the request names; empty if it leaves the choice to the cloud.

    DescribeEipAddresses shows an address only if the request names one: the provider's acceptance
    tests of alicloud_eip_association import an association without an address and see none
    (v1.285.0).
    """
    address = request.private_ip_address or ""
    if kind != NETWORK_INTERFACE or not address:
        return ""
    eni = call.store.find(NetworkInterface, request.instance_id)
    if eni is None or address not in {eni.address, *eni.secondary}:
        raise ApiError(
            "OperationFailed.PrivateIpAddressNotExist",
            f"{address[:60]!r} is not an address of {request.instance_id}.",
        )
    return address


@action(writes=True)
def associate_eip_address(call: Call, request: AssociateEipAddress) -> Answer:
    """Bind an EIP to an instance, NAT gateway, CLB or secondary ENI."""
    eip = find(call, request.allocation_id)
    statuses.require(call, eip, "Available", code="IncorrectEipStatus")
    kind = request.instance_type or ECS_INSTANCE
    if kind not in _TARGETS:
        raise ApiError(
            "InvalidInstanceType.ValueNotSupported",
            f"InstanceType {kind[:40]!r} is not one of {', '.join(_TARGETS)}.",
        )
    if kind == IP_ADDRESS:
        _check_address(call, request)
    else:
        _check_target(call, kind, request.instance_id)
    if kind not in {NAT, IP_ADDRESS} and call.store.any(Eip, "instance", request.instance_id):
        raise ApiError(
            "InvalidAssociation.Duplicated", f"{request.instance_id} already has an EIP."
        )
    bind(
        call,
        eip,
        instance_id=request.instance_id,
        kind=kind,
        private_ip=_requested_address(call, kind, request),
        mode=request.mode or "",
        # Only a request for a bare address (IPv4 gateway) names a VPC and shows it afterwards.
        vpc_id=request.vpc_id or "",
    )
    return {}


def bind(  # noqa: PLR0913  # what DescribeEipAddresses shows of a binding
    call: Call,
    eip: Eip,
    *,
    instance_id: str,
    kind: str,
    private_ip: str,
    mode: str = "",
    vpc_id: str = "",
) -> None:
    """Bind a free EIP to a target that has been checked."""
    call.store.change(
        eip,
        instance_id=instance_id,
        instance_type=kind,
        vpc_id=vpc_id,
        private_ip=private_ip,
        mode=mode or ("NAT" if kind in {ECS_INSTANCE, NETWORK_INTERFACE} else ""),
        life=call.passing(("Associating", 3.0), to="InUse"),
    )


def allocate_for_service(call: Call) -> Eip:
    """Allocate an EIP for a service, which also releases it."""
    return call.store.put(
        Eip(
            id=call.new_id("eip"),
            ip=free_address(call),
            name="",
            description="",
            bandwidth=_MOST_OF_SERVICE,
            isp="BGP",
            netmode="public",
            internet_charge_type="PayByTraffic",
            charge_type="PostPaid",
            service_managed=True,
            resource_group_id=DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(to="Available"),
        )
    )


@dataclass(frozen=True, kw_only=True)
class UnassociateEipAddress:
    """Parameters of UnassociateEipAddress."""

    allocation_id: str
    instance_id: str | None = None
    instance_type: str | None = None
    region_id: str | None = None
    private_ip_address: str | None = None
    force: bool = False


@action(writes=True)
def unassociate_eip_address(call: Call, request: UnassociateEipAddress) -> Answer:
    """Unbind an EIP that is not used by a SNAT entry."""
    eip = find(call, request.allocation_id)
    if eip.service_managed:
        raise ApiError("OperationDenied", f"The EIP {eip.id} is managed by a cloud service.")
    if eip.instance_id is None:
        raise ApiError("IncorrectEipStatus", f"The EIP {eip.id} is bound to nothing.")
    if request.instance_id and request.instance_id != eip.instance_id:
        raise ApiError(
            "InvalidBindInstance.NotFound",
            f"The EIP {eip.id} is not bound to {request.instance_id[:80]!r}.",
            404,
        )
    statuses.require(call, eip, "InUse", code="IncorrectEipStatus")
    if call.store.any(SnatEntry, "ip", eip.ip) and eip.instance_type == NAT:
        if not request.force:
            raise ApiError(
                "InvalidIpStatus.HasBeenUsedBySnatTable",
                f"The EIP {eip.ip} is used by a SNAT entry.",
            )
        for entry in call.store.where(SnatEntry, "ip", eip.ip):
            call.store.remove(entry)
    release_binding(call, eip)
    return {}


def release_binding(call: Call, eip: Eip) -> None:
    """Unbind an EIP from any kind of target."""
    call.store.change(
        eip,
        instance_id=None,
        instance_type=None,
        vpc_id="",
        private_ip="",
        mode="",
        life=call.passing(("Unassociating", 2.0), to="Available"),
    )


@dataclass(frozen=True, kw_only=True)
class ModifyEipAddressAttribute:
    """Parameters of ModifyEipAddressAttribute."""

    allocation_id: str
    region_id: str | None = None
    bandwidth: str | None = None
    name: str | None = None
    description: str | None = None


@action(writes=True)
def modify_eip_address_attribute(call: Call, request: ModifyEipAddressAttribute) -> Answer:
    """Change the bandwidth, name or description of an EIP."""
    eip = find(call, request.allocation_id)
    texts.check(request.name, "InvalidEipAddressName.Malformed")
    texts.check(request.description, "InvalidDescription.Malformed", texts.LONGER_DESCRIPTION)
    bandwidth = eip.bandwidth
    if request.bandwidth:
        if eip.charge_type == _PREPAID:
            raise ApiError(
                "Forbidden.ChargeTypeIsPrepaid", f"{eip.id} is a subscription: order another size."
            )
        bandwidth = _checked_bandwidth(request.bandwidth, eip.charge_type, eip.internet_charge_type)
    call.store.change(
        eip,
        bandwidth=bandwidth,
        **requested(name=request.name, description=request.description),
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyEipForwardMode:
    """Parameters of ModifyEipForwardMode."""

    instance_id: str
    mode: str
    region_id: str | None = None


@action(writes=True)
def modify_eip_forward_mode(call: Call, request: ModifyEipForwardMode) -> Answer:
    """Set whether the guest sees the EIP of its ENI.

    The mode NAT hides the EIP; MULTI_BINDED and BINDED show it. "eip can only change mode when it
    is allocated or bind eni" (error table of the action). An unbound EIP can therefore change its
    mode, and an EIP on an instance or NAT gateway cannot.
    """
    eip = find(call, request.instance_id, code="Instance.NotFound")
    if eip.instance_type not in {None, NETWORK_INTERFACE}:
        raise ApiError("BindInstance.NotSupport", f"The EIP {eip.id} is not on a secondary ENI.")
    if request.mode not in {"NAT", "MULTI_BINDED", "BINDED"}:
        raise ApiError(
            "Instance.ModeError", f"Mode {request.mode[:40]!r} must be NAT, MULTI_BINDED or BINDED."
        )
    call.store.change(eip, mode=request.mode)
    return {}


@dataclass(frozen=True, kw_only=True)
class ReleaseEipAddress:
    """Parameters of ReleaseEipAddress."""

    allocation_id: str
    region_id: str | None = None


@action(writes=True)
def release_eip_address(call: Call, request: ReleaseEipAddress) -> Answer:
    """Release an unbound EIP."""
    eip = find(call, request.allocation_id)
    if eip.deletion_protection:
        raise ApiError("InvalidOperation.DeletionProtection", f"The EIP {eip.id} is protected.")
    if eip.charge_type == _PREPAID:
        raise ApiError(
            "Forbidden.ChargeTypeIsPrepaid", f"{eip.id} is a subscription and cannot be released."
        )
    statuses.require(call, eip, "Available", code="IncorrectEipStatus")
    call.store.remove(eip)
    return {}


def nat_of(call: Call, eip: Eip) -> NatGateway | None:
    """The NAT gateway that an EIP is bound to; None for any other target."""
    return call.store.find(NatGateway, eip.instance_id)
