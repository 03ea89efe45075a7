"""Enhanced NAT gateways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from localcloud.products import endings, filters, statuses, texts
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.ram import service_roles
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from . import claims, vpcs, vswitches
from .entities import DEFAULT_RESOURCE_GROUP, Eip, NatGateway, RouteEntry, SnatEntry, Vpc
from .tagging import TAG_CODES

_MOST_IN_VPC: Final = 5
_LONGEST_DELETION: Final = 20.0
_DEFAULT_ROUTE: Final = "0.0.0.0/0"
_BIND_MODES: Final = frozenset({"MULTI_BINDED", "NAT"})


@dataclass(frozen=True, kw_only=True)
class AccessMode:
    """How a NAT gateway is reached over PrivateLink."""

    mode_value: str | None = None
    tunnel_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateNatGateway:
    """Parameters of CreateNatGateway."""

    vpc_id: str
    region_id: str | None = None
    vswitch_id: str | None = None
    name: str = ""
    description: str = ""
    nat_type: str = "Enhanced"
    network_type: str = "internet"
    internet_charge_type: str = "PayByLcu"
    instance_charge_type: str = "PostPaid"
    spec: str | None = None
    eip_bind_mode: str = "MULTI_BINDED"
    icmp_reply_enabled: bool = True
    private_link_enabled: bool = False
    security_protection_enabled: bool | None = None
    access_mode: AccessMode | None = None
    duration: str | None = None
    pricing_cycle: str | None = None
    auto_pay: bool | None = None
    tag: tuple[TagParameter, ...] = ()


find: Final = Lookup(NatGateway, "NAT gateway", "InvalidNatGatewayId.NotFound")


def _check_purchase(call: Call, request: CreateNatGateway, vpc: Vpc) -> None:
    """Raise for a way to pay that is no longer sold, an unknown kind, or an exceeded quota."""
    if request.internet_charge_type == "PayBySpec":
        raise ApiError(
            "Forbidden.NatPayBySpec", "Pay-by-specification NAT gateways are no longer sold."
        )
    if request.internet_charge_type != "PayByLcu":
        raise ApiError(
            "UnsupportedFeature.InternetChargeType", "InternetChargeType must be PayByLcu."
        )
    if request.instance_charge_type != "PostPaid":
        raise ApiError(
            "OperationDenied.PrePaidInstance", "Subscription NAT gateways are no longer sold."
        )
    if request.network_type not in {"internet", "intranet"}:
        raise invalid("NetworkType", request.network_type, "it must be internet or intranet")
    if request.eip_bind_mode not in _BIND_MODES:
        raise invalid("EipBindMode", request.eip_bind_mode, "it must be MULTI_BINDED or NAT")
    if call.store.size(NatGateway, "vpc", vpc.id) >= _MOST_IN_VPC:
        raise ApiError(
            "OperationFailed.EnhancedQuotaExceed",
            f"The VPC {vpc.id} has {_MOST_IN_VPC} enhanced NAT gateways.",
        )


@action(writes=True)
def create_nat_gateway(call: Call, request: CreateNatGateway) -> Answer:
    """Create an enhanced NAT gateway in a vSwitch, with a private address and an ENI of its own."""
    vpc = vpcs.find(call, request.vpc_id)
    texts.check(
        request.name, "InvalidParameter.Name.Malformed", texts.LONGER_NAME, letter_first=True
    )
    texts.check(
        request.description, "InvalidParameter.Description.Malformed", texts.LONGER_DESCRIPTION
    )
    if request.nat_type != "Enhanced":
        raise ApiError(
            "OperationFailed.NormalInventoryNotEnough",
            "Only enhanced NAT gateways can be created.",
        )
    if not request.vswitch_id:
        raise ApiError("MissingParameter", "An enhanced NAT gateway needs a VSwitchId.")
    vswitch = vswitches.find(call, request.vswitch_id, code="InvalidVSWITCHID.NotFound", status=400)
    if vswitch.vpc_id != vpc.id:
        raise ApiError(
            "OperationFailed.VswNotBelongToVpc",
            f"The vSwitch {vswitch.id} is not in the VPC {vpc.id}.",
        )
    statuses.require(call, vpc, "Available", code="VpcStatusError")
    statuses.require(call, vswitch, "Available", code="OperationFailed.VSwitchStatusError")
    _check_purchase(call, request, vpc)
    service_roles.ensure(call, service_roles.NAT, code="NoPermission.CreateServiceLinkedRole")
    nat_id = call.new_id("ngw")
    call.store.put(
        nat := NatGateway(
            id=nat_id,
            vpc_id=vpc.id,
            vswitch_id=vswitch.id,
            zone=vswitch.zone,
            name=request.name,
            description=request.description,
            network_type=request.network_type,
            internet_charge_type=request.internet_charge_type,
            instance_charge_type=request.instance_charge_type,
            eip_bind_mode=request.eip_bind_mode,
            icmp_reply=request.icmp_reply_enabled,
            private_link=request.private_link_enabled,
            access_mode=_checked_access(request),
            deletion_protection=False,
            private_address=claims.take_any(call, vswitch, kind=claims.NAT, owner=nat_id),
            eni_id=call.new_id("eni"),
            snat_table_id=call.new_id("stb"),
            forward_table_id=call.new_id("ftb"),
            resource_group_id=DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(("Creating", 20.0), to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    _route_out(call, vpc, nat)
    return {
        "NatGatewayId": nat.id,
        "SnatTableIds": {"SnatTableId": [nat.snat_table_id]},
        "ForwardTableIds": {"ForwardTableId": [nat.forward_table_id]},
        "FullNatTableIds": {"FullNatTableId": []},
    }


def _checked_access(request: CreateNatGateway) -> tuple[str, str]:
    """ModeValue and TunnelType; both are empty without an access mode.

    "If this parameter is specified, you must set PrivateLinkEnabled to true"; the tunnel type
    "takes effect if the access mode is the tunnel mode" (page CreateNatGateway).
    """
    mode = request.access_mode
    if mode is None:
        return ("", "")
    if not request.private_link_enabled:
        raise ApiError(
            "ExclusiveParam.PrivateLinkEnabledAndAccessMode",
            "AccessMode needs PrivateLinkEnabled to be true.",
        )
    if mode.mode_value not in {"route", "tunnel"}:
        raise ApiError(
            "IllegalParam.AccessModeValue",
            f"AccessMode.ModeValue {(mode.mode_value or '')[:40]!r} must be route or tunnel.",
        )
    if mode.mode_value == "route":
        return ("route", "")
    if mode.tunnel_type not in {None, "", "geneve"}:
        raise ApiError(
            "IllegalParam.AccessTunnelType",
            f"AccessMode.TunnelType {(mode.tunnel_type or '')[:40]!r} must be geneve.",
        )
    return ("tunnel", "geneve")


def _route_out(call: Call, vpc: Vpc, nat: NatGateway) -> None:
    """Add the default route, which an Internet NAT gateway brings, to the VPC's system table."""
    routes = call.store.where(RouteEntry, "table", vpc.route_table_id)
    if nat.network_type == "internet" and all(r.destination != _DEFAULT_ROUTE for r in routes):
        call.store.put(
            RouteEntry(
                id=call.new_id("rte"),
                route_table_id=vpc.route_table_id,
                vpc_id=vpc.id,
                destination=_DEFAULT_ROUTE,
                next_hop_type="NatGateway",
                next_hop_id=nat.id,
                name="",
                description="",
                life=call.passing(("Pending", 20.0), to="Available"),
            )
        )


