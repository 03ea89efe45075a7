"""Server groups."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from localcloud.products import resource_groups, texts
from localcloud.products.lookup import Lookup
from localcloud.products.nlb import endings, jobs
from localcloud.products.nlb.choices import illegal, one_of
from localcloud.products.nlb.entities import (
    DELETED,
    REMOVED,
    HealthCheck,
    NlbListener,
    NlbServerGroup,
)
from localcloud.products.nlb.tagging import TAG_CODES
from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP, Vpc
from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.hostility import shuffled
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

IP_GROUP: Final = "Ip"
_KINDS: Final = ("Instance", IP_GROUP)
_PROTOCOLS: Final = ("TCP", "UDP", "TCP_UDP", "TCPSSL")
_SCHEDULERS: Final = ("Wrr", "Wlc", "Rr", "Sch", "Tch", "Qch")
_VERSIONS: Final = ("Ipv4", "DualStack")
_DRAIN: Final = range(901)


find: Final = Lookup(NlbServerGroup, "serverGroup", "ResourceNotFound.serverGroup", ended=DELETED)


def ready(call: Call, group_id: str) -> NlbServerGroup:
    """The server group, if it can be changed in its present status."""
    group = find(call, group_id)
    status = group.life.at(call.now)
    if status != "Available":
        raise ApiError(
            "IncorrectStatus.serverGroup",
            f"The status of servergroup [{group.id}] is incorrect: {status}.",
        )
    return group


def configure(call: Call, group: NlbServerGroup, task: str, /, **changes: object) -> Answer:
    """Change a group, which is Configuring for a while. The answer names the task."""
    call.store.change(group, life=call.passing(("Configuring", 1.0), to="Available"), **changes)
    endings.settle(call)
    return {"ServerGroupId": group.id, "JobId": jobs.begin(call, task)}


@dataclass(frozen=True, kw_only=True)
class HealthCheckConfig:
    """`HealthCheckConfig` of a request.

    A setting that an update leaves out stays as it is; a new group has the default.
    """

    health_check_enabled: bool | None = None
    health_check_type: str | None = None
    health_check_connect_port: int | None = None
    healthy_threshold: int | None = None
    unhealthy_threshold: int | None = None
    health_check_connect_timeout: int | None = None
    health_check_interval: int | None = None
    health_check_domain: str | None = None
    health_check_url: str | None = None
    http_check_method: str | None = None
    health_check_http_code: tuple[str, ...] = ()
    health_check_http_version: str | None = None
    health_check_req: str | None = None
    health_check_exp: str | None = None


def _checked(before: HealthCheck, config: HealthCheckConfig | None) -> HealthCheck:
    if config is None:
        return before
    changes: dict[str, Any] = {
        "enabled": config.health_check_enabled,
        "kind": config.health_check_type,
        "port": config.health_check_connect_port,
        "healthy": config.healthy_threshold,
        "unhealthy": config.unhealthy_threshold,
        "timeout": config.health_check_connect_timeout,
        "interval": config.health_check_interval,
        "domain": config.health_check_domain,
        "url": config.health_check_url,
        "method": config.http_check_method,
        "codes": config.health_check_http_code or None,
        "http_version": config.health_check_http_version,
        "request": config.health_check_req,
        "expected": config.health_check_exp,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    check = dataclasses.replace(before, **named)
    if check.kind == "HTTP":
        check = dataclasses.replace(
            check, method=check.method or "GET", codes=check.codes or ("http_2xx",)
        )
    for name, value, allowed in (
        ("HealthCheckConnectPort", check.port, range(65536)),
        ("HealthyThreshold", check.healthy, range(2, 11)),
        ("UnhealthyThreshold", check.unhealthy, range(2, 11)),
        ("HealthCheckConnectTimeout", check.timeout, range(1, 301)),
        ("HealthCheckInterval", check.interval, range(1, 301 if check.kind == "UDP" else 51)),
    ):
        if value not in allowed:
            raise illegal(name, f"{value} is not from {allowed.start} to {allowed.stop - 1}")
    if check.kind not in {"TCP", "HTTP", "UDP"}:
        raise illegal("HealthCheckType", f"{check.kind[:40]!r} is not TCP, HTTP or UDP")
    return check


def _drain(seconds: int) -> int:
    if seconds not in _DRAIN:
        raise ApiError(
            "IllegalParam.ConnectionDrainTimeout",
            "The param of ConnectionDrainTimeout is illegal: it must be 0 to 900.",
        )
    return seconds


@dataclass(frozen=True, kw_only=True)
class CreateServerGroup:
    """Parameters of CreateServerGroup."""

    server_group_name: str
    vpc_id: str
    region_id: str | None = None
    server_group_type: str = "Instance"
    protocol: str = "TCP"
    scheduler: str = "Wrr"
    address_ip_version: str = wire("AddressIPVersion", default="Ipv4")
    any_port_enabled: bool = False
    connection_drain_enabled: bool = False
    connection_drain_timeout: int = 0
    health_check_config: HealthCheckConfig | None = None
    ip_version_affinity_mode: str = ""
    preserve_client_ip_enabled: bool | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_server_group(call: Call, request: CreateServerGroup) -> Answer:
    """Create a group of instances and ENIs of a VPC, or of bare addresses."""
    if call.store.find(Vpc, request.vpc_id) is None:
        raise ApiError("ResourceNotFound.Vpc", "The specified resource of Vpc is not found.", 404)
    resource_groups.require(request.resource_group_id, "ResourceNotFound.ResourceGroup", 404)
    texts.check(
        request.server_group_name,
        "IllegalParam.ServerGroupName",
        texts.LONGER_NAME,
        letter_first=True,
    )
    kind = one_of("ServerGroupType", request.server_group_type or "Instance", _KINDS)
    protocol = one_of("Protocol", request.protocol or "TCP", _PROTOCOLS)
    usual = HealthCheck(kind="UDP" if protocol == "UDP" else "TCP")
    preserve = request.preserve_client_ip_enabled
    group = call.store.put(
        NlbServerGroup(
            id=call.new_id("sgp"),
            name=request.server_group_name,
            kind=kind,
            vpc_id=request.vpc_id,
            protocol=protocol,
            scheduler=one_of("Scheduler", request.scheduler or "Wrr", _SCHEDULERS),
            address_ip_version=one_of(
                "AddressIPVersion", request.address_ip_version or "Ipv4", _VERSIONS
            ),
            any_port=request.any_port_enabled,
            affinity=request.ip_version_affinity_mode,
            drain=request.connection_drain_enabled,
            drain_timeout=_drain(request.connection_drain_timeout),
            preserve_client_ip=kind != IP_GROUP if preserve is None else preserve,
            health_check=_checked(usual, request.health_check_config or HealthCheckConfig()),
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(("Creating", 1.0), to="Available"),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    return {"ServerGroupId": group.id, "JobId": jobs.begin(call, "CreateServerGroup")}


@dataclass(frozen=True, kw_only=True)
class UpdateServerGroupAttribute:
    """Parameters of UpdateServerGroupAttribute."""

    server_group_id: str
    region_id: str | None = None
    server_group_name: str | None = None
    scheduler: str | None = None
    connection_drain_enabled: bool | None = None
    connection_drain_timeout: int | None = None
    health_check_config: HealthCheckConfig | None = None
    ip_version_affinity_mode: str | None = None
    preserve_client_ip_enabled: bool | None = None


@action(writes=True)
def update_server_group_attribute(call: Call, request: UpdateServerGroupAttribute) -> Answer:
    """Change a group. Settings that the request leaves out stay as they are."""
    group = ready(call, request.server_group_id)
    timeout = request.connection_drain_timeout
    changes = {
        "name": request.server_group_name or None,
        "scheduler": request.scheduler and one_of("Scheduler", request.scheduler, _SCHEDULERS),
        "drain": request.connection_drain_enabled,
        "drain_timeout": None if timeout is None else _drain(timeout),
        "affinity": request.ip_version_affinity_mode,
        "preserve_client_ip": request.preserve_client_ip_enabled,
        "health_check": _checked(group.health_check, request.health_check_config),
    }
    named = {name: value for name, value in changes.items() if value is not None}
    return configure(call, group, "UpdateServerGroupAttribute", **named)


def _health_check(check: HealthCheck) -> dict[str, object]:
    return {
        "HealthCheckEnabled": check.enabled,
        "HealthCheckType": check.kind,
        "HealthCheckConnectPort": check.port,
        "HealthyThreshold": check.healthy,
        "UnhealthyThreshold": check.unhealthy,
        "HealthCheckConnectTimeout": check.timeout,
        "HealthCheckInterval": check.interval,
        "HealthCheckDomain": check.domain,
        "HealthCheckUrl": check.url,
        "HttpCheckMethod": check.method,
        "HealthCheckHttpCode": list(check.codes),
        "HealthCheckHttpVersion": check.http_version,
        "HealthCheckReq": check.request,
        "HealthCheckExp": check.expected,
    }


def _shown(call: Call, group: NlbServerGroup) -> dict[str, object]:
    users = (
        x
        for x in call.store.where(NlbListener, "server_group", group.id)
        if x.life.at(call.now) != DELETED
    )
    return {
        "ServerGroupId": group.id,
        "ServerGroupName": group.name,
        "ServerGroupType": group.kind,
        "ServerGroupStatus": group.life.at(call.now),
        "VpcId": group.vpc_id,
        "Protocol": group.protocol,
        "Scheduler": group.scheduler,
        "AddressIPVersion": group.address_ip_version,
        "AnyPortEnabled": group.any_port,
        "IpVersionAffinityMode": group.affinity,
        "ConnectionDrainEnabled": group.drain,
        "ConnectionDrainTimeout": group.drain_timeout,
        "PreserveClientIpEnabled": group.preserve_client_ip,
        "HealthCheck": _health_check(group.health_check),
        "ServerCount": sum(s.life.at(call.now) != REMOVED for s in group.servers),
        "RelatedLoadBalancerIds": list(dict.fromkeys(x.load_balancer_id for x in users)),
        "ResourceGroupId": group.resource_group_id,
        "RegionId": call.cloud.region,
        "AliUid": int(call.cloud.account_id),
        "Tags": tags.plain(group.tags),
    }


@dataclass(frozen=True, kw_only=True)
class ListServerGroups:
    """Parameters of ListServerGroups."""

    region_id: str | None = None
    server_group_ids: tuple[str, ...] = ()
    server_group_names: tuple[str, ...] = ()
    server_group_type: str | None = None
    vpc_id: str | None = None
    resource_group_id: str | None = None
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def list_server_groups(call: Call, request: ListServerGroups) -> Answer:
    """List server groups by filter."""
    rows = [
        _shown(call, g)
        for g in call.store.all(NlbServerGroup)
        if g.life.at(call.now) != DELETED
        and (not request.server_group_ids or g.id in request.server_group_ids)
        and (not request.server_group_names or g.name in request.server_group_names)
        and (not request.server_group_type or g.kind == request.server_group_type)
        and (not request.vpc_id or g.vpc_id == request.vpc_id)
        and (not request.resource_group_id or g.resource_group_id == request.resource_group_id)
        and tags.match(g.tags, request.tag)
    ]
    mixed = shuffled(call.cloud, rows)
    return paging.token_answer("ServerGroups", mixed, request.next_token, request.max_results)


@dataclass(frozen=True, kw_only=True)
class DeleteServerGroup:
    """Parameters of DeleteServerGroup."""

    server_group_id: str
    region_id: str | None = None


@action(writes=True)
def delete_server_group(call: Call, request: DeleteServerGroup) -> Answer:
    """Delete a group that is not used by a listener."""
    group = ready(call, request.server_group_id)
    users = call.store.where(NlbListener, "server_group", group.id)
    if any(x.life.at(call.now) != DELETED for x in users):
        raise ApiError(
            "ResourceInUse.ServerGroup", "The specified resource of ServerGroup is in use."
        )
    call.store.change(group, life=call.passing(("Deleting", 1.0), to=DELETED))
    endings.settle(call)
    return {"JobId": jobs.begin(call, "DeleteServerGroup")}
