"""Listeners of CLBs: TCP, UDP, HTTP and HTTPS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from localcloud import paging
from localcloud.actions import Answer, Call, action
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire, wire_name

from . import load_balancers, vserver_groups
from .entities import Listener, LoadBalancer

_MOST_PORT: Final = 65535


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a listener can be told, of all protocols."""

    load_balancer_id: str
    listener_port: int
    region_id: str | None = None
    backend_server_port: int | None = None
    bandwidth: int | None = None
    scheduler: str | None = None
    description: str | None = None
    vserver_group: str | None = wire("VServerGroup", default=None)
    vserver_group_id: str | None = wire("VServerGroupId", default=None)
    master_slave_server_group: str | None = None
    master_slave_server_group_id: str | None = None
    acl_id: str | None = None
    acl_status: str | None = None
    acl_type: str | None = None
    persistence_timeout: int | None = None
    established_timeout: int | None = None
    connection_drain: str | None = None
    connection_drain_timeout: int | None = None
    proxy_protocol_v2_enabled: bool | None = wire("ProxyProtocolV2Enabled", default=None)
    syn_proxy: str | None = None
    health_check: str | None = None
    health_check_switch: str | None = None
    health_check_type: str | None = None
    health_check_method: str | None = None
    health_check_domain: str | None = None
    health_check_uri: str | None = wire("HealthCheckURI", default=None)
    health_check_http_code: str | None = None
    health_check_connect_port: int | None = None
    health_check_connect_timeout: int | None = None
    health_check_timeout: int | None = None
    health_check_interval: int | None = None
    health_check_interval_small: int | None = wire("healthCheckInterval", default=None)
    health_check_req: str | None = wire("healthCheckReq", default=None)
    health_check_exp: str | None = wire("healthCheckExp", default=None)
    healthy_threshold: int | None = None
    unhealthy_threshold: int | None = None
    sticky_session: str | None = None
    sticky_session_type: str | None = None
    cookie: str | None = None
    cookie_timeout: int | None = None
    gzip: str | None = None
    idle_timeout: int | None = None
    request_timeout: int | None = None
    listener_forward: str | None = None
    forward_port: int | None = None
    forwarded_for: str | None = wire("XForwardedFor", default=None)
    forwarded_slb_ip: str | None = wire("XForwardedFor_SLBIP", default=None)
    forwarded_slb_id: str | None = wire("XForwardedFor_SLBID", default=None)
    forwarded_proto: str | None = wire("XForwardedFor_proto", default=None)
    server_certificate_id: str | None = None
    ca_certificate_id: str | None = wire("CACertificateId", default=None)
    tls_cipher_policy: str | None = wire("TLSCipherPolicy", default=None)
    enable_http2: str | None = None
    tag: tuple[TagParameter, ...] = ()


_NOT_SETTINGS: Final = frozenset({"LoadBalancerId", "ListenerPort", "RegionId", "Tag"})
_SPELLINGS: Final = MappingProxyType(
    {
        "HealthCheckSwitch": "HealthCheck",
        "healthCheckInterval": "HealthCheckInterval",
        "healthCheckReq": "HealthCheckReq",
        "healthCheckExp": "HealthCheckExp",
    }
)

