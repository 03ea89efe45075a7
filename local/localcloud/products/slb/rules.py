"""Forwarding rules of HTTP and HTTPS listeners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.lookup import Lookup
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from . import load_balancers, vserver_groups
from .entities import ForwardingRule
from .listener_settings import shown

_MOST_AT_ONCE: Final = 10


_find: Final = Lookup(ForwardingRule, "rule", "InvalidRuleId.NotFound")


def _group(call: Call, load_balancer_id: str, group_id: str) -> str:
    group = vserver_groups.find(call, group_id)
    if group.load_balancer_id != load_balancer_id:
        raise invalid("VServerGroupId", group.id, "it belongs to another CLB")
    return group.id


@dataclass(frozen=True, kw_only=True)
class RuleParameter:
    """A forwarding rule: one item of the JSON array RuleList."""

    rule_name: str
    vserver_group_id: str = wire("VServerGroupId")
    domain: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class CreateRules:
    """Parameters of CreateRules."""

    load_balancer_id: str
    listener_port: int
    rule_list: tuple[RuleParameter, ...]
    listener_protocol: str | None = None
    region_id: str | None = None


@action(writes=True)
def create_rules(call: Call, request: CreateRules) -> Answer:
    """Create rules by domain, path or both. Each forwards to a vServer group."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    port = request.listener_port
    layer_7 = [
        x
        for x in balancer.listeners
        if x.port == port
        and x.protocol in {"http", "https"}
        and request.listener_protocol in {None, "", x.protocol}
    ]
    if not layer_7:
        raise ApiError(
            "ListenerNotFound", f"{balancer.id} has no HTTP or HTTPS listener on port {port}.", 404
        )
    if len(request.rule_list) > _MOST_AT_ONCE:
        raise invalid("RuleList", len(request.rule_list), f"a request has at most {_MOST_AT_ONCE}")
    taken = {(r.domain, r.url) for r in _of(call, balancer.id, port)}
    rules = []
    for parameter in request.rule_list:
        if not (parameter.domain or parameter.url):
            raise invalid("RuleList", parameter.rule_name, "a rule has a Domain, a Url or both")
        if parameter.url and not parameter.url.startswith("/"):
            raise invalid("Url", parameter.url, "it must begin with /")
        if (parameter.domain, parameter.url) in taken:
            raise ApiError(
                "DomainExist",
                f"A rule for {parameter.domain}{parameter.url} is on the listener already.",
            )
        taken.add((parameter.domain, parameter.url))
        rules.append(
            call.store.put(
                ForwardingRule(
                    id=call.new_id("rule"),
                    load_balancer_id=balancer.id,
                    port=port,
                    protocol=layer_7[0].protocol,
                    name=parameter.rule_name,
                    domain=parameter.domain,
                    url=parameter.url,
                    group_id=_group(call, balancer.id, parameter.vserver_group_id),
                )
            )
        )
    return {"Rules": {"Rule": [{"RuleId": r.id, "RuleName": r.name} for r in rules]}}


def _of(call: Call, load_balancer_id: str, port: int) -> list[ForwardingRule]:
    rules = call.store.where(ForwardingRule, "load_balancer", load_balancer_id)
    return [r for r in rules if r.port == port]


_OF_ITS_LISTENER: Final = (
    "HealthCheckConnectPort",
    "HealthCheckDomain",
    "HealthCheckHttpCode",
    "HealthCheckInterval",
    "HealthCheckTimeout",
    "HealthCheckURI",
    "HealthyThreshold",
    "UnhealthyThreshold",
)
"""Settings that a rule does not have itself."""


def _shown(call: Call, rule: ForwardingRule) -> dict[str, object]:
    balancer = load_balancers.find(call, rule.load_balancer_id)
    listener = next(x for x in balancer.listeners if x.port == rule.port and x.protocol != "udp")
    settings = shown(listener)
    return {
        **{name: settings[name] for name in _OF_ITS_LISTENER},
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Domain": rule.domain,
        "Url": rule.url,
        "VServerGroupId": rule.group_id,
        # A rule with ListenerSync on has the settings of its listener.
        "ListenerSync": rule.listener_sync,
        "Scheduler": rule.scheduler,
        "StickySession": rule.sticky_session,
        "StickySessionType": rule.sticky_session_type,
        "Cookie": rule.cookie,
        "CookieTimeout": rule.cookie_timeout,
        "HealthCheck": rule.health_check,
    }


@dataclass(frozen=True, kw_only=True)
class DescribeRules:
    """Parameters of DescribeRules."""

    load_balancer_id: str
    listener_port: int
    listener_protocol: str | None = None
    region_id: str | None = None


@action()
def describe_rules(call: Call, request: DescribeRules) -> Answer:
    """List the rules of a listener."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    return {
        "Rules": {"Rule": [_shown(call, r) for r in _of(call, balancer.id, request.listener_port)]}
    }


@dataclass(frozen=True, kw_only=True)
class DescribeRuleAttribute:
    """Parameters of DescribeRuleAttribute."""

    rule_id: str
    region_id: str | None = None


@action()
def describe_rule_attribute(call: Call, request: DescribeRuleAttribute) -> Answer:
    """Describe one rule."""
    rule = _find(call, request.rule_id)
    return {
        **_shown(call, rule),
        "LoadBalancerId": rule.load_balancer_id,
        "ListenerPort": str(rule.port),
    }


@dataclass(frozen=True, kw_only=True)
class SetRule:
    """Parameters of SetRule. A rule's own health check settings are not supported."""

    rule_id: str
    region_id: str | None = None
    rule_name: str | None = None
    vserver_group_id: str | None = wire("VServerGroupId", default=None)
    listener_sync: str | None = None
    scheduler: str | None = None
    sticky_session: str | None = None
    sticky_session_type: str | None = None
    cookie: str | None = None
    cookie_timeout: int | None = None
    health_check: str | None = None


@action(writes=True)
def set_rule(call: Call, request: SetRule) -> Answer:
    """Change a rule. Settings that the request leaves out stay as they are."""
    rule = _find(call, request.rule_id)
    group = request.vserver_group_id
    changes = {
        "name": request.rule_name,
        "group_id": _group(call, rule.load_balancer_id, group) if group else None,
        "listener_sync": request.listener_sync,
        "scheduler": request.scheduler,
        "sticky_session": request.sticky_session,
        "sticky_session_type": request.sticky_session_type,
        "cookie": request.cookie,
        "cookie_timeout": request.cookie_timeout,
        "health_check": request.health_check,
    }
    call.store.change(rule, **{name: value for name, value in changes.items() if value is not None})
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteRules:
    """Parameters of DeleteRules. RuleIds is a JSON array."""

    rule_ids: tuple[str, ...]
    region_id: str | None = None


@action(writes=True)
def delete_rules(call: Call, request: DeleteRules) -> Answer:
    """Delete rules, all or none."""
    for rule_id in request.rule_ids:
        call.store.remove(_find(call, rule_id))
    return {}
