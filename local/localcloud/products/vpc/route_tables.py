"""Route tables: the system table of each VPC and its system and custom entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud import addressing
from localcloud.products import filters, statuses, texts
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests import paging
from localcloud.requests.actions import Answer, Call, action, minute, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from .entities import NatGateway, RouteEntry, Vpc, VSwitch

_EVERYWHERE: Final = "0.0.0.0/0"
_SYSTEM_BLOCK: Final = "100.64.0.0/10"
_MOST_ENTRIES: Final = 200
_LOCAL: Final = "local"
_ENTRY_TYPES: Final = ("System", "Custom", "BGP", "CEN", "ECR")
_IP_VERSIONS: Final = frozenset({"ipv4", "ipv6"})


@dataclass(frozen=True, kw_only=True)
class DescribeRouteTableList(PageRequest):
    """Parameters of DescribeRouteTableList."""

    region_id: str | None = None
    vpc_id: str | None = None
    route_table_id: str | None = None
    route_table_name: str | None = None
    router_id: str | None = None
    router_type: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _table_shown(call: Call, v: Vpc) -> dict[str, object]:
    return {
        "RouteTableId": v.route_table_id,
        "RouteTableName": v.route_table_name,
        "RouteTableType": "System",
        "AssociateType": "VSwitch",
        "RouterId": v.router_id,
        "RouterType": "VRouter",
        "VpcId": v.id,
        "VSwitchIds": {"VSwitchId": [s.id for s in call.store.where(VSwitch, "vpc", v.id)]},
        "GatewayIds": {"GatewayIds": []},
        "RoutePropagationEnable": v.route_propagation,
        "Description": v.route_table_description,
        "OwnerId": int(call.cloud.account_id),
        "ResourceGroupId": v.resource_group_id,
        "Status": v.life.at(call.now),
        "CreationTime": moment(v.created),
        "Tags": {"Tag": []},
    }


_TABLES: Final = Table("RouterTableList", "RouterTableListType", _table_shown, most=50)


@action()
def describe_route_table_list(call: Call, request: DescribeRouteTableList) -> Answer:
    """List the system route tables of the VPCs."""
    vpcs = [
        v
        for v in call.store.all(Vpc)
        if filters.equal(request.vpc_id, v.id)
        and filters.equal(request.route_table_id, v.route_table_id)
        and filters.equal(request.router_id, v.router_id)
        and filters.equal(request.router_type, "VRouter")
        and filters.equal(request.route_table_name, v.route_table_name)
        and filters.equal(request.resource_group_id, v.resource_group_id)
        and not request.tag
    ]
    return _TABLES.numbered(call, vpcs, request)


def _vpc_of(
    call: Call, table_id: str, *, code: str = "InvalidRouteTableId.NotFound", status: int = 404
) -> Vpc:
    for vpc in call.store.all(Vpc):
        if vpc.route_table_id == table_id:
            return vpc
    raise ApiError(code, f"Route table {table_id[:80]!r} does not exist.", status)


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
        # Entries never change. The SDK's text shows the format of the time.
        "GmtModified": minute(entry.life.began),
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


def _system_entry(vpc: Vpc, destination: str, created: float) -> dict[str, object]:
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
        "GmtModified": minute(created),
        "NextHops": {"NextHop": [{"NextHopType": _LOCAL, "NextHopId": "", "Enabled": 1}]},
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
    """List the entries of a route table: one for each vSwitch, and the custom ones."""
    vpc = _vpc_of(call, request.route_table_id, code="InvalidRouteTable.NotFound", status=400)
    if request.route_entry_type and request.route_entry_type not in _ENTRY_TYPES:
        raise ApiError(
            "IllegalParam.RouteEntryType",
            f"RouteEntryType must be one of {', '.join(_ENTRY_TYPES)}.",
        )
    if request.ip_version and request.ip_version.lower() not in _IP_VERSIONS:
        raise ApiError("IllegalParam.IpVersion", "IpVersion must be IPv4 or IPv6.")
    entries: list[dict[str, object]] = []
    is_local = not (request.next_hop_id or request.route_entry_id) and filters.equal(
        request.next_hop_type, _LOCAL
    )
    if request.route_entry_type in {None, "", "System"} and is_local:
        entries += [
            _system_entry(vpc, vswitch.cidr, vswitch.created)
            for vswitch in call.store.where(VSwitch, "vpc", vpc.id)
        ]
        entries.append(_system_entry(vpc, _SYSTEM_BLOCK, vpc.created))
    if request.route_entry_type in {None, "", "Custom"}:
        entries += [
            _entry_shown(call, e)
            for e in call.store.where(RouteEntry, "table", vpc.route_table_id)
            if filters.equal(request.next_hop_id, e.next_hop_id)
            and filters.equal(request.next_hop_type, e.next_hop_type)
            and filters.equal(request.route_entry_id, e.id)
        ]
    # There are no IPv6 entries here.
    if request.ip_version and request.ip_version.lower() != "ipv4":
        entries = []
    if request.destination_cidr_block:
        entries = [
            e for e in entries if e["DestinationCidrBlock"] == request.destination_cidr_block
        ]
    part, following = paging.page_by_token(
        entries,
        request.next_token,
        request.max_result,
        usual=50,
        most=500,
        codes=paging.ILLEGAL_CODES,
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
    """Create a custom route to an instance, ENI or NAT gateway."""
    return {"RouteEntryId": _create(call, request).id}


def _create(call: Call, request: CreateRouteEntry) -> RouteEntry:
    vpc = _vpc_of(call, request.route_table_id)
    texts.check(request.route_entry_name, "InvalidRouteEntryName.Malformed")
    texts.check(request.description, "InvalidDescription.Malformed", texts.DESCRIPTION)
    destination = str(
        addressing.requested_block(
            request.destination_cidr_block, "InvalidCidrBlock.Malformed", "DestinationCidrBlock"
        )
    )
    hops = {
        "Instance": Instance,
        "NetworkInterface": NetworkInterface,
        "NatGateway": NatGateway,
    }
    hop = hops.get(request.next_hop_type)
    if hop is None:
        raise ApiError(
            "InvalidNextHopType",
            f"NextHopType {request.next_hop_type[:40]!r} is not one of {', '.join(hops)}.",
        )
    if call.store.find(hop, request.next_hop_id) is None:
        raise ApiError(
            "InvalidNextHopId.NotFound",
            f"{request.next_hop_type} {request.next_hop_id[:80]!r} does not exist.",
            404,
        )
    if addressing.overlaps_system(addressing.block(destination)) and destination != _EVERYWHERE:
        raise ApiError(
            "InvalidDestinationCidrBlock",
            f"{destination} overlaps with {_SYSTEM_BLOCK}, which the cloud's own services have.",
        )
    if call.store.size(RouteEntry, "table", vpc.route_table_id) >= _MOST_ENTRIES:
        raise ApiError(
            "Forbidden.CheckEntryRuleQuota",
            f"A route table has at most {_MOST_ENTRIES} custom entries.",
        )
    if destination in _destinations(call, vpc):
        raise ApiError(
            "InvalidCIDRBlock.Duplicate", f"The route table already has a route to {destination}."
        )
    return call.store.put(
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


def _destinations(call: Call, vpc: Vpc) -> set[str]:
    """The destinations of the custom entries and of the system's, one for each vSwitch."""
    return {
        *(e.destination for e in call.store.where(RouteEntry, "table", vpc.route_table_id)),
        *(v.cidr for v in call.store.where(VSwitch, "vpc", vpc.id)),
    }


