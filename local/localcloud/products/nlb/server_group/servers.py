"""The servers of server groups: instances, ENIs with their pods' addresses, bare addresses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Final

from localcloud import addressing
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.nlb.entities import REMOVED, NlbServer, NlbServerGroup
from localcloud.products.nlb.server_group import server_groups
from localcloud.requests import paging
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.hostility import shuffled
from localcloud.wire.errors import ApiError

_MOST_AT_ONCE: Final = 200
_WEIGHTS: Final = range(101)
_PORTS: Final = range(1, 65536)
_PRIVATE: Final = tuple(
    IPv4Network(block)
    for block in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
)


@dataclass(frozen=True, kw_only=True)
class ServerParameter:
    """`Servers.N` of a request."""

    server_id: str
    server_type: str
    server_ip: str = ""
    port: int = 0
    weight: int = 100
    description: str = ""


def _no_such(what: str, server_id: str) -> ApiError:
    return ApiError(
        f"ResourceNotFound.{what}",
        f"The specified resource of {what} {server_id[:60]!r} is not found.",
        404,
    )


def _parsed(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ApiError(
            "IllegalParam.IP", f"The param of ServerIp is illegal: {text[:60]!r}."
        ) from None


def _of_instance(call: Call, group: NlbServerGroup, parameter: ServerParameter) -> tuple[str, str]:
    instance = call.store.find(Instance, parameter.server_id)
    if instance is None:
        raise _no_such("Ecs", parameter.server_id)
    if instance.vpc_id != group.vpc_id:
        raise _other_vpc(group, instance.vpc_id)
    enis = call.store.where(NetworkInterface, "instance", instance.id)
    primary = next(e for e in enis if e.primary)
    own = {ip for e in enis for ip in (e.address, *e.secondary, *e.ipv6)}
    if parameter.server_ip and parameter.server_ip not in own:
        raise ApiError(
            "IllegalParam.IP",
            f"The param of ServerIp is illegal: {parameter.server_ip[:60]!r} is no address of "
            f"{instance.id}.",
        )
    return parameter.server_ip or primary.address, instance.zone


def _of_eni(call: Call, group: NlbServerGroup, parameter: ServerParameter) -> tuple[str, str]:
    eni = call.store.find(NetworkInterface, parameter.server_id)
    if eni is None:
        raise _no_such("Eni", parameter.server_id)
    if eni.vpc_id != group.vpc_id:
        raise _other_vpc(group, eni.vpc_id)
    if eni.life.at(call.now) != "InUse":
        raise ApiError("IncorrectStatus.Eni", f"Eni status is invalid: {eni.id} is not InUse.")
    requested = parameter.server_ip or eni.address
    address = _parsed(requested)
    in_prefix = isinstance(address, IPv4Address) and any(
        address in addressing.block(prefix) for prefix in eni.prefixes
    )
    if str(address) not in {eni.address, *eni.secondary, *eni.ipv6} and not in_prefix:
        raise ApiError(
            "IllegalParam.IP",
            f"The param of ServerIp is illegal: {requested[:60]!r} is no address of {eni.id}.",
        )
    return str(address), eni.zone


def _of_address(parameter: ServerParameter) -> tuple[str, str]:
    address = _parsed(parameter.server_ip or parameter.server_id)
    if isinstance(address, IPv4Address) and not any(address in block for block in _PRIVATE):
        raise ApiError(
            "IllegalParam.IP", f"The param of ServerIp is illegal: {address} is not private."
        )
    return str(address), ""


def _other_vpc(group: NlbServerGroup, vpc_id: str) -> ApiError:
    return ApiError("Mismatch.VpcId", f"The VpcId is mismatched for {group.vpc_id} and {vpc_id}.")


def _checked(call: Call, group: NlbServerGroup, parameter: ServerParameter) -> NlbServer:
    """The server of a request. Raises if it does not exist or does not fit the group."""
    if parameter.weight not in _WEIGHTS:
        raise ApiError("IllegalParam", "The param of Weight is illegal: it must be 0 to 100.")
    if (parameter.port == 0) != group.any_port or not (group.any_port or parameter.port in _PORTS):
        raise ApiError(
            "IllegalParam.RSPortConflictWithServerGroup",
            "The param of RSPortConflictWithServerGroup is illegal: "
            f"port {parameter.port} in {group.id}.",
        )
    if parameter.server_type == "Ip" and group.kind == server_groups.IP_GROUP:
        ip, zone = _of_address(parameter)
    elif parameter.server_type == "Ecs" and group.kind != server_groups.IP_GROUP:
        ip, zone = _of_instance(call, group, parameter)
    elif parameter.server_type == "Eni" and group.kind != server_groups.IP_GROUP:
        ip, zone = _of_eni(call, group, parameter)
    else:
        raise ApiError(
            "Mismatch.ServerType",
            f"The ServerType is mismatched for {parameter.server_type[:20]!r} and {group.kind}.",
        )
    if ":" in ip and group.address_ip_version != "DualStack":
        raise ApiError(
            "OperationDenied.ServerGroupNotSupportIpv6",
            "The operation is not allowed because of ServerGroupNotSupportIpv6.",
        )
    return NlbServer(
        kind=parameter.server_type,
        id=parameter.server_id,
        ip=ip,
        port=parameter.port,
        weight=parameter.weight,
        description=parameter.description,
        zone=zone,
        life=call.passing(("Adding", 1.0), to="Available"),
    )


@dataclass(frozen=True, kw_only=True)
class AddServersToServerGroup:
    """Parameters of AddServersToServerGroup."""

    server_group_id: str
    servers: tuple[ServerParameter, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemoveServersFromServerGroup:
    """Parameters of RemoveServersFromServerGroup."""

    server_group_id: str
    servers: tuple[ServerParameter, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateServerGroupServersAttribute:
    """Parameters of UpdateServerGroupServersAttribute."""

    server_group_id: str
    servers: tuple[ServerParameter, ...]
    region_id: str | None = None


def _few(servers: tuple[ServerParameter, ...], *, code: str = "IllegalParam.Servers") -> None:
    if len(servers) > _MOST_AT_ONCE:
        raise ApiError(code, f"The param of Servers is illegal: at most {_MOST_AT_ONCE} at a time.")


@action(writes=True)
def add_servers(call: Call, request: AddServersToServerGroup) -> Answer:
    """Add servers. The id, address and port together identify a server in the group."""
    group = server_groups.ready(call, request.server_group_id)
    _few(request.servers, code="IllegalParam")
    servers = {s.key: s for s in group.servers}
    added: set[tuple[str, str, int]] = set()
    for parameter in request.servers:
        server = _checked(call, group, parameter)
        if server.key in added:
            raise ApiError("DuplicatedParam.Server", "The param of Server is duplicated.")
        if server.key in servers and servers[server.key].life.at(call.now) != REMOVED:
            raise ApiError(
                "ResourceAlreadyExist.Server",
                f"{server.id} {server.ip}:{server.port} is already in {group.id}.",
            )
        added.add(server.key)
        servers[server.key] = server
    name = "AddServersToServerGroup"
    return server_groups.configure(call, group, name, servers=tuple(servers.values()))


def _named(group: NlbServerGroup, parameter: ServerParameter) -> NlbServer:
    for server in group.servers:
        if (
            server.id == parameter.server_id
            and server.port == parameter.port
            and (not parameter.server_ip or server.ip == parameter.server_ip)
        ):
            return server
    raise _no_such("BackendServer", parameter.server_id)


@action(writes=True)
def remove_servers(call: Call, request: RemoveServersFromServerGroup) -> Answer:
    """Remove servers. They are Removing until their connections are drained."""
    group = server_groups.ready(call, request.server_group_id)
    _few(request.servers)
    gone = {_named(group, parameter).key for parameter in request.servers}
    life = call.passing(("Removing", 1.0), to=REMOVED)
    left = tuple(dataclasses.replace(s, life=life) if s.key in gone else s for s in group.servers)
    return server_groups.configure(call, group, "RemoveServersFromServerGroup", servers=left)


@action(writes=True)
def update_servers(call: Call, request: UpdateServerGroupServersAttribute) -> Answer:
    """Change the weights and descriptions of servers."""
    group = server_groups.ready(call, request.server_group_id)
    _few(request.servers)
    changed: dict[tuple[str, str, int], NlbServer] = {}
    for parameter in request.servers:
        if parameter.weight not in _WEIGHTS:
            raise ApiError(
                "IllegalParam.Weight", "The param of Weight is illegal: it must be 0 to 100."
            )
        before = _named(group, parameter)
        changed[before.key] = dataclasses.replace(
            before,
            weight=parameter.weight,
            description=parameter.description or before.description,
            life=call.passing(("Configuring", 1.0), to="Available"),
        )
    servers = tuple(changed.get(s.key, s) for s in group.servers)
    return server_groups.configure(
        call, group, "UpdateServerGroupServersAttribute", servers=servers
    )


@dataclass(frozen=True, kw_only=True)
class ListServerGroupServers:
    """Parameters of ListServerGroupServers."""

    server_group_id: str
    region_id: str | None = None
    server_ids: tuple[str, ...] = ()
    server_ips: tuple[str, ...] = ()
    next_token: str | None = None
    max_results: int | None = None


@action()
def list_server_group_servers(call: Call, request: ListServerGroupServers) -> Answer:
    """List the servers of a group."""
    group = server_groups.find(call, request.server_group_id)
    rows = [
        {
            "ServerGroupId": group.id,
            "ServerId": s.id,
            "ServerType": s.kind,
            "ServerIp": s.ip,
            "Port": s.port,
            "Weight": s.weight,
            "Description": s.description,
            "Status": s.life.at(call.now),
            "ZoneId": s.zone,
        }
        for s in group.servers
        if s.life.at(call.now) != REMOVED
        and (not request.server_ids or s.id in request.server_ids)
        and (not request.server_ips or s.ip in request.server_ips)
    ]
    mixed = shuffled(call.cloud, rows)
    return paging.token_answer("Servers", mixed, request.next_token, request.max_results)
