"""The rules of security groups that guard an ENI or a load balancer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from localcloud.egress import BEHIND_ALL, EgressRule
from localcloud.ingress import IngressRule
from localcloud.products.ecs.entities import Rule, SecurityGroup
from localcloud.state.store import Store

_EVERYTHING: Final[dict[str, Any]] = {"protocol": "all", "port_from": -1, "port_to": -1}


def rules_of(store: Store, group_ids: Iterable[str]) -> list[IngressRule]:
    """The ingress rules of security groups, and a rule for an inner access policy that accepts."""
    rules: list[IngressRule] = []
    for group in _groups(store, group_ids):
        rules += [
            IngressRule(source=_peer(rule), **_fields(rule))
            for rule in group.rules
            if rule.direction == "ingress"
        ]
        if group.inner_policy == "Accept":
            rules.append(IngressRule(source=group.id, policy="accept", priority=1, **_EVERYTHING))
    return rules


def egress_rules_of(store: Store, group_ids: Iterable[str]) -> list[EgressRule]:
    """The egress rules of security groups, and what a basic group admits without a rule.

    A basic group lets everything out that no rule judges, an enterprise group nothing
    (https://www.alibabacloud.com/help/en/ecs/user-guide/security-group-rules).
    """
    rules: list[EgressRule] = []
    for group in _groups(store, group_ids):
        rules += [
            EgressRule(destination=_peer(rule), **_fields(rule))
            for rule in group.rules
            if rule.direction == "egress"
        ]
        if group.kind == "normal":
            everybody = "0.0.0.0/0"
            rules.append(
                EgressRule(
                    destination=everybody, policy="accept", priority=BEHIND_ALL, **_EVERYTHING
                )
            )
    return rules


def _groups(store: Store, group_ids: Iterable[str]) -> Iterator[SecurityGroup]:
    for group_id in dict.fromkeys(group_ids):
        group = store.find(SecurityGroup, group_id)
        if group is not None:
            yield group


def _peer(rule: Rule) -> str:
    return rule.cidr or rule.ipv6_cidr or rule.group_id or rule.prefix_list_id


def _fields(rule: Rule) -> dict[str, Any]:
    first, _, last = rule.port_range.partition("/")
    return {
        "protocol": rule.protocol.lower(),
        "port_from": int(first),
        "port_to": int(last),
        "policy": rule.policy.lower(),
        "priority": rule.priority,
    }