def _shown(call: Call, nat: NatGateway) -> dict[str, object]:
    shown = _without_access(call, nat)
    mode, tunnel = nat.access_mode
    if mode:
        shown["AccessMode"] = {"ModeValue": mode, "TunnelType": tunnel}
    return shown


def _without_access(call: Call, nat: NatGateway) -> dict[str, object]:
    eips = call.store.where(Eip, "instance", nat.id)
    return {
        "NatGatewayId": nat.id,
        "Name": nat.name,
        "Description": nat.description,
        "VpcId": nat.vpc_id,
        "Status": nat.life.at(call.now),
        "BusinessStatus": "Normal",
        "NatType": "Enhanced",
        "NetworkType": nat.network_type,
        "InternetChargeType": nat.internet_charge_type,
        "InstanceChargeType": nat.instance_charge_type,
        "Spec": nat.spec,
        "AutoPay": False,
        "EipBindMode": nat.eip_bind_mode,
        "IcmpReplyEnabled": nat.icmp_reply,
        "PrivateLinkEnabled": nat.private_link,
        "PrivateLinkMode": "",
        "EcsMetricEnabled": True,
        "SecurityProtectionEnabled": False,
        "DeletionProtection": nat.deletion_protection,
        "ResourceGroupId": nat.resource_group_id,
        "RegionId": call.cloud.region,
        "CreationTime": moment(nat.created),
        "ExpiredTime": "",
        "SnatTableIds": {"SnatTableId": [nat.snat_table_id]},
        "ForwardTableIds": {"ForwardTableId": [nat.forward_table_id]},
        "FullNatTableIds": {"FullNatTableId": []},
        "NatGatewayPrivateInfo": {
            "VswitchId": nat.vswitch_id,
            "IzNo": nat.zone,
            "PrivateIpAddress": nat.private_address,
            "EniInstanceId": nat.eni_id,
            "EniType": "NatGateway",
            "MaxBandwidth": 5120,
            "MaxSessionQuota": 2000000,
            "MaxSessionEstablishRate": 100000,
        },
        "IpLists": {
            "IpList": [
                {
                    "AllocationId": e.id,
                    "IpAddress": e.ip,
                    "PrivateIpAddress": nat.private_address,
                    "SnatEntryEnabled": call.store.any(SnatEntry, "ip", e.ip),
                    "UsingStatus": (
                        "UsedBySnatTable" if call.store.any(SnatEntry, "ip", e.ip) else "Idle"
                    ),
                }
                for e in eips
            ]
        },
        # Unlike in the rest of VPC, tags have TagKey and TagValue (model of the SDK, sample).
        "Tags": tags.ecs(nat.tags),
    }


