"""Ingress rules of security groups, and what they admit."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class IngressRule:
    """One rule. `source` is a CIDR block or a security group's id; ports of -1 mean every port."""

    protocol: str
    port_from: int
    port_to: int
    source: str
    policy: str
    priority: int

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read a rule of the machines' view."""
        return cls(
            protocol=str(data["protocol"]).lower(),
            port_from=int(data["port_from"]),
            port_to=int(data["port_to"]),
            source=str(data["source"]),
            policy=str(data.get("policy") or "accept").lower(),
            priority=int(data.get("priority") or 1),
        )

    @property
    def network(self) -> Network | None:
        """The source as a network; None where it is a security group."""
        try:
            return ipaddress.ip_network(self.source, strict=False)
        except ValueError:
            return None


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
        every_port = rule.port_from < 1 and rule.port_to < 1
        if every_port or rule.port_from <= port <= rule.port_to:
            matching.append(rule)
    if not matching:
        return False
    first = min(rule.priority for rule in matching)
    return all(rule.policy == "accept" for rule in matching if rule.priority == first)