@dataclass(frozen=True, kw_only=True)
class NewRoute:
    """`RouteEntries.N` of CreateRouteEntries."""

    route_table_id: str
    dst_cidr_block: str
    next_hop: str
    next_hop_type: str = "Instance"
    name: str = ""
    description: str = ""
    ip_version: int = 4


@dataclass(frozen=True, kw_only=True)
class CreateRouteEntries:
    """Parameters of CreateRouteEntries."""

    route_entries: tuple[NewRoute, ...]
    region_id: str | None = None


@action(writes=True)
def create_route_entries(call: Call, request: CreateRouteEntries) -> Answer:
    """Create several routes. A route that fails is reported, and the others are created."""
    created: list[str] = []
    failed: list[dict[str, object]] = []
    for route in request.route_entries:
        creation = CreateRouteEntry(
            route_table_id=route.route_table_id,
            destination_cidr_block=route.dst_cidr_block,
            next_hop_id=route.next_hop,
            next_hop_type=route.next_hop_type,
            route_entry_name=route.name,
            description=route.description,
        )
        try:
            created.append(_create(call, creation).id)
        except ApiError as refusal:
            failed.append(_failure(refusal, route.dst_cidr_block, route.next_hop))
    return {
        "RouteEntryIds": created,
        "SuccessCount": len(created),
        "FailedCount": len(failed),
        "FailedRouteEntries": failed,
    }