_SHARED: Final[Mapping[str, object]] = MappingProxyType(
    {
        "BackendServerPort": 0,
        "Bandwidth": -1,
        "Scheduler": "wrr",
        "Description": "",
        "VServerGroupId": "",
        "AclId": "",
        "AclStatus": "off",
        "AclType": "",
        "HealthCheckConnectPort": 0,
        "HealthCheckInterval": 2,
        "HealthyThreshold": 3,
        "UnhealthyThreshold": 3,
    }
)
_LAYER_4: Final[Mapping[str, object]] = MappingProxyType(
    {
        **_SHARED,
        "HealthCheck": "on",
        "HealthCheckConnectTimeout": 5,
        "MasterSlaveServerGroupId": "",
        "ProxyProtocolV2Enabled": False,
    }
)
_LAYER_7: Final[Mapping[str, object]] = MappingProxyType(
    {
        **_SHARED,
        "HealthCheck": "off",
        "HealthCheckTimeout": 5,
        "HealthCheckMethod": "head",
        "HealthCheckDomain": "",
        "HealthCheckURI": "/",
        "HealthCheckHttpCode": "http_2xx",
        "StickySession": "off",
        "StickySessionType": "",
        "Cookie": "",
        "CookieTimeout": 0,
        "Gzip": "on",
        "IdleTimeout": 15,
        "RequestTimeout": 60,
        "XForwardedFor": "on",
        "XForwardedFor_SLBIP": "off",
        "XForwardedFor_SLBID": "off",
        "XForwardedFor_proto": "off",
    }
)
DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "tcp": MappingProxyType(
            {
                **_LAYER_4,
                "PersistenceTimeout": 0,
                "EstablishedTimeout": 900,
                "ConnectionDrain": "off",
                "ConnectionDrainTimeout": 0,
                "HealthCheckType": "tcp",
                "HealthCheckMethod": "",
                "HealthCheckDomain": "",
                "HealthCheckURI": "",
                "HealthCheckHttpCode": "",
            }
        ),
        "udp": MappingProxyType({**_LAYER_4, "HealthCheckReq": "", "HealthCheckExp": ""}),
        "http": MappingProxyType({**_LAYER_7, "ListenerForward": "off", "ForwardPort": 0}),
        "https": MappingProxyType(
            {
                **_LAYER_7,
                "ServerCertificateId": "",
                "CACertificateId": "",
                "TLSCipherPolicy": "tls_cipher_policy_1_0",
                "EnableHttp2": "on",
            }
        ),
    }
)
"""The settings that each protocol shows, with their defaults; other settings are not kept."""


def _settings(call: Call, request: Settings, protocol: str, held: Mapping[str, str]) -> Any:  # noqa: ANN401  # pairs
    given = dict(held)
    for field in fields(request):
        name = wire_name(field)
        value = getattr(request, field.name)
        if value is None or name in _NOT_SETTINGS:
            continue
        name = _SPELLINGS.get(name, name)
        if name in DEFAULTS[protocol]:
            given[name] = str(value).lower() if isinstance(value, bool) else str(value)
    if request.vserver_group == "off":
        given.pop("VServerGroupId", None)
    if request.vserver_group_id:
        group = vserver_groups.find(call, request.vserver_group_id)
        if group.load_balancer_id != request.load_balancer_id:
            raise invalid("VServerGroupId", group.id, "it belongs to another CLB")
    return tuple(sorted(given.items()))


def _shown(listener: Listener) -> dict[str, object]:
    held = dict(listener.settings)
    shown: dict[str, object] = {}
    for name, default in DEFAULTS[listener.protocol].items():
        text = held.get(name)
        if text is None:
            shown[name] = default
        elif isinstance(default, bool):
            shown[name] = text == "true"
        else:
            shown[name] = int(text) if isinstance(default, int) else text
    return shown


def _find(held: LoadBalancer, port: int, protocol: str | None) -> Listener:
    for listener in held.listeners:
        if listener.port == port and protocol in {None, "", listener.protocol}:
            return listener
    raise ApiError(
        "ListenerNotFound",
        f"{held.id} has no {protocol or ''} listener on port {port}.",
    )


def _create(call: Call, request: Settings, protocol: str) -> Answer:
    held = load_balancers.find(call, request.load_balancer_id)
    if not 1 <= request.listener_port <= _MOST_PORT:
        raise invalid("ListenerPort", request.listener_port, "it must be 1 to 65535")
    listener = Listener(
        port=request.listener_port,
        protocol=protocol,
        settings=_settings(call, request, protocol, {}),
    )
    if any(x.key == listener.key for x in held.listeners):
        raise ApiError(
            "ListenerAlreadyExists", f"{held.id} already listens on port {listener.port}."
        )
    if not (
        listener.setting("VServerGroupId")
        or listener.setting("BackendServerPort")
        or listener.setting("ListenerForward") == "on"
    ):
        raise ApiError(
            "MissingParam.BackendServerPort", "Give a BackendServerPort or a VServerGroupId."
        )
    if protocol == "https" and not listener.setting("ServerCertificateId"):
        raise ApiError("MissingParam.ServerCertificateId", "An HTTPS listener needs one.")
    call.store.change(held, listeners=(*held.listeners, listener))
    return {}


