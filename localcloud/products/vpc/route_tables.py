"""Route tables: the system one of each VPC, its entries, and custom entries."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud import addressing, paging
from localcloud.actions import Answer, Call, action, moment
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError

from .entities import NatGateway, RouteEntry, Vpc, VSwitch


@dataclass(frozen=True, kw_only=True)
class DescribeRouteTableList:
    """Parameters of DescribeRouteTableList."""

    region_id: str | None = None
    vpc_id: str | None = None
    route_table_id: str | None = None
    route_table_name: str | None = None
    router_id: str | None = None
    router_type: str | None = None
    resource_group_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_route_table_list(call: Call, request: DescribeRouteTableList) -> Answer:
    """The system route tables of the VPCs."""
    found = [
        v
        for v in call.store.all(Vpc)
        if (not request.vpc_id or v.id == request.vpc_id)
        and (not request.route_table_id or v.route_table_id == request.route_table_id)
        and (not request.router_id or v.router_id == request.router_id)
        and not request.tag
    ]
    part, number, size = paging.page(found, request.page_number, request.page_size)
    return {
        "RouterTableList": {
            "RouterTableListType": [
                {
                    "RouteTableId": v.route_table_id,
                    "RouteTableName": v.route_table_name,
                    "RouteTableType": "System",
                    "AssociateType": "VSwitch",
                    "RouterId": v.router_id,
                    "RouterType": "VRouter",
                    "VpcId": v.id,
                    "VSwitchIds": {
                        "VSwitchId": [s.id for s in call.store.where(VSwitch, "vpc", v.id)]
                    },
                    "GatewayIds": {"GatewayIds": []},
                    "RoutePropagationEnable": True,
                    "Description": "",
                    "OwnerId": int(call.cloud.account_id),
                    "ResourceGroupId": v.resource_group_id,
                    "Status": v.life.at(call.now),
                    "CreationTime": moment(v.created),
                    "Tags": {"Tag": []},
                }
                for v in part
            ]
        },
        "TotalCount": len(found),
        "PageNumber": number,
        "PageSize": size,
    }


def _vpc_of(call: Call, table_id: str) -> Vpc:
    for vpc in call.store.all(Vpc):
        if vpc.route_table_id == table_id:
            return vpc
    raise ApiError("InvalidRouteTableId.NotFound", f"Route table {table_id!r} does not exist.", 404)


def _entry_shown(call: Call, entry: RouteEntry) -> dict[str, object]:
    return {
        "RouteTableId": entry.route_table_id,
        "RouteEntryId": entry.id,
        "RouteEntryName": entry.name,
        "Description": entry.description,
        "DestinationCidrBlock": entry.destination,
        "IpVersion": "ipv4",
        "Type": "Custom",
        "Origin": "User",
        "Status": entry.life.at(call.now),
        "NextHops": {
            "NextHop": [
                {
                    "NextHopType": entry.next_hop_type,
                    "NextHopId": entry.next_hop_id,
                    "NextHopRegionId": call.cloud.region,
                    "Enabled": 1,
                    "Weight": 0,
                }
            ]
        },
    }


def _system_entry(vpc: Vpc, destination: str) -> dict[str, object]:
    return {
        "RouteTableId": vpc.route_table_id,
        "RouteEntryId": "",
        "RouteEntryName": "",
        "Description": "",
        "DestinationCidrBlock": destination,
        "IpVersion": "ipv4",
        "Type": "System",
        "Origin": "System",
        "Status": "Available",
        "NextHops": {"NextHop": [{"NextHopType": "local", "NextHopId": "", "Enabled": 1}]},
    }


@dataclass(frozen=True, kw_only=True)
class DescribeRouteEntryList:
    """Parameters of DescribeRouteEntryList."""

    route_table_id: str
    region_id: str | None = None
    route_entry_id: str | None = None
    route_entry_type: str | None = None
    destination_cidr_block: str | None = None
    next_hop_id: str | None = None
    next_hop_type: str | None = None
    ip_version: str | None = None
    max_result: int | None = None
    next_token: str | None = None


@action()
def describe_route_entry_list(call: Call, request: DescribeRouteEntryList) -> Answer:
    """A route table's entries: one for each vSwitch, and the custom ones."""
    vpc = _vpc_of(call, request.route_table_id)
    entries: list[dict[str, object]] = []
    if request.route_entry_type in {None, "", "System"} and not request.next_hop_id:
        entries += [_system_entry(vpc, v.cidr) for v in call.store.where(VSwitch, "vpc", vpc.id)]
        entries.append(_system_entry(vpc, "100.64.0.0/10"))
    if request.route_entry_type in {None, "", "Custom"}:
        entries += [
            _entry_shown(call, e)
            for e in call.store.where(RouteEntry, "table", vpc.route_table_id)
            if (not request.next_hop_id or e.next_hop_id == request.next_hop_id)
            and (not request.route_entry_id or e.id == request.route_entry_id)
        ]
    if request.destination_cidr_block:
        entries = [
            e for e in entries if e["DestinationCidrBlock"] == request.destination_cidr_block
        ]
    part, following = paging.by_token(
        entries, request.next_token, request.max_result, usual=50, most=500
    )
    return {"RouteEntrys": {"RouteEntry": list(part)}, "NextToken": following}