def _failure(refusal: ApiError, destination: str, hop: str) -> dict[str, object]:
    return {
        "DstCidrBlock": destination,
        "NextHop": hop,
        "FailedCode": refusal.code,
        "FailedMessage": refusal.message,
    }


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
    """Delete a custom route by its id, or by its table and destination."""
    _remove(call, request)
    return {}


def _remove(call: Call, request: DeleteRouteEntry) -> None:
    for entry in list(call.store.all(RouteEntry)):
        by_id = bool(request.route_entry_id) and entry.id == request.route_entry_id
        by_destination = (
            entry.route_table_id == request.route_table_id
            and entry.destination == request.destination_cidr_block
        )
        if by_id or by_destination:
            statuses.require(call, entry, "Available", code="IncorrectRouteEntryStatus")
            call.store.remove(entry)
            return
    if request.route_table_id and not request.route_entry_id:
        vpc = _vpc_of(call, request.route_table_id)
        if request.destination_cidr_block in _destinations(call, vpc):
            raise ApiError(
                "OperationDenied", f"{request.destination_cidr_block} is a route of the system."
            )
    raise ApiError("InvalidRouteEntry.NotFound", "The route entry does not exist.")


@dataclass(frozen=True, kw_only=True)
class OldRoute:
    """`RouteEntries.N` of DeleteRouteEntries."""

    route_table_id: str = ""
    route_entry_id: str = ""
    dst_cidr_block: str = ""
    next_hop: str = ""


@dataclass(frozen=True, kw_only=True)
class DeleteRouteEntries:
    """Parameters of DeleteRouteEntries."""

    route_entries: tuple[OldRoute, ...]
    region_id: str | None = None


@action(writes=True)
def delete_route_entries(call: Call, request: DeleteRouteEntries) -> Answer:
    """Delete several routes. A route that fails is reported, and the others are deleted."""
    failed: list[dict[str, object]] = []
    for route in request.route_entries:
        deletion = DeleteRouteEntry(
            route_table_id=route.route_table_id or None,
            route_entry_id=route.route_entry_id or None,
            destination_cidr_block=route.dst_cidr_block or None,
        )
        try:
            _remove(call, deletion)
        except ApiError as refusal:
            failure = _failure(refusal, route.dst_cidr_block, route.next_hop)
            failed.append({**failure, "RouteEntryId": route.route_entry_id})
    return {
        "SuccessCount": len(request.route_entries) - len(failed),
        "FailedCount": len(failed),
        "FailedRouteEntries": failed,
    }


@dataclass(frozen=True, kw_only=True)
class ModifyRouteTableAttributes:
    """Parameters of ModifyRouteTableAttributes."""

    route_table_id: str
    region_id: str | None = None
    route_table_name: str | None = None
    description: str | None = None
    route_propagation_enable: bool | None = None


@action(writes=True)
def modify_route_table_attributes(call: Call, request: ModifyRouteTableAttributes) -> Answer:
    """Change a route table. Attributes that the request leaves out stay as they are."""
    vpc = _vpc_of(call, request.route_table_id, code="ResourceNotFound.RouteTable", status=400)
    # The reference has this spelling.
    texts.check(request.route_table_name, "Abs.InvaliTableName.Malformed")
    texts.check(request.description, "InvalidDescription.Malformed", texts.DESCRIPTION)
    changes = requested(
        route_table_name=request.route_table_name,
        route_table_description=request.description,
        route_propagation=request.route_propagation_enable,
    )
    call.store.change(vpc, **changes)
    return {}
