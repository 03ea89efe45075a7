"""The ports that security groups open, and the sources that may connect."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .control import IngressRule

LARGEST_RANGE: Final = 128
"""A rule with more ports than this (NodePorts, "all") opens no public listener here."""


def listening_ports(rules: Iterable[IngressRule]) -> frozenset[int]:
    """Return the TCP ports that some rule with an explicit small range admits."""
    ports: set[int] = set()
    for rule in rules:
        size = rule.port_to - rule.port_from + 1
        if rule.protocol != "tcp" or rule.policy != "accept" or rule.port_from < 1:
            continue
        if _network(rule) is not None and 0 < size <= LARGEST_RANGE:
            ports.update(range(rule.port_from, rule.port_to + 1))
    return frozenset(ports)


def admits(rules: Iterable[IngressRule], source: str, port: int) -> bool:
    """Whether a TCP connection from `source` to `port` passes.

    The rule with the lowest priority number decides; at equal priority a drop wins, as ECS
    documents for security groups. No rule: dropped.
    """
    address = ipaddress.ip_address(source)
    matching = []
    for rule in rules:
        network = _network(rule)
        if network is None or address not in network or rule.protocol not in {"tcp", "all"}:
            continue
        every_port = rule.port_from < 1 and rule.port_to < 1
        if every_port or rule.port_from <= port <= rule.port_to:
            matching.append(rule)
    if not matching:
        return False
    first = min(rule.priority for rule in matching)
    return all(rule.policy == "accept" for rule in matching if rule.priority == first)


def _network(rule: IngressRule) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the rule's source as a network; a security group as source gives None."""
    try:
        return ipaddress.ip_network(rule.source, strict=False)
    except ValueError:
        return None
