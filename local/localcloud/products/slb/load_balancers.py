"""CLB instances: https://help.aliyun.com/document_detail/27577.html."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from localcloud.products import choices
from localcloud.products.lookup import Lookup
from localcloud.products.vpc import claims, eips, vswitches
from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP, Eip
from localcloud.requests import hostility, paging, tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from .entities import LoadBalancer, Server, VServerGroup, drop_listener_parts
from .tagging import TAG_CODES

_MOST_BALANCERS: Final = 60
_BANDWIDTHS: Final = range(1, 5121)
_SPECS: Final = frozenset(
    {
        "slb.s1.small",
        "slb.s2.small",
        "slb.s2.medium",
        "slb.s3.small",
        "slb.s3.medium",
        "slb.s3.large",
        "slb.s4.large",
        "slb.lcu.elastic",
    }
)
_NEVER: Final = "2999-09-08T16:00:00Z"
_NEVER_MILLIS: Final = 32493801600000


def slb_moment(at: float) -> str:
    """A time in CLB's format: to the minute, with a Z."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")


find: Final = Lookup(LoadBalancer, "LoadBalancerId", "InvalidLoadBalancerId.NotFound")


@dataclass(frozen=True, kw_only=True)
class CreateLoadBalancer:
    """Parameters of CreateLoadBalancer."""

    region_id: str | None = None
    load_balancer_name: str = ""
    address_type: str = "internet"
    address: str | None = None
    address_ip_version: str = wire("AddressIPVersion", default="ipv4")
    vpc_id: str | None = None
    vswitch_id: str | None = None
    load_balancer_spec: str = ""
    bandwidth: int | None = None
    internet_charge_type: str = "paybytraffic"
    instance_charge_type: str = ""
    pay_type: str | None = None
    master_zone_id: str = ""
    slave_zone_id: str = ""
    delete_protection: str = "off"
    modification_protection_status: str = "NonProtection"
    modification_protection_reason: str = ""
    resource_group_id: str = ""
    duration: int | None = None
    pricing_cycle: str | None = None
    auto_pay: bool | None = None
    tag: tuple[TagParameter, ...] = ()
    tags: str | None = None