def _set(call: Call, request: Settings, protocol: str) -> Answer:
    held = load_balancers.find(call, request.load_balancer_id)
    old = _find(held, request.listener_port, protocol)
    new = Listener(
        port=old.port,
        protocol=old.protocol,
        running=old.running,
        settings=_settings(call, request, protocol, dict(old.settings)),
        tags=old.tags,
    )
    _replace(call, held, old, new)
    return {}


def _replace(call: Call, held: LoadBalancer, old: Listener, new: Listener | None) -> None:
    listeners = tuple(new if x is old else x for x in held.listeners)
    call.store.change(held, listeners=tuple(x for x in listeners if x is not None))


@dataclass(frozen=True, kw_only=True)
class Which:
    """Parameters that name a listener."""

    load_balancer_id: str
    listener_port: int
    listener_protocol: str | None = None
    region_id: str | None = None


def _describe(call: Call, request: Which, protocol: str) -> Answer:
    held = load_balancers.find(call, request.load_balancer_id)
    listener = _find(held, request.listener_port, protocol)
    return {
        "LoadBalancerId": held.id,
        "ListenerPort": listener.port,
        "Status": "running" if listener.running else "stopped",
        "AclIds": {"AclId": []},
        "Tags": {"Tag": []},
        **({"Rules": {"Rule": []}} if protocol in {"http", "https"} else {}),
        **_shown(listener),
    }


@dataclass(frozen=True, kw_only=True)
class CreateLoadBalancerTCPListener(Settings):
    """Parameters of CreateLoadBalancerTCPListener."""


@dataclass(frozen=True, kw_only=True)
class CreateLoadBalancerUDPListener(Settings):
    """Parameters of CreateLoadBalancerUDPListener."""


@dataclass(frozen=True, kw_only=True)
class CreateLoadBalancerHTTPListener(Settings):
    """Parameters of CreateLoadBalancerHTTPListener."""


@dataclass(frozen=True, kw_only=True)
class CreateLoadBalancerHTTPSListener(Settings):
    """Parameters of CreateLoadBalancerHTTPSListener."""


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerTCPListenerAttribute(Settings):
    """Parameters of SetLoadBalancerTCPListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerUDPListenerAttribute(Settings):
    """Parameters of SetLoadBalancerUDPListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerHTTPListenerAttribute(Settings):
    """Parameters of SetLoadBalancerHTTPListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class SetLoadBalancerHTTPSListenerAttribute(Settings):
    """Parameters of SetLoadBalancerHTTPSListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancerTCPListenerAttribute(Which):
    """Parameters of DescribeLoadBalancerTCPListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancerUDPListenerAttribute(Which):
    """Parameters of DescribeLoadBalancerUDPListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancerHTTPListenerAttribute(Which):
    """Parameters of DescribeLoadBalancerHTTPListenerAttribute."""


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancerHTTPSListenerAttribute(Which):
    """Parameters of DescribeLoadBalancerHTTPSListenerAttribute."""


@action(writes=True)
def create_tcp(call: Call, request: CreateLoadBalancerTCPListener) -> Answer:
    """A TCP listener, stopped."""
    return _create(call, request, "tcp")


@action(writes=True)
def create_udp(call: Call, request: CreateLoadBalancerUDPListener) -> Answer:
    """A UDP listener, stopped."""
    return _create(call, request, "udp")


@action(writes=True)
def create_http(call: Call, request: CreateLoadBalancerHTTPListener) -> Answer:
    """An HTTP listener, stopped."""
    return _create(call, request, "http")


@action(writes=True)
def create_https(call: Call, request: CreateLoadBalancerHTTPSListener) -> Answer:
    """An HTTPS listener, stopped."""
    return _create(call, request, "https")


@action(writes=True)
def set_tcp(call: Call, request: SetLoadBalancerTCPListenerAttribute) -> Answer:
    """Change a TCP listener."""
    return _set(call, request, "tcp")


@action(writes=True)
def set_udp(call: Call, request: SetLoadBalancerUDPListenerAttribute) -> Answer:
    """Change a UDP listener."""
    return _set(call, request, "udp")


@action(writes=True)
def set_http(call: Call, request: SetLoadBalancerHTTPListenerAttribute) -> Answer:
    """Change an HTTP listener."""
    return _set(call, request, "http")


@action(writes=True)
def set_https(call: Call, request: SetLoadBalancerHTTPSListenerAttribute) -> Answer:
    """Change an HTTPS listener."""
    return _set(call, request, "https")


