"""Elastic IP addresses, from the cloud's EIP range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from localcloud import paging, tags
from localcloud.actions import Answer, Call, action, moment
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.slb.entities import LoadBalancer
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from . import nat_gateways
from .entities import DEFAULT_RESOURCE_GROUP, Eip, NatGateway, SnatEntry

ECS_INSTANCE: Final = "EcsInstance"
NAT: Final = "Nat"
SLB_INSTANCE: Final = "SlbInstance"
NETWORK_INTERFACE: Final = "NetworkInterface"
_MOST_BANDWIDTH: Final = 1000


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


def find(call: Call, allocation_id: str) -> Eip:
    """The EIP, or the API's error."""
    eip = call.store.find(Eip, allocation_id)
    if eip is None:
        raise ApiError(
            "InvalidAllocationId.NotFound", f"Specified EIP {allocation_id!r} does not exist.", 404
        )
    return eip


def free_address(call: Call) -> str:
    """The lowest address of the EIP range that nothing has: not the first, not the last."""
    held = {load_balancer.address for load_balancer in call.store.all(LoadBalancer)}
    network = call.cloud.eip_range
    first = int(network.network_address)
    for offset in range(1, network.num_addresses - 1):
        ip = str(IPv4Address(first + offset))
        if ip not in held and not call.store.any(Eip, "ip", ip):
            return ip
    raise ApiError("InsufficientEip", f"The EIP range {network} is used up.")