@dataclass(frozen=True, kw_only=True)
class CreateRouteEntry:
    """Parameters of CreateRouteEntry."""

    route_table_id: str
    destination_cidr_block: str
    next_hop_id: str
    next_hop_type: str = "Instance"
    region_id: str | None = None
    route_entry_name: str = ""
    description: str = ""


@action(writes=True)
def create_route_entry(call: Call, request: CreateRouteEntry) -> Answer:
    """A custom route to an instance, ENI or NAT gateway."""
    vpc = _vpc_of(call, request.route_table_id)
    destination = str(
        addressing.given_block(
            request.destination_cidr_block, "InvalidCIDRBlock.Malformed", "DestinationCidrBlock"
        )
    )
    hops = {
        "Instance": Instance,
        "NetworkInterface": NetworkInterface,
        "NatGateway": NatGateway,
    }
    hop = hops.get(request.next_hop_type)
    if hop is None or call.store.find(hop, request.next_hop_id) is None:
        raise ApiError(
            "InvalidNextHop.NotFound",
            f"{request.next_hop_type} {request.next_hop_id!r} does not exist.",
            404,
        )
    if any(
        e.destination == destination
        for e in call.store.where(RouteEntry, "table", request.route_table_id)
    ):
        raise ApiError(
            "InvalidCIDRBlock.Duplicate", f"The route table already has a route to {destination}."
        )
    entry = call.store.put(
        RouteEntry(
            id=call.new_id("rte"),
            route_table_id=vpc.route_table_id,
            vpc_id=vpc.id,
            destination=destination,
            next_hop_type=request.next_hop_type,
            next_hop_id=request.next_hop_id,
            name=request.route_entry_name,
            description=request.description,
            life=call.passing(("Pending", 1.0), to="Available"),
        )
    )
    return {"RouteEntryId": entry.id}


@dataclass(frozen=True, kw_only=True)
class DeleteRouteEntry:
    """Parameters of DeleteRouteEntry."""

    route_table_id: str | None = None
    route_entry_id: str | None = None
    destination_cidr_block: str | None = None
    next_hop_id: str | None = None
    region_id: str | None = None


@action(writes=True)
def delete_route_entry(call: Call, request: DeleteRouteEntry) -> Answer:
    """Delete a custom route, by id or by table and destination."""
    for entry in list(call.store.all(RouteEntry)):
        by_id = bool(request.route_entry_id) and entry.id == request.route_entry_id
        by_destination = (
            entry.route_table_id == request.route_table_id
            and entry.destination == request.destination_cidr_block
        )
        if by_id or by_destination:
            call.store.remove(entry)
            return {}
    raise ApiError("InvalidRouteEntry.NotFound", "The route entry does not exist.", 404)