@action()
def describe_tcp(call: Call, request: DescribeLoadBalancerTCPListenerAttribute) -> Answer:
    """A TCP listener."""
    return _describe(call, request, "tcp")


@action()
def describe_udp(call: Call, request: DescribeLoadBalancerUDPListenerAttribute) -> Answer:
    """A UDP listener."""
    return _describe(call, request, "udp")


@action()
def describe_http(call: Call, request: DescribeLoadBalancerHTTPListenerAttribute) -> Answer:
    """An HTTP listener."""
    return _describe(call, request, "http")


@action()
def describe_https(call: Call, request: DescribeLoadBalancerHTTPSListenerAttribute) -> Answer:
    """An HTTPS listener."""
    return _describe(call, request, "https")


@dataclass(frozen=True, kw_only=True)
class StartLoadBalancerListener(Which):
    """Parameters of StartLoadBalancerListener."""


@dataclass(frozen=True, kw_only=True)
class StopLoadBalancerListener(Which):
    """Parameters of StopLoadBalancerListener."""


@dataclass(frozen=True, kw_only=True)
class DeleteLoadBalancerListener(Which):
    """Parameters of DeleteLoadBalancerListener."""


def _run(call: Call, request: Which, *, running: bool) -> Answer:
    held = load_balancers.find(call, request.load_balancer_id)
    old = _find(held, request.listener_port, request.listener_protocol)
    new = Listener(
        port=old.port,
        protocol=old.protocol,
        running=running,
        settings=old.settings,
        tags=old.tags,
    )
    _replace(call, held, old, new)
    return {}


@action(writes=True)
def start_load_balancer_listener(call: Call, request: StartLoadBalancerListener) -> Answer:
    """Start a listener."""
    return _run(call, request, running=True)


@action(writes=True)
def stop_load_balancer_listener(call: Call, request: StopLoadBalancerListener) -> Answer:
    """Stop a listener."""
    return _run(call, request, running=False)


@action(writes=True)
def delete_load_balancer_listener(call: Call, request: DeleteLoadBalancerListener) -> Answer:
    """Delete a listener."""
    held = load_balancers.find(call, request.load_balancer_id)
    _replace(call, held, _find(held, request.listener_port, request.listener_protocol), None)
    return {}


@dataclass(frozen=True, kw_only=True)
class DescribeLoadBalancerListeners:
    """Parameters of DescribeLoadBalancerListeners."""

    load_balancer_id: tuple[str, ...] = ()
    listener_protocol: str | None = None
    listener_port: int | None = None
    description: str | None = None
    region_id: str | None = None
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


_TOP: Final = (
    "AclId",
    "AclStatus",
    "AclType",
    "BackendServerPort",
    "Bandwidth",
    "Description",
    "Scheduler",
    "VServerGroupId",
)


def _listed(held: LoadBalancer, listener: Listener) -> dict[str, object]:
    shown = _shown(listener)
    config = {name: value for name, value in shown.items() if name not in _TOP}
    if listener.protocol in {"tcp", "udp"}:
        text = str(config.pop("ProxyProtocolV2Enabled"))
        config["ProxyProtocolV2Enabled"] = text.lower()
    return {
        **{name: shown[name] for name in _TOP},
        "LoadBalancerId": held.id,
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "Status": "running" if listener.running else "stopped",
        "Tags": [],
        f"{listener.protocol.upper()}ListenerConfig": config,
    }


@action()
def describe_load_balancer_listeners(call: Call, request: DescribeLoadBalancerListeners) -> Answer:
    """Listeners of one, several or all CLBs."""
    if request.load_balancer_id:
        holders = [load_balancers.find(call, i) for i in request.load_balancer_id]
    else:
        holders = list(call.store.all(LoadBalancer))
    found = [
        (held, listener)
        for held in holders
        for listener in held.listeners
        if request.listener_protocol in {None, "", listener.protocol}
        and request.listener_port in {None, listener.port}
        and not request.tag
    ]
    part, following = paging.by_token(
        found, request.next_token, request.max_results, usual=20, most=100
    )
    return {
        "Listeners": [_listed(held, listener) for held, listener in part],
        "TotalCount": len(found),
        "MaxResults": request.max_results or 20,
        "NextToken": following,
    }
