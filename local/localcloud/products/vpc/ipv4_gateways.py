"""IPv4 gateways, which connect EIPs to bare addresses of a VPC.

The rules are on the pages CreateIpv4Gateway, EnableVpcIpv4Gateway, GetIpv4GatewayAttribute and
DeleteIpv4Gateway (2025-12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import endings, resource_groups, statuses
from localcloud.products.lookup import Lookup
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from . import eips, vpcs
from .entities import DEFAULT_RESOURCE_GROUP, Eip, Ipv4Gateway
from .tagging import TAG_CODES

_LONGEST_DELETION: Final = 5.0

find: Final = Lookup(Ipv4Gateway, "IPv4 gateway", "ResourceNotFound.Ipv4Gateway", 400)


@dataclass(frozen=True, kw_only=True)
class CreateIpv4Gateway:
    """Parameters of CreateIpv4Gateway."""

    vpc_id: str
    region_id: str | None = None
    ipv4_gateway_name: str = ""
    ipv4_gateway_description: str = ""
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_ipv4_gateway(call: Call, request: CreateIpv4Gateway) -> Answer:
    """Create the IPv4 gateway of a VPC. It is not active yet."""
    vpc = vpcs.find(call, request.vpc_id, code="OperationFailed.VpcNotExist", status=400)
    resource_groups.require(request.resource_group_id, "IllegalParam.ResourceGroupId")
    statuses.require(call, vpc, "Available", code="IncorrectStatus.Vpc")
    if call.store.any(Ipv4Gateway, "vpc", vpc.id):
        raise ApiError(
            "OperationDenied.VpcExistIpv4Gateway", f"The VPC {vpc.id} has an IPv4 gateway."
        )
    gateway = call.store.put(
        Ipv4Gateway(
            id=call.new_id("ipv4gw"),
            name=request.ipv4_gateway_name,
            description=request.ipv4_gateway_description,
            vpc_id=vpc.id,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(("Creating", 2.0), to="Created"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {"Ipv4GatewayId": gateway.id, "ResourceGroupId": gateway.resource_group_id}


@dataclass(frozen=True, kw_only=True)
class EnableVpcIpv4Gateway:
    """Parameters of EnableVpcIpv4Gateway."""

    ipv4_gateway_id: str
    region_id: str | None = None
    route_table_list: tuple[str, ...] = ()


@action(writes=True)
def enable_vpc_ipv4_gateway(call: Call, request: EnableVpcIpv4Gateway) -> Answer:
    """Activate an IPv4 gateway. EIPs can be bound to bare addresses of its VPC from then on."""
    gateway = find(call, request.ipv4_gateway_id)
    statuses.require(call, gateway, "Created", code="IncorrectStatus.Ipv4Gateway")
    if gateway.enabled:
        raise ApiError(
            # The reference has this spelling.
            "OperationFailed.Ipv4GatewayAlreadyActive.",
            f"{gateway.id} is active already.",
        )
    call.store.change(gateway, enabled=True, life=call.passing(("Activating", 2.0), to="Created"))
    return {}


@dataclass(frozen=True, kw_only=True)
class GetIpv4GatewayAttribute:
    """Parameters of GetIpv4GatewayAttribute."""

    ipv4_gateway_id: str
    region_id: str | None = None


@action()
def get_ipv4_gateway_attribute(call: Call, request: GetIpv4GatewayAttribute) -> Answer:
    """Describe one IPv4 gateway."""
    gateway = find(call, request.ipv4_gateway_id)
    return {
        "Ipv4GatewayId": gateway.id,
        "Ipv4GatewayName": gateway.name,
        "Ipv4GatewayDescription": gateway.description,
        "Ipv4GatewayRouteTableId": "",
        "VpcId": gateway.vpc_id,
        "Status": gateway.life.at(call.now),
        "Enabled": gateway.enabled,
        "ResourceGroupId": gateway.resource_group_id,
        "CreateTime": moment(gateway.created),
        "Tags": [{"Key": key, "Value": value} for key, value in gateway.tags],
    }


@dataclass(frozen=True, kw_only=True)
class DeleteIpv4Gateway:
    """Parameters of DeleteIpv4Gateway."""

    ipv4_gateway_id: str
    region_id: str | None = None
    internet_mode: str | None = None


@action(writes=True)
def delete_ipv4_gateway(call: Call, request: DeleteIpv4Gateway) -> Answer:
    """Delete an IPv4 gateway that is not needed for the EIP of a bare address."""
    gateway = find(call, request.ipv4_gateway_id)
    statuses.require(call, gateway, "Created", code="IncorrectStatus.Ipv4Gateway")
    if any(
        e.instance_type == eips.IP_ADDRESS and e.vpc_id == gateway.vpc_id
        for e in call.store.all(Eip)
    ):
        raise ApiError(
            "OperationFailed.Ipv4GatewayUsedByEipBindIpAddress",
            f"An EIP of a private address needs {gateway.id}.",
        )
    if not endings.has_begun(call, gateway, "Deleting", longest=_LONGEST_DELETION):
        call.store.remove(gateway)
    return {}


def settle(call: Call) -> None:
    """Remove the gateways whose deletion has ended."""
    for gateway in endings.ended(call, Ipv4Gateway):
        call.store.remove(gateway)
