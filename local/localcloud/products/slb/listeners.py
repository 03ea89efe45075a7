"""Listeners of CLBs: TCP, UDP, HTTP and HTTPS."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from localcloud.requests import paging, tags
from localcloud.requests.actions import Action, Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid

from . import access_control_lists, load_balancers
from .entities import DomainExtension, ForwardingRule, Listener, LoadBalancer, drop_listener_parts
from .listener_settings import DEFAULTS, Settings, changed, shown
from .tagging import TAG_CODES

_MOST_PORT: Final = 65535
_MOST_LISTENERS: Final = 50


def _find(balancer: LoadBalancer, port: int, protocol: str | None) -> Listener:
    for listener in balancer.listeners:
        if listener.port == port and protocol in {None, "", listener.protocol}:
            return listener
    raise ApiError(
        "ListenerNotFound",
        # The provider knows by this sentence that a listener it deleted no longer exists.
        "The specified resource does not exist: "
        f"{balancer.id} has no {protocol or ''} listener on port {port}.",
        404,
    )


def _create(call: Call, request: Settings, protocol: str) -> Answer:
    balancer = load_balancers.find(call, request.load_balancer_id)
    if not 1 <= request.listener_port <= _MOST_PORT:
        raise invalid("ListenerPort", request.listener_port, "it must be 1 to 65535")
    listener = Listener(
        port=request.listener_port,
        protocol=protocol,
        settings=changed(call, request, protocol, {}),
        tags=tags.requested(request.tag, TAG_CODES),
    )
    if any(x.key == listener.key for x in balancer.listeners):
        raise ApiError(
            "ListenerAlreadyExists", f"{balancer.id} already listens on port {listener.port}."
        )
    if not (
        listener.setting("VServerGroupId")
        or listener.setting("BackendServerPort")
        or listener.setting("ListenerForward") == "on"
    ):
        raise ApiError("MissingParameter", "BackendServerPort or VServerGroupId must be specified.")
    if protocol == "https" and not listener.setting("ServerCertificateId"):
        raise ApiError("MissingParam.ServerCertificates", "An HTTPS listener needs a certificate.")
    if len(balancer.listeners) >= _MOST_LISTENERS:
        raise ApiError("TooManyListeners", f"A CLB has at most {_MOST_LISTENERS} listeners.")
    call.store.change(balancer, listeners=(*balancer.listeners, listener))
    return {}


def _set(call: Call, request: Settings, protocol: str) -> Answer:
    balancer = load_balancers.find(call, request.load_balancer_id)
    old = _find(balancer, request.listener_port, protocol)
    settings = changed(call, request, protocol, dict(old.settings))
    _replace(call, balancer, old, dataclasses.replace(old, settings=settings))
    return {}


def _replace(call: Call, balancer: LoadBalancer, old: Listener, new: Listener | None) -> None:
    listeners = tuple(new if x is old else x for x in balancer.listeners)
    call.store.change(balancer, listeners=tuple(x for x in listeners if x is not None))


@dataclass(frozen=True, kw_only=True)
class Which:
    """Parameters that identify a listener."""

    load_balancer_id: str
    listener_port: int
    listener_protocol: str | None = None
    region_id: str | None = None


def acl_ids(listener: Listener) -> list[str]:
    """The ids of a listener's access control lists."""
    return list(access_control_lists.ids(listener.setting("AclId")))


def _domains(call: Call, balancer: LoadBalancer, listener: Listener) -> dict[str, object]:
    return {
        "DomainExtension": [
            {
                "DomainExtensionId": extension.id,
                "Domain": extension.domain,
                "ServerCertificateId": extension.certificate_id,
            }
            for extension in call.store.where(DomainExtension, "load_balancer", balancer.id)
            if extension.port == listener.port
        ]
    }


def _rules(call: Call, balancer: LoadBalancer, listener: Listener) -> dict[str, object]:
    return {
        "Rule": [
            {
                "RuleId": rule.id,
                "RuleName": rule.name,
                "Domain": rule.domain,
                "Url": rule.url,
                "VServerGroupId": rule.group_id,
            }
            for rule in call.store.where(ForwardingRule, "load_balancer", balancer.id)
            if rule.port == listener.port
        ]
    }


