"""Ingress rules of security groups, and what they admit."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from localcloud.group_rule import GroupRule, Network, common_fields, network_of


@dataclass(frozen=True, kw_only=True)
class IngressRule(GroupRule):
    """One rule. `source` is a CIDR block or a security group's id."""

    source: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read a rule of the machines' view."""
        return cls(source=str(data["source"]), **common_fields(data))

    @property
    def network(self) -> Network | None:
        """The source as a network; None where it is a security group."""
        return network_of(self.source)


def admits(rules: Iterable[IngressRule], source: str, port: int, protocol: str = "tcp") -> bool:
    """Whether a connection from the address `source` to `port` passes.

    The rule with the lowest priority number decides; at equal priority a drop wins, as ECS
    documents for security groups. A connection that no rule matches is dropped.
    """
    address = ipaddress.ip_address(source)
    matching = []
    for rule in rules:
        network = rule.network
        if network is None or address not in network or rule.protocol not in {protocol, "all"}:
            continue
        if rule.every_port or rule.port_from <= port <= rule.port_to:
            matching.append(rule)
    if not matching:
        return False
    first = min(rule.priority for rule in matching)
    return all(rule.policy == "accept" for rule in matching if rule.priority == first)
