"""Egress rules of security groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from localcloud.group_rule import GroupRule, Network, common_fields, network_of

BEHIND_ALL: Final = 101
"""A priority behind those of all rules, which have 1 to 100."""


@dataclass(frozen=True, kw_only=True)
class EgressRule(GroupRule):
    """One rule. `destination` is a CIDR block or a security group's id."""

    destination: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read a rule of the machines' view."""
        return cls(destination=str(data["destination"]), **common_fields(data))

    @property
    def network(self) -> Network | None:
        """The destination as a network; None where it is a security group."""
        return network_of(self.destination)
