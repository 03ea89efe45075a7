"""IPv6 gateways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import endings, filters, resource_groups, statuses, texts
from localcloud.products.lookup import Lookup
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from . import vpcs
from .entities import (
    DEFAULT_RESOURCE_GROUP,
    Ipv6Bandwidth,
    Ipv6Gateway,
)
from .tagging import TAG_CODES

_LONGEST_DELETION: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class CreateIpv6Gateway:
    """Parameters of CreateIpv6Gateway."""

    vpc_id: str
    region_id: str | None = None
    name: str = ""
    description: str = ""
    spec: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


def _check_texts(name: str | None, description: str | None) -> None:
    texts.check(name, "IllegalParam.Name")
    texts.check(description, "IllegalParam.Description", texts.DESCRIPTION)


@action(writes=True)
def create_ipv6_gateway(call: Call, request: CreateIpv6Gateway) -> Answer:
    """Create the IPv6 gateway of a VPC that has an IPv6 block."""
    vpc = vpcs.find(call, request.vpc_id)
    _check_texts(request.name, request.description)
    resource_groups.require(request.resource_group_id, "IllegalParam.ResourceGroupId")
    if call.store.any(Ipv6Gateway, "vpc", vpc.id):
        raise ApiError(
            "OperationUnsupported.OnlyOneIpv6GatewayInVpc",
            f"The VPC {vpc.id} already has an IPv6 gateway.",
        )
    if vpc.ipv6_cidr is None:
        raise ApiError(
            "OperationFailed.VpcIpv6Disabled",
            f"The VPC {vpc.id} has no IPv6 CIDR block: enable IPv6 on it first.",
        )
    gateway = call.store.put(
        Ipv6Gateway(
            id=call.new_id("ipv6gw"),
            vpc_id=vpc.id,
            name=request.name,
            description=request.description,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(("Pending", 3.0), to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {"Ipv6GatewayId": gateway.id, "ResourceGroupId": gateway.resource_group_id}


def _gateway_shown(call: Call, gateway: Ipv6Gateway) -> dict[str, object]:
    return {
        "Ipv6GatewayId": gateway.id,
        "VpcId": gateway.vpc_id,
        "Name": gateway.name,
        "Description": gateway.description,
        "Status": gateway.life.at(call.now),
        "BusinessStatus": "Normal",
        "InstanceChargeType": "PostPaid",
        "RegionId": call.cloud.region,
        "OwnerId": int(call.cloud.account_id),
        "ResourceGroupId": gateway.resource_group_id,
        "CreationTime": moment(gateway.created),
        "ExpiredTime": "",
    }


@dataclass(frozen=True, kw_only=True)
class DescribeIpv6GatewayAttribute:
    """Parameters of DescribeIpv6GatewayAttribute."""

    ipv6_gateway_id: str
    region_id: str | None = None


@action()
def describe_ipv6_gateway_attribute(call: Call, request: DescribeIpv6GatewayAttribute) -> Answer:
    """Describe one IPv6 gateway. For an unknown id, the API answers with an empty status."""
    gateway = call.store.find(Ipv6Gateway, request.ipv6_gateway_id)
    if gateway is None:
        return {"Ipv6GatewayId": "", "Status": "", "VpcId": ""}
    return {
        **_gateway_shown(call, gateway),
        "GatewayRouteTableId": "",
        "Tags": {"Tag": tags.plain(gateway.tags)},
    }


@dataclass(frozen=True, kw_only=True)
class DescribeIpv6Gateways(PageRequest):
    """Parameters of DescribeIpv6Gateways."""

    region_id: str | None = None
    ipv6_gateway_id: str | None = None
    vpc_id: str | None = None
    name: str | None = None
    resource_group_id: str | None = None


def _gateway_listed(call: Call, g: Ipv6Gateway) -> dict[str, object]:
    return {**_gateway_shown(call, g), "Tags": {"Tag": tags.plain(g.tags)}}


_GATEWAYS: Final = Table("Ipv6Gateways", "Ipv6Gateway", _gateway_listed)


@action()
def describe_ipv6_gateways(call: Call, request: DescribeIpv6Gateways) -> Answer:
    """List IPv6 gateways by filter."""
    gateways = [
        g
        for g in call.store.all(Ipv6Gateway)
        if filters.equal(request.ipv6_gateway_id, g.id)
        and filters.equal(request.vpc_id, g.vpc_id)
        and filters.equal(request.name, g.name)
        and filters.equal(request.resource_group_id, g.resource_group_id)
    ]
    return _GATEWAYS.numbered(call, gateways, request)


find: Final = Lookup(Ipv6Gateway, "IPv6 gateway", "InvalidIpv6GatewayId.NotFound", 400)


@dataclass(frozen=True, kw_only=True)
class ModifyIpv6GatewayAttribute:
    """Parameters of ModifyIpv6GatewayAttribute."""

    ipv6_gateway_id: str
    region_id: str | None = None
    name: str | None = None
    description: str | None = None


@action(writes=True)
def modify_ipv6_gateway_attribute(call: Call, request: ModifyIpv6GatewayAttribute) -> Answer:
    """Rename an IPv6 gateway."""
    gateway = find(call, request.ipv6_gateway_id, status=400)
    _check_texts(request.name, request.description)
    call.store.change(gateway, **requested(name=request.name, description=request.description))
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteIpv6Gateway:
    """Parameters of DeleteIpv6Gateway."""

    ipv6_gateway_id: str
    region_id: str | None = None


@action(writes=True)
def delete_ipv6_gateway(call: Call, request: DeleteIpv6Gateway) -> Answer:
    """Delete an IPv6 gateway without public bandwidth."""
    gateway = find(call, request.ipv6_gateway_id)
    statuses.require(call, gateway, "Available", code="IncorrectStatus.Ipv6Gateway")
    if call.store.any(Ipv6Bandwidth, "gateway", gateway.id):
        raise ApiError(
            "DependencyViolation.Ipv6InternetBandwidth",
            f"IPv6 addresses still have public bandwidth by {gateway.id}.",
        )
    if not endings.has_begun(call, gateway, "Deleting", longest=_LONGEST_DELETION):
        call.store.remove(gateway)
    return {}


def settle(call: Call) -> None:
    """Remove the IPv6 gateways whose deletion has ended."""
    for gateway in endings.ended(call, Ipv6Gateway):
        call.store.remove(gateway)