_TABLE: Final = Table("NatGateways", "NatGateway", _shown, most=50)


@dataclass(frozen=True, kw_only=True)
class DescribeNatGateways(PageRequest):
    """Parameters of DescribeNatGateways."""

    region_id: str | None = None
    nat_gateway_id: str | None = None
    vpc_id: str | None = None
    name: str | None = None
    nat_type: str | None = None
    network_type: str | None = None
    status: str | None = None
    zone_id: str | None = None
    spec: str | None = None
    instance_charge_type: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_nat_gateways(call: Call, request: DescribeNatGateways) -> Answer:
    """List NAT gateways by filter."""
    gateways = [
        n
        for n in call.store.all(NatGateway)
        if filters.equal(request.nat_gateway_id, n.id)
        and filters.equal(request.vpc_id, n.vpc_id)
        and filters.equal(request.name, n.name)
        and filters.equal(request.status, n.life.at(call.now))
        and filters.equal(request.nat_type, "Enhanced")
        and filters.equal(request.network_type, n.network_type)
        and filters.equal(request.zone_id, n.zone)
        and filters.equal(request.spec, n.spec)
        and filters.equal(request.instance_charge_type, n.instance_charge_type)
        and filters.equal(request.resource_group_id, n.resource_group_id)
        and tags.match(n.tags, request.tag)
    ]
    return _TABLE.numbered(call, gateways, request)


@dataclass(frozen=True, kw_only=True)
class ModifyNatGatewayAttribute:
    """Parameters of ModifyNatGatewayAttribute."""

    nat_gateway_id: str
    region_id: str | None = None
    name: str | None = None
    description: str | None = None
    eip_bind_mode: str | None = None
    icmp_reply_enabled: bool | None = None
    access_mode: AccessMode | None = None


