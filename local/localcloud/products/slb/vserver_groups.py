"""vServer groups of CLBs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products.lookup import Lookup
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from . import load_balancers
from .default_servers import MOST_SERVERS, ServerParameter, server
from .entities import ForwardingRule, Server, VServerGroup
from .load_balancers import slb_moment
from .tagging import TAG_CODES

_PORTS: Final = range(1, 65536)
_MOST_AT_ONCE: Final = 40
"""The text of BackendServers allows 20 in a call, but cloud-provider-alibaba-cloud sends 39 or 40
(MaxBackendNum, BatchRegisterDeregisterServersMaxNum at eeb0ddc)."""

find: Final = Lookup(VServerGroup, "VServerGroupId", "InvalidParameter")


def _servers(servers: Iterable[Server]) -> dict[str, list[dict[str, object]]]:
    return {
        "BackendServer": [{**load_balancers.default_server(s), "Port": s.port} for s in servers]
    }


def _key(member: Server) -> tuple[str, str, int]:
    return member.id, member.ip, member.port


@dataclass(frozen=True, kw_only=True)
class CreateVServerGroup:
    """Parameters of CreateVServerGroup. BackendServers is a JSON array."""

    load_balancer_id: str
    region_id: str | None = None
    name: str = wire("VServerGroupName", default="")
    backend_servers: tuple[ServerParameter, ...] = ()
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_vserver_group(call: Call, request: CreateVServerGroup) -> Answer:
    """Create a group of servers with ports, for use by listeners."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    _check_number(call, balancer.id, len(request.backend_servers))
    group = call.store.put(
        VServerGroup(
            id=call.new_id("rsp"),
            load_balancer_id=balancer.id,
            name=request.name,
            servers=tuple(_with(call, (), request.backend_servers)),
            created=call.now,
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {"VServerGroupId": group.id, "BackendServers": _servers(group.servers)}


@dataclass(frozen=True, kw_only=True)
class DescribeVServerGroups:
    """Parameters of DescribeVServerGroups."""

    load_balancer_id: str
    region_id: str | None = None
    description: str | None = None
    include_listener: bool | None = None
    include_rule: bool | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_vserver_groups(call: Call, request: DescribeVServerGroups) -> Answer:
    """List a CLB's vServer groups."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    return {
        "VServerGroups": {
            "VServerGroup": [
                {
                    "VServerGroupId": g.id,
                    "VServerGroupName": g.name,
                    "ServerCount": len(g.servers),
                    "CreateTime": slb_moment(g.created),
                    "Tags": tags.ecs(g.tags),
                    "AssociatedObjects": {
                        "Listeners": {
                            "Listener": [
                                {"Port": x.port, "Protocol": x.protocol}
                                for x in balancer.listeners
                                if x.setting("VServerGroupId") == g.id
                            ]
                        },
                        "Rules": {
                            "Rule": [
                                {
                                    "RuleId": rule.id,
                                    "RuleName": rule.name,
                                    "Domain": rule.domain,
                                    "Url": rule.url,
                                }
                                for rule in call.store.where(ForwardingRule, "group", g.id)
                            ]
                        },
                    },
                }
                for g in call.store.where(VServerGroup, "load_balancer", balancer.id)
                if tags.match(g.tags, request.tag)
            ]
        }
    }


@dataclass(frozen=True, kw_only=True)
class DescribeVServerGroupAttribute:
    """Parameters of DescribeVServerGroupAttribute."""

    group_id: str = wire("VServerGroupId")
    region_id: str | None = None


@action()
def describe_vserver_group_attribute(call: Call, request: DescribeVServerGroupAttribute) -> Answer:
    """Describe one vServer group with its servers."""
    group = find(call, request.group_id)
    return {
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "LoadBalancerId": group.load_balancer_id,
        "CreateTime": slb_moment(group.created),
        "Tags": tags.ecs(group.tags),
        "BackendServers": {
            "BackendServer": [
                {**load_balancers.default_server(s), "Port": s.port, "ServerIp": s.ip}
                for s in group.servers
            ]
        },
    }


@dataclass(frozen=True, kw_only=True)
class AddVServerGroupBackendServers:
    """Parameters of AddVServerGroupBackendServers. BackendServers is a JSON array."""

    group_id: str = wire("VServerGroupId")
    backend_servers: tuple[ServerParameter, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemoveVServerGroupBackendServers(AddVServerGroupBackendServers):
    """Parameters of RemoveVServerGroupBackendServers."""


@dataclass(frozen=True, kw_only=True)
class SetVServerGroupAttribute:
    """Parameters of SetVServerGroupAttribute."""

    group_id: str = wire("VServerGroupId")
    region_id: str | None = None
    name: str | None = wire("VServerGroupName", default=None)
    backend_servers: tuple[ServerParameter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModifyVServerGroupBackendServers:
    """Parameters of ModifyVServerGroupBackendServers. Both parameters are JSON arrays."""

    group_id: str = wire("VServerGroupId")
    region_id: str | None = None
    old_backend_servers: tuple[ServerParameter, ...] = ()
    new_backend_servers: tuple[ServerParameter, ...] = ()


def _check_number(call: Call, balancer_id: str, added: int) -> None:
    """Raise if the groups of a CLB would have more servers than its quota allows.

    It is a guess that the quota counts the servers of all groups together. On this code,
    cloud-provider-alibaba-cloud removes servers first (pkg/controller/service/clbv1 at eeb0ddc).
    """
    groups = call.store.where(VServerGroup, "load_balancer", balancer_id)
    number = sum(len(group.servers) for group in groups) + added
    if number > MOST_SERVERS:
        raise ApiError(
            "InstanceBackendServerNumberOverLimit",
            f"The vServer groups of {balancer_id} would have {number} servers; a CLB has at most "
            f"{MOST_SERVERS}.",
        )


def _put(call: Call, group: VServerGroup, servers: Sequence[Server]) -> dict[str, object]:
    if len(servers) > len(group.servers):
        _check_number(call, group.load_balancer_id, len(servers) - len(group.servers))
    call.store.change(group, servers=tuple(servers))
    return {"VServerGroupId": group.id, "BackendServers": _servers(servers)}


def _without(members: Sequence[Server], gone: Sequence[ServerParameter]) -> list[Server]:
    def matches(s: Server, g: ServerParameter) -> bool:
        return s.id == g.server_id and s.port == g.port and g.server_ip in {"", s.ip}

    return [s for s in members if not any(matches(s, g) for g in gone)]


def _with(
    call: Call, members: Sequence[Server], parameters: Sequence[ServerParameter]
) -> list[Server]:
    if len(parameters) > _MOST_AT_ONCE:
        raise invalid(
            "BackendServers", len(parameters), f"a request has at most {_MOST_AT_ONCE} servers"
        )
    servers = {_key(s): s for s in members}
    for item in parameters:
        if item.port not in _PORTS:
            raise invalid("Port", item.port, "it must be 1 to 65535")
        added = server(call, item)
        servers[_key(added)] = added
    return list(servers.values())


@action(writes=True)
def add_vserver_group_backend_servers(call: Call, request: AddVServerGroupBackendServers) -> Answer:
    """Add servers to a group. An existing server gets its new weight."""
    group = find(call, request.group_id)
    return _put(call, group, _with(call, group.servers, request.backend_servers))


@action(writes=True)
def remove_vserver_group_backend_servers(
    call: Call, request: RemoveVServerGroupBackendServers
) -> Answer:
    """Remove servers by id and port (and by address, for ENIs)."""
    group = find(call, request.group_id)
    left = _without(group.servers, request.backend_servers)
    answer = _put(call, group, left)
    shown = _servers(left)["BackendServer"]
    for row in shown:
        del row["Description"]
    return {**answer, "BackendServers": {"BackendServer": shown}}


@action(writes=True)
def modify_vserver_group_backend_servers(
    call: Call, request: ModifyVServerGroupBackendServers
) -> Answer:
    """Remove some servers and add others in one step."""
    group = find(call, request.group_id)
    left = _without(group.servers, request.old_backend_servers)
    return _put(call, group, _with(call, left, request.new_backend_servers))


@action(writes=True)
def set_vserver_group_attribute(call: Call, request: SetVServerGroupAttribute) -> Answer:
    """Rename a group or change the weights of its servers."""
    group = find(call, request.group_id)
    if request.name is not None:
        group = call.store.change(group, name=request.name)
    new = {(g.server_id, g.port): g for g in request.backend_servers}
    servers = [
        dataclasses.replace(s, weight=new[s.id, s.port].weight) if (s.id, s.port) in new else s
        for s in group.servers
    ]
    return {"VServerGroupName": group.name, **_put(call, group, servers)}


@dataclass(frozen=True, kw_only=True)
class DeleteVServerGroup:
    """Parameters of DeleteVServerGroup."""

    group_id: str = wire("VServerGroupId")
    region_id: str | None = None


@action(writes=True)
def delete_vserver_group(call: Call, request: DeleteVServerGroup) -> Answer:
    """Delete a group that is not used by a listener."""
    group = find(call, request.group_id)
    balancer = load_balancers.find(call, group.load_balancer_id)
    if any(x.setting("VServerGroupId") == group.id for x in balancer.listeners):
        raise ApiError("RspoolVipExist", f"A listener still uses {group.id}.")
    if call.store.any(ForwardingRule, "group", group.id):
        raise ApiError("RspoolVipExist", f"A forwarding rule still uses {group.id}.")
    call.store.remove(group)
    return {}
