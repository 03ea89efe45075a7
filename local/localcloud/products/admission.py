"""The ingress rules that guard an ENI or a load balancer."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.ingress import IngressRule
from localcloud.products.ecs.entities import Rule, SecurityGroup
from localcloud.state.store import Store


def rules_of(store: Store, group_ids: Iterable[str]) -> list[IngressRule]:
    """The ingress rules of security groups, and a rule for an inner access policy that accepts."""
    rules: list[IngressRule] = []
    for group_id in dict.fromkeys(group_ids):
        group = store.find(SecurityGroup, group_id)
        if group is None:
            continue
        rules += [_rule(r) for r in group.rules if r.direction == "ingress"]
        if group.inner_policy == "Accept":
            rules.append(
                IngressRule(
                    protocol="all",
                    port_from=-1,
                    port_to=-1,
                    source=group.id,
                    policy="accept",
                    priority=1,
                )
            )
    return rules


def _rule(rule: Rule) -> IngressRule:
    first, _, last = rule.port_range.partition("/")
    return IngressRule(
        protocol=rule.protocol.lower(),
        port_from=int(first),
        port_to=int(last),
        source=rule.cidr or rule.ipv6_cidr or rule.group_id or rule.prefix_list_id,
        policy=rule.policy.lower(),
        priority=rule.priority,
    )