@action(writes=True)
def allocate_eip_address(call: Call, request: AllocateEipAddress) -> Answer:
    """An EIP of the cloud's range, or a given one of it."""
    if not request.bandwidth.isdigit() or not 1 <= int(request.bandwidth) <= _MOST_BANDWIDTH:
        raise ApiError(
            "InvalidBandwidth.Malformed", f"Bandwidth {request.bandwidth!r} must be 1 to 1000."
        )
    if request.ip_address:
        try:
            inside = IPv4Address(request.ip_address) in call.cloud.eip_range
        except ValueError:
            inside = False
        if not inside or call.store.any(Eip, "ip", request.ip_address):
            raise ApiError(
                "InvalidIpAddress.Unavailable", f"{request.ip_address} cannot be allocated."
            )
    eip = call.store.put(
        Eip(
            id=call.new_id("eip"),
            ip=request.ip_address or free_address(call),
            name=request.name,
            description=request.description,
            bandwidth=int(request.bandwidth),
            isp=request.isp or "BGP",
            netmode=request.netmode or "public",
            internet_charge_type=request.internet_charge_type or "PayByBandwidth",
            charge_type=request.instance_charge_type or "PostPaid",
            zone=request.zone,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(to="Available"),
            tags=tags.given(request.tag),
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
        "HDMonitorStatus": "OFF",
        "SecondLimited": False,
        "SegmentInstanceId": "",
        "ServiceManaged": int(eip.service_managed),
        "PublicIpAddressPoolId": "",
        "SecurityProtectionTypes": {"SecurityProtectionType": []},
        "OperationLocks": {"LockReason": []},
        "HasReservationData": "false",
        "ResourceGroupId": eip.resource_group_id,
        "RegionId": call.cloud.region,
        "AllocationTime": moment(eip.created),
        "ExpiredTime": "",
        "Tags": tags.vpc(eip.tags),
    }


@dataclass(frozen=True, kw_only=True)
class DescribeEipAddresses:
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
    page_number: int | None = None
    page_size: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_eip_addresses(call: Call, request: DescribeEipAddresses) -> Answer:
    """EIPs by filter; ids and addresses may be several, separated by commas."""
    ids = set(request.allocation_id.split(",")) if request.allocation_id else None
    ips = set(request.eip_address.split(",")) if request.eip_address else None
    found = [
        e
        for e in call.store.all(Eip)
        if (ids is None or e.id in ids)
        and (ips is None or e.ip in ips)
        and (not request.eip_name or e.name == request.eip_name)
        and (not request.status or e.life.at(call.now) == request.status)
        and (not request.associated_instance_id or e.instance_id == request.associated_instance_id)
        and (
            not request.associated_instance_type
            or e.instance_type == request.associated_instance_type
        )
        and tags.match(e.tags, request.tag)
    ]
    return paging.numbered("EipAddresses", "EipAddress", found, request, partial(_shown, call))


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


def _target(call: Call, kind: str, instance_id: str) -> tuple[str, str]:
    """The VPC and the private address that an EIP is bound to."""
    if kind == NAT:
        nat = nat_gateways.find(call, instance_id, code="InvalidInstanceId.NotFound")
        if nat.network_type == "intranet":
            raise ApiError(
                "OperationUnsupported.NatGateway", "A VPC NAT gateway has no public side."
            )
        return nat.vpc_id, nat.private_address
    if kind == SLB_INSTANCE:
        load_balancer = call.store.find(LoadBalancer, instance_id)
        if load_balancer is None:
            raise _no_instance(instance_id)
        if load_balancer.address_type != "intranet":
            raise ApiError(
                "OperationUnsupported.SlbInstance", "Only an intranet CLB can have an EIP."
            )
        return load_balancer.vpc_id, load_balancer.address
    if kind == NETWORK_INTERFACE:
        eni = call.store.find(NetworkInterface, instance_id)
        if eni is None:
            raise _no_instance(instance_id)
        return eni.vpc_id, eni.address
    instance = call.store.find(Instance, instance_id)
    if instance is None:
        raise _no_instance(instance_id)
    if instance.status(call.now) not in {"Running", "Stopped"}:
        raise ApiError(
            "IncorrectInstanceStatus",
            f"The instance {instance.id} is {instance.status(call.now)}; "
            "an EIP can be bound when it is Running or Stopped.",
        )
    primary = next(
        e for e in call.store.where(NetworkInterface, "instance", instance.id) if e.primary
    )
    return primary.vpc_id, primary.address


def _no_instance(instance_id: str) -> ApiError:
    return ApiError(
        "InvalidInstanceId.NotFound", f"Specified instance {instance_id!r} does not exist.", 404
    )


@action(writes=True)
def associate_eip_address(call: Call, request: AssociateEipAddress) -> Answer:
    """Bind an EIP to an instance, NAT gateway, CLB or secondary ENI."""
    eip = find(call, request.allocation_id)
    if eip.life.at(call.now) != "Available":
        raise ApiError("IncorrectEipStatus", f"The EIP {eip.id} is {eip.life.at(call.now)}.")
    kind = request.instance_type or ECS_INSTANCE
    if kind not in {ECS_INSTANCE, NAT, SLB_INSTANCE, NETWORK_INTERFACE}:
        raise ApiError("InvalidInstanceType.NotSupport", f"InstanceType {kind!r} is not known.")
    _, private_ip = _target(call, kind, request.instance_id)
    if kind != NAT and call.store.any(Eip, "instance", request.instance_id):
        raise ApiError(
            "InvalidInstance.AlreadyHasEip", f"{request.instance_id} already has an EIP."
        )
    bind(
        call,
        eip,
        instance_id=request.instance_id,
        kind=kind,
        private_ip=private_ip,
        mode=request.mode or "",
        # Only a request for a bare address (IPv4 gateway) names a VPC, and only then is it shown.
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
    """Bind an EIP that is free, to what has been checked."""
    call.store.change(
        eip,
        instance_id=instance_id,
        instance_type=kind,
        vpc_id=vpc_id,
        private_ip=private_ip if kind == NETWORK_INTERFACE else "",
        mode=mode or ("NAT" if kind in {ECS_INSTANCE, NETWORK_INTERFACE} else ""),
        life=call.passing(("Associating", 3.0), to="InUse"),
    )


def allocate_for_service(call: Call) -> Eip:
    """An EIP that a service allocates for itself, and releases itself."""
    return call.store.put(
        Eip(
            id=call.new_id("eip"),
            ip=free_address(call),
            name="",
            description="",
            bandwidth=_MOST_BANDWIDTH,
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
    """Unbind an EIP that no SNAT entry uses."""
    eip = find(call, request.allocation_id)
    if eip.service_managed:
        raise ApiError(
            "OperationDenied.ServiceManaged", f"The EIP {eip.id} is managed by a cloud service."
        )
    if eip.instance_id is None or (request.instance_id or eip.instance_id) != eip.instance_id:
        raise ApiError(
            "InvalidAssociation.NotFound",
            f"The EIP {eip.id} is not bound to {request.instance_id!r}.",
            404,
        )
    if eip.life.at(call.now) not in {"InUse", "Associating"}:
        raise ApiError("IncorrectEipStatus", f"The EIP {eip.id} is {eip.life.at(call.now)}.")
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
    """Unbind an EIP, whatever it was bound to."""
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
    """Change bandwidth, name or description."""
    eip = find(call, request.allocation_id)
    bandwidth = eip.bandwidth
    if request.bandwidth:
        if not request.bandwidth.isdigit() or not 1 <= int(request.bandwidth) <= _MOST_BANDWIDTH:
            raise ApiError("InvalidBandwidth.Malformed", "Bandwidth must be 1 to 1000.")
        bandwidth = int(request.bandwidth)
    call.store.change(
        eip,
        bandwidth=bandwidth,
        name=eip.name if request.name is None else request.name,
        description=eip.description if request.description is None else request.description,
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
    """How an ENI sees its EIP: not at all (NAT), or as its own (MULTI_BINDED, BINDED)."""
    eip = find(call, request.instance_id)
    if eip.instance_type != NETWORK_INTERFACE:
        raise ApiError(
            "OperationUnsupported.InstanceType", f"The EIP {eip.id} is not on a secondary ENI."
        )
    if request.mode not in {"NAT", "MULTI_BINDED", "BINDED"}:
        raise ApiError("InvalidParameter.Mode", f"Mode {request.mode[:40]!r} is not known.")
    call.store.change(eip, mode=request.mode)
    return {}


@dataclass(frozen=True, kw_only=True)
class ReleaseEipAddress:
    """Parameters of ReleaseEipAddress."""

    allocation_id: str
    region_id: str | None = None


@action(writes=True)
def release_eip_address(call: Call, request: ReleaseEipAddress) -> Answer:
    """Give an unbound EIP back."""
    eip = find(call, request.allocation_id)
    if eip.deletion_protection:
        raise ApiError("OperationFailed.DeletionProtection", f"The EIP {eip.id} is protected.")
    if eip.life.at(call.now) != "Available":
        raise ApiError(
            "IncorrectEipStatus", f"The EIP {eip.id} is {eip.life.at(call.now)}; unbind it first."
        )
    call.store.remove(eip)
    return {}


@dataclass(frozen=True, kw_only=True)
class DescribeHighDefinitionMonitorLogAttribute:
    """Parameters of DescribeHighDefinitionMonitorLogAttribute."""

    instance_id: str
    region_id: str | None = None
    instance_type: str | None = None


@action()
def describe_high_definition_monitor_log_attribute(
    call: Call, request: DescribeHighDefinitionMonitorLogAttribute
) -> Answer:
    """Where an EIP's fine-grained monitoring goes: nowhere, it is off."""
    eip = find(call, request.instance_id)
    return {
        "InstanceId": eip.id,
        "InstanceType": "EIP",
        "LogProject": "",
        "LogStore": "",
        "Success": "true",
    }


def nat_of(call: Call, eip: Eip) -> NatGateway | None:
    """The NAT gateway that an EIP is bound to, if it is one."""
    return call.store.find(NatGateway, eip.instance_id)
