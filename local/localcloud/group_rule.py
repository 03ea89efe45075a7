"""What the rules of a security group have in common, whatever their direction."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """The part of a rule without its other side; ports of -1 mean every port."""

    protocol: str
    port_from: int
    port_to: int
    policy: str
    priority: int

    @property
    def every_port(self) -> bool:
        """Whether the rule is for all ports."""
        return self.port_from < 1 and self.port_to < 1


def common_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `GroupRule` from an entry of the machines' view."""
    return {
        "protocol": str(data["protocol"]).lower(),
        "port_from": int(data["port_from"]),
        "port_to": int(data["port_to"]),
        "policy": str(data.get("policy") or "accept").lower(),
        "priority": int(data.get("priority") or 1),
    }


def network_of(side: str) -> Network | None:
    """The other side of a rule as a network; None where it is a security group."""
    try:
        return ipaddress.ip_network(side, strict=False)
    except ValueError:
        return None