def _describe(call: Call, request: Which, protocol: str) -> Answer:
    balancer = load_balancers.find(call, request.load_balancer_id)
    listener = _find(balancer, request.listener_port, protocol)
    return {
        "LoadBalancerId": balancer.id,
        "ListenerPort": listener.port,
        "Status": "running" if listener.running else "stopped",
        "AclIds": {"AclId": acl_ids(listener)},
        "Tags": tags.ecs(listener.tags),
        **({"Rules": _rules(call, balancer, listener)} if protocol in {"http", "https"} else {}),
        **({"DomainExtensions": _domains(call, balancer, listener)} if protocol == "https" else {}),
        **shown(listener),
    }


def _of_protocol(protocol: str) -> tuple[Action, ...]:
    """The actions that create, set and describe a listener of one protocol."""

    def create(call: Call, request: Settings) -> Answer:
        return _create(call, request, protocol)

    def change(call: Call, request: Settings) -> Answer:
        return _set(call, request, protocol)

    def describe(call: Call, request: Which) -> Answer:
        return _describe(call, request, protocol)

    listener = f"LoadBalancer{protocol.upper()}Listener"
    return (
        Action(name=f"Create{listener}", request=Settings, run=create, writes=True),
        Action(name=f"Set{listener}Attribute", request=Settings, run=change, writes=True),
        Action(name=f"Describe{listener}Attribute", request=Which, run=describe, writes=False),
    )


BY_PROTOCOL: Final = tuple(built for protocol in DEFAULTS for built in _of_protocol(protocol))


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
    balancer = load_balancers.find(call, request.load_balancer_id)
    old = _find(balancer, request.listener_port, request.listener_protocol)
    _replace(call, balancer, old, dataclasses.replace(old, running=running))
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
    balancer = load_balancers.find(call, request.load_balancer_id)
    listener = _find(balancer, request.listener_port, request.listener_protocol)
    _replace(call, balancer, listener, None)
    if listener.protocol in {"http", "https"}:
        drop_listener_parts(call.store, balancer.id, listener.port)
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
_ALONE: Final = frozenset({"SecurityStatus", "SynProxy"})
"""Settings that the action for one listener shows and the list omits."""


def _listed(balancer: LoadBalancer, listener: Listener) -> dict[str, object]:
    settings = shown(listener)
    config = {name: value for name, value in settings.items() if name not in {*_TOP, *_ALONE}}
    if listener.protocol in {"tcp", "udp"}:
        text = str(config.pop("ProxyProtocolV2Enabled"))
        config["ProxyProtocolV2Enabled"] = text.lower()
    if listener.protocol == "udp":
        del config["PersistenceTimeout"]  # the list's published model does not have it
        config |= {"ConnectionDrain": "off", "ConnectionDrainTimeout": 0}
    if listener.protocol in {"http", "https"}:
        config |= {"HealthCheckType": "http", "HealthCheckHttpVersion": "HTTP 1.0"}
    return {
        **{name: settings[name] for name in _TOP if name in settings},
        "LoadBalancerId": balancer.id,
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "Status": "running" if listener.running else "stopped",
        "Tags": tags.ecs(listener.tags)["Tag"],
        "AclIds": acl_ids(listener),
        f"{listener.protocol.upper()}ListenerConfig": config,
    }


@action()
def describe_load_balancer_listeners(call: Call, request: DescribeLoadBalancerListeners) -> Answer:
    """List the listeners of one, several or all CLBs."""
    if request.load_balancer_id:
        holders = [load_balancers.find(call, i) for i in request.load_balancer_id]
    else:
        holders = list(call.store.all(LoadBalancer))
    pairs = [
        (balancer, listener)
        for balancer in holders
        for listener in balancer.listeners
        if request.listener_protocol in {None, "", listener.protocol}
        and request.listener_port in {None, listener.port}
        and request.description in {None, "", listener.setting("Description")}
        and not request.tag
    ]
    part, following = paging.page_by_token(
        pairs,
        request.next_token,
        request.max_results,
        usual=20,
        most=100,
        codes=paging.ILLEGAL_CODES,
    )
    return {
        "Listeners": [_listed(balancer, listener) for balancer, listener in part],
        "TotalCount": len(pairs),
        "MaxResults": request.max_results or 20,
        "NextToken": following,
    }