@action(writes=True)
def modify_nat_gateway_attribute(call: Call, request: ModifyNatGatewayAttribute) -> Answer:
    """Change a NAT gateway in place."""
    nat = find(call, request.nat_gateway_id)
    texts.check(request.name, "InvalidParameter.Name.Malformed")
    texts.check(request.description, "InvalidParameter.Description.Malformed", texts.DESCRIPTION)
    changes = requested(
        name=request.name,
        description=request.description,
        eip_bind_mode=request.eip_bind_mode or None,
        icmp_reply=request.icmp_reply_enabled,
    )
    if not changes and request.access_mode is None:
        raise ApiError(
            "InvalidParams.NotNull", "Name, Description or IcmpReplyEnabled must be set."
        )
    call.store.change(nat, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyNatGatewaySpec:
    """Parameters of ModifyNatGatewaySpec."""

    nat_gateway_id: str
    spec: str
    region_id: str | None = None
    auto_pay: bool | None = None


@action(writes=True)
def modify_nat_gateway_spec(call: Call, request: ModifyNatGatewaySpec) -> Answer:
    """Change the size of a NAT gateway that is paid by size. None here is."""
    nat = find(call, request.nat_gateway_id)
    if request.spec not in {"Small", "Middle", "Large", "XLarge.1"}:
        raise ApiError(
            "InvalidParameter.Spec.ValueNotSupported",
            f"Spec {request.spec[:40]!r} must be Small, Middle, Large or XLarge.1.",
        )
    raise ApiError(
        "OperationUnsupported.PayByLcuNatModifySpec",
        f"{nat.id} is paid by use: it has no size.",
        404,
    )


@dataclass(frozen=True, kw_only=True)
class UpdateNatGatewayNatType:
    """Parameters of UpdateNatGatewayNatType."""

    nat_gateway_id: str
    nat_type: str
    vswitch_id: str
    region_id: str | None = None


@action(writes=True)
def update_nat_gateway_nat_type(call: Call, request: UpdateNatGatewayNatType) -> Answer:
    """Convert an ordinary gateway to an enhanced one. All gateways here are already enhanced."""
    nat = find(call, request.nat_gateway_id, code="NATGW_NOT_EXIST", status=400)
    statuses.require(call, nat, "Available", code="IncorrectStatus.NatGateway")
    if request.nat_type != "Enhanced":
        raise ApiError(
            "OperationFailed.NatTypeNotEnhanced",
            f"NatType {request.nat_type[:40]!r} must be Enhanced.",
        )
    vswitch = vswitches.find(
        call, request.vswitch_id, code="OperationFailed.VswNotExist", status=400
    )
    if vswitch.vpc_id != nat.vpc_id:
        raise ApiError(
            "OperationFailed.VswNotBelongToVpc", f"{vswitch.id} is not in the VPC of {nat.id}."
        )
    raise ApiError(
        "OperationUnsupported.NatConvert", f"{nat.id} is Enhanced: there is nothing to convert."
    )


_protected_eip: Final[Lookup[Any]] = Lookup(Eip, "EIP", "InvalidAllocationId.NotFound")
_protected_nat: Final[Lookup[Any]] = Lookup(
    NatGateway, "NAT gateway", "DeletionProtection.ResourceNotExist", 400
)


@dataclass(frozen=True, kw_only=True)
class DeletionProtection:
    """Parameters of DeletionProtection. Type is NATGW or EIP."""

    instance_id: str
    kind: str = wire("Type")
    protection_enable: bool
    region_id: str | None = None


@action(writes=True)
def deletion_protection(call: Call, request: DeletionProtection) -> Answer:
    """Switch the deletion protection of a NAT gateway or an EIP on or off."""
    kind = request.kind.upper()
    if kind not in {"EIP", "NATGW"}:
        raise ApiError(
            "DeletionProtection.TypeNotSupport", f"Type {request.kind[:40]!r} must be EIP or NATGW."
        )
    lookup = _protected_eip if kind == "EIP" else _protected_nat
    protected = lookup(call, request.instance_id)
    call.store.change(protected, deletion_protection=request.protection_enable)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteNatGateway:
    """Parameters of DeleteNatGateway."""

    nat_gateway_id: str
    region_id: str | None = None
    force: bool = False


@action(writes=True)
def delete_nat_gateway(call: Call, request: DeleteNatGateway) -> Answer:
    """Delete a NAT gateway that has no EIPs. Force also deletes its entries and bindings."""
    nat = find(call, request.nat_gateway_id)
    if nat.deletion_protection:
        raise ApiError("InvalidOperation.DeletionProtection", f"{nat.id} is protected.")
    statuses.require(call, nat, "Available", code="IncorrectStatus.NatGateway")
    entries = call.store.where(SnatEntry, "table", nat.snat_table_id)
    eips = call.store.where(Eip, "instance", nat.id)
    own_routes = call.store.where(RouteEntry, "hop", nat.id)
    if not request.force:
        if any(r.destination != _DEFAULT_ROUTE for r in own_routes):
            raise ApiError("DependencyViolation.RouterEntry", f"A custom route leads to {nat.id}.")
        if eips:
            raise ApiError(
                "DependencyViolation.EIPS", "There are EIPs on the specified NAT gateway."
            )
        if entries:
            raise ApiError(
                "DependencyViolation.SnatEntry", "There are SNAT entries on the NAT gateway."
            )
    for entry in entries:
        call.store.remove(entry)
    for route in own_routes:
        call.store.remove(route)
    for eip in eips:
        call.store.change(
            eip,
            instance_id=None,
            instance_type=None,
            vpc_id="",
            mode="",
            life=call.passing(("Unassociating", 2.0), to="Available"),
        )
    if not endings.has_begun(call, nat, "Deleting", longest=_LONGEST_DELETION):
        _remove(call, nat)
    return {}


def _remove(call: Call, nat: NatGateway) -> None:
    for route in call.store.where(RouteEntry, "hop", nat.id):
        call.store.remove(route)
    claims.give_back_all(call, nat.id)
    call.store.remove(nat)


def settle(call: Call) -> None:
    """Remove the NAT gateways whose deletion has ended."""
    for nat in endings.ended(call, NatGateway):
        _remove(call, nat)