@action(writes=True)
def create_load_balancer(call: Call, request: CreateLoadBalancer) -> Answer:
    """Create a CLB.

    An intranet CLB gets an address of its vSwitch; an internet CLB gets one of the EIP range.
    """
    if request.load_balancer_spec and request.load_balancer_spec not in _SPECS:
        raise invalid(
            "LoadBalancerSpec",
            request.load_balancer_spec,
            f"it must be one of {', '.join(sorted(_SPECS))}",
        )
    if call.store.count(LoadBalancer) >= _MOST_BALANCERS:
        raise ApiError(
            "OperationForbidden.QuotaLimit", f"The account has {_MOST_BALANCERS} CLB instances."
        )
    if request.bandwidth is not None and request.bandwidth not in _BANDWIDTHS:
        raise ApiError(
            "InvalidParameter.Bandwidth", f"The Bandwidth {request.bandwidth} must be 1 to 5120."
        )
    choices.require("DeleteProtection", request.delete_protection, "on", "off")
    for chosen in (request.master_zone_id, request.slave_zone_id):
        if chosen and chosen not in call.cloud.zones:
            raise ApiError(
                "PRODUCT.NOT_AVAILABLE_IZ", f"The region has no zone {chosen[:40]!r} for CLBs."
            )
    load_balancer_id = call.new_id("lb")
    vpc_id, zone, vswitch_id = "", request.master_zone_id, request.vswitch_id or ""
    if request.address_type == "intranet":
        if not request.vswitch_id:
            raise ApiError("MissingParam.VSwitchId", "An intranet CLB needs a VSwitchId.")
        vswitch = vswitches.find(call, request.vswitch_id, status=400)
        vpc_id, zone = vswitch.vpc_id, zone or vswitch.zone
        kind, owner = claims.SLB, load_balancer_id
        if request.address:
            address = claims.take(call, vswitch, request.address, kind=kind, owner=owner)
        else:
            address = claims.take_any(call, vswitch, kind=kind, owner=owner)
    elif request.address_type == "internet":
        address, vswitch_id = eips.free_address(call), ""
    else:
        raise invalid("AddressType", request.address_type, "it must be internet or intranet")
    balancer = call.store.put(
        LoadBalancer(
            id=load_balancer_id,
            name=request.load_balancer_name or f"auto_named_slb_{load_balancer_id[-6:]}",
            address=address,
            address_type=request.address_type,
            address_ip_version=request.address_ip_version or "ipv4",
            vpc_id=vpc_id,
            vswitch_id=vswitch_id,
            master_zone=zone or call.cloud.zones[0],
            slave_zone=request.slave_zone_id,
            spec=request.load_balancer_spec,
            bandwidth=request.bandwidth or 5120,
            internet_charge_type=request.internet_charge_type.lower(),
            instance_charge_type=request.instance_charge_type or "PayByCLCU",
            delete_protection=request.delete_protection == "on",
            modification_protection=request.modification_protection_status,
            modification_protection_reason=request.modification_protection_reason,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            pay_type=request.pay_type or "PayOnDemand",
            status="active",
            created=call.now,
            life=call.passing(to="active"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "Address": balancer.address,
        "AddressIPVersion": balancer.address_ip_version,
        "NetworkType": "vpc" if vpc_id else "classic",
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "ResourceGroupId": balancer.resource_group_id,
        "OrderId": 0,
    }


def _shown(call: Call, balancer: LoadBalancer) -> dict[str, object]:
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerStatus": balancer.status,
        "LoadBalancerSpec": balancer.spec,
        "Address": balancer.address,
        "AddressType": balancer.address_type,
        "AddressIPVersion": balancer.address_ip_version,
        "NetworkType": "vpc" if balancer.vpc_id else "classic",
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "MasterZoneId": balancer.master_zone,
        "SlaveZoneId": balancer.slave_zone,
        "Bandwidth": balancer.bandwidth,
        "InternetChargeType": "4" if balancer.internet_charge_type == "paybytraffic" else "3",
        "InstanceChargeType": balancer.instance_charge_type,
        "PayType": balancer.pay_type,
        "DeleteProtection": "on" if balancer.delete_protection else "off",
        "ModificationProtectionStatus": balancer.modification_protection,
        "ModificationProtectionReason": balancer.modification_protection_reason,
        "RegionId": call.cloud.region,
        "RegionIdAlias": call.cloud.region,
        "ResourceGroupId": balancer.resource_group_id,
        "CreateTime": slb_moment(balancer.created),
        "CreateTimeStamp": int(balancer.created * 1000),
        "Tags": tags.ecs(balancer.tags),
    }


def default_server(server: Server) -> dict[str, object]:
    """A default server of a CLB as the API shows it."""
    return {
        "ServerId": server.id,
        "Type": server.kind,
        "Weight": server.weight,
        "Description": server.description,
    }


def _row(call: Call, balancer: LoadBalancer) -> dict[str, object]:
    return {
        **_shown(call, balancer),
        "InternetChargeTypeAlias": balancer.internet_charge_type,
    }


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancerAttribute:
    """Parameters of DescribeLoadBalancerAttribute."""

    load_balancer_id: str
    region_id: str | None = None


@action()
def describe_load_balancer_attribute(call: Call, request: DescribeLoadBalancerAttribute) -> Answer:
    """Describe one CLB with its listeners and default servers."""
    balancer = find(call, request.load_balancer_id)
    internet = {"3": "paybybandwidth", "4": "paybytraffic"}
    shown = _shown(call, balancer)
    shown["InternetChargeType"] = internet[str(shown["InternetChargeType"])]
    return {
        **shown,
        "AutoReleaseTime": 0,
        "EndTime": _NEVER,
        "EndTimeStamp": _NEVER_MILLIS,
        "RenewalStatus": "",
        "RenewalDuration": 0,
        "RenewalCycUnit": "",
        "HasReservedInfo": "false",
        "ListenerPorts": {"ListenerPort": [x.port for x in balancer.listeners]},
        "ListenerPortsAndProtocal": {
            "ListenerPortAndProtocal": [
                {"ListenerPort": x.port, "ListenerProtocal": x.protocol} for x in balancer.listeners
            ]
        },
        "ListenerPortsAndProtocol": {
            "ListenerPortAndProtocol": [
                {
                    "ListenerPort": x.port,
                    "ListenerProtocol": x.protocol,
                    "ListenerForward": x.setting("ListenerForward", "off"),
                    "ForwardPort": int(x.setting("ForwardPort") or 0),
                    "Description": x.setting("Description"),
                }
                for x in balancer.listeners
            ]
        },
        "BackendServers": {
            "BackendServer": [{**default_server(s), "ServerIp": s.ip} for s in balancer.servers]
        },
    }


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancers:
    """Parameters of DescribeLoadBalancers. Tags is a JSON array of TagKey and TagValue."""

    region_id: str | None = None
    load_balancer_id: str | None = None
    load_balancer_name: str | None = None
    load_balancer_status: str | None = None
    address: str | None = None
    address_type: str | None = None
    address_ip_version: str | None = wire("AddressIPVersion", default=None)
    vpc_id: str | None = None
    vswitch_id: str | None = None
    network_type: str | None = None
    master_zone_id: str | None = None
    slave_zone_id: str | None = None
    internet_charge_type: str | None = None
    pay_type: str | None = None
    server_id: str | None = None
    server_intranet_address: str | None = None
    resource_group_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None
    tag: tuple[TagParameter, ...] = ()
    tags: tuple[SpelledTag, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpelledTag:
    """A tag in the spelling of older CLB parameters."""

    tag_key: str = ""
    tag_value: str = ""


def _is_asked_for(balancer: LoadBalancer, request: DescribeLoadBalancers) -> bool:
    """Whether a CLB has the network and the payment that the request asks for."""
    return all(
        not asked or asked == actual
        for asked, actual in (
            (request.address_ip_version, balancer.address_ip_version),
            (request.network_type, "vpc" if balancer.vpc_id else "classic"),
            (request.master_zone_id, balancer.master_zone),
            (request.slave_zone_id, balancer.slave_zone),
            (request.internet_charge_type, balancer.internet_charge_type),
            (request.pay_type, balancer.pay_type),
            (request.resource_group_id, balancer.resource_group_id),
        )
    )


@action()
def describe_load_balancers(call: Call, request: DescribeLoadBalancers) -> Answer:
    """List CLBs by filter. Ids and names may be several, separated by commas."""
    filters = [
        *request.tag,
        *(TagParameter(key=t.tag_key, value=t.tag_value) for t in request.tags),
    ]
    ids = request.load_balancer_id.split(",") if request.load_balancer_id else None
    names = request.load_balancer_name.split(",") if request.load_balancer_name else None
    balancers = [
        b
        for b in call.store.all(LoadBalancer)
        if (ids is None or b.id in ids)
        and (names is None or b.name in names)
        and (not request.address or b.address == request.address)
        and (not request.address_type or b.address_type == request.address_type)
        and (not request.vpc_id or b.vpc_id == request.vpc_id)
        and (not request.vswitch_id or b.vswitch_id == request.vswitch_id)
        and (not request.load_balancer_status or b.status == request.load_balancer_status)
        and (not request.server_id or any(s.id == request.server_id for s in b.servers))
        and tags.match(b.tags, filters)
        and _is_asked_for(b, request)
    ]
    return paging.number_answer(
        "LoadBalancers",
        "LoadBalancer",
        hostility.shuffled(call.cloud, balancers),
        request,
        partial(_row, call),
    )


@dataclass(frozen=True, kw_only=True)
class DeleteLoadBalancer:
    """Parameters of DeleteLoadBalancer."""

    load_balancer_id: str
    region_id: str | None = None


@action(writes=True)
def delete_load_balancer(call: Call, request: DeleteLoadBalancer) -> Answer:
    """Delete a CLB with its listeners and vServer groups. An EIP bound to it becomes free."""
    balancer = call.store.find(LoadBalancer, request.load_balancer_id)
    if balancer is None:
        return {}
    if balancer.delete_protection:
        raise ApiError(
            "OperationDenied.DeleteProtectionIsOn", f"{balancer.id} is protected from deletion."
        )
    if balancer.pay_type == "PrePay":
        raise ApiError(
            "Operation.NotAllowed", f"{balancer.id} is paid in advance and cannot be deleted."
        )
    for eip in call.store.where(Eip, "instance", balancer.id):
        eips.release_binding(call, eip)
    for group in call.store.where(VServerGroup, "load_balancer", balancer.id):
        call.store.remove(group)
    drop_listener_parts(call.store, balancer.id)
    claims.give_back_all(call, balancer.id)
    call.store.remove(balancer)
    return {}


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerName:
    """Parameters of SetLoadBalancerName."""

    load_balancer_id: str
    load_balancer_name: str
    region_id: str | None = None


@action(writes=True)
def set_load_balancer_name(call: Call, request: SetLoadBalancerName) -> Answer:
    """Rename a CLB."""
    call.store.change(find(call, request.load_balancer_id), name=request.load_balancer_name)
    return {}


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerStatus:
    """Parameters of SetLoadBalancerStatus."""

    load_balancer_id: str
    load_balancer_status: str
    region_id: str | None = None


@action(writes=True)
def set_load_balancer_status(call: Call, request: SetLoadBalancerStatus) -> Answer:
    """Turn a CLB on or off."""
    if request.load_balancer_status not in {"active", "inactive"}:
        raise invalid(
            "LoadBalancerStatus", request.load_balancer_status, "it must be active or inactive"
        )
    call.store.change(find(call, request.load_balancer_id), status=request.load_balancer_status)
    return {}


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerDeleteProtection:
    """Parameters of SetLoadBalancerDeleteProtection."""

    load_balancer_id: str
    delete_protection: str
    region_id: str | None = None


@action(writes=True)
def set_load_balancer_delete_protection(
    call: Call, request: SetLoadBalancerDeleteProtection
) -> Answer:
    """Turn a CLB's protection from deletion on or off."""
    balancer = find(call, request.load_balancer_id)
    choices.require("DeleteProtection", request.delete_protection, "on", "off")
    call.store.change(balancer, delete_protection=request.delete_protection == "on")
    return {}


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerModificationProtection:
    """Parameters of SetLoadBalancerModificationProtection."""

    load_balancer_id: str
    modification_protection_status: str
    modification_protection_reason: str = ""
    region_id: str | None = None


@action(writes=True)
def set_load_balancer_modification_protection(
    call: Call, request: SetLoadBalancerModificationProtection
) -> Answer:
    """Turn a CLB's protection from changes in the console on or off."""
    call.store.change(
        find(call, request.load_balancer_id),
        modification_protection=request.modification_protection_status,
        modification_protection_reason=request.modification_protection_reason,
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyLoadBalancerInternetSpec:
    """Parameters of ModifyLoadBalancerInternetSpec."""

    load_balancer_id: str
    region_id: str | None = None
    internet_charge_type: str | None = None
    bandwidth: int | None = None
    auto_pay: bool | None = None


@action(writes=True)
def modify_load_balancer_internet_spec(
    call: Call, request: ModifyLoadBalancerInternetSpec
) -> Answer:
    """Change how internet traffic is charged."""
    balancer = find(call, request.load_balancer_id)
    call.store.change(
        balancer,
        internet_charge_type=(
            request.internet_charge_type or balancer.internet_charge_type
        ).lower(),
        bandwidth=request.bandwidth or balancer.bandwidth,
    )
    return {"OrderId": 0}


@dataclass(frozen=True, kw_only=True)
class ModifyLoadBalancerInstanceSpec:
    """Parameters of ModifyLoadBalancerInstanceSpec."""

    load_balancer_id: str
    load_balancer_spec: str
    region_id: str | None = None
    auto_pay: bool | None = None


@action(writes=True)
def modify_load_balancer_instance_spec(
    call: Call, request: ModifyLoadBalancerInstanceSpec
) -> Answer:
    """Change the size of a CLB."""
    if request.load_balancer_spec not in _SPECS:
        raise invalid(
            "LoadBalancerSpec",
            request.load_balancer_spec,
            f"it must be one of {', '.join(sorted(_SPECS))}",
        )
    call.store.change(find(call, request.load_balancer_id), spec=request.load_balancer_spec)
    return {"OrderId": 0}


@dataclass(frozen=True, kw_only=True)
class ModifyLoadBalancerInstanceChargeType:
    """Parameters of ModifyLoadBalancerInstanceChargeType."""

    load_balancer_id: str
    instance_charge_type: str
    region_id: str | None = None
    load_balancer_spec: str | None = None
    internet_charge_type: str | None = None
    bandwidth: int | None = None


@action(writes=True)
def modify_load_balancer_instance_charge_type(
    call: Call, request: ModifyLoadBalancerInstanceChargeType
) -> Answer:
    """Charge a CLB by size or by use."""
    balancer = find(call, request.load_balancer_id)
    call.store.change(
        balancer,
        instance_charge_type=request.instance_charge_type,
        spec=request.load_balancer_spec or "",
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyLoadBalancerPayType:
    """Parameters of ModifyLoadBalancerPayType."""

    load_balancer_id: str
    pay_type: str
    region_id: str | None = None
    pricing_cycle: str | None = None
    duration: int | None = None
    auto_pay: bool | None = None


@action(writes=True)
def modify_load_balancer_pay_type(call: Call, request: ModifyLoadBalancerPayType) -> Answer:
    """Charge a CLB afterwards or in advance. A CLB paid in advance cannot be deleted."""
    if request.pay_type not in {"PayOnDemand", "PrePay"}:
        raise invalid("PayType", request.pay_type, "it must be PayOnDemand or PrePay")
    call.store.change(find(call, request.load_balancer_id), pay_type=request.pay_type)
    return {"OrderId": 0}
