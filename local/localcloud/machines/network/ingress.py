"""The public ports that security groups open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localcloud.ingress import IngressRule

LARGEST_RANGE: Final = 128
"""A rule with more ports than this (NodePorts, "all") opens no public listener here."""


def listening_ports(rules: Iterable[IngressRule]) -> frozenset[int]:
    """Return the TCP ports that some rule with an explicit small range admits."""
    ports: set[int] = set()
    for rule in rules:
        size = rule.port_to - rule.port_from + 1
        if rule.protocol != "tcp" or rule.policy != "accept" or rule.port_from < 1:
            continue
        if rule.network is not None and 0 < size <= LARGEST_RANGE:
            ports.update(range(rule.port_from, rule.port_to + 1))
    return frozenset(ports)
