"""Which nodes have to register again: their Nodes are from the time of the snapshot.

A kubelet that runs makes no Node and changes no provider id. It registers when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from operations.verification.snapshot import Object, condition


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Nodes of the plan whose Node is missing or belongs to another machine."""

    absent: tuple[str, ...]
    """Machines that came after the snapshot."""
    other: tuple[str, ...]
    """Machines that took another one's place after the snapshot."""


def lost_nodes(nodes: Mapping[str, Object], provider_ids: Mapping[str, str]) -> Lost:
    """Compare the cluster's Nodes with the machines, by node name."""
    return Lost(
        absent=tuple(sorted(provider_ids.keys() - nodes.keys())),
        other=tuple(
            name
            for name, provider_id in sorted(provider_ids.items())
            if name in nodes and nodes[name]["spec"].get("providerID") != provider_id
        ),
    )


def silent_nodes(
    nodes: Mapping[str, Object],
    provider_ids: Mapping[str, str],
    leases: Mapping[str, str],
    first_leases: Mapping[str, str],
) -> list[str]:
    """Nodes that are not Ready, or have not renewed their lease since the first look.

    A condition alone may be from the time of the snapshot.
    """
    return [
        name
        for name, provider_id in sorted(provider_ids.items())
        if name not in nodes
        or nodes[name]["spec"].get("providerID") != provider_id
        or not condition(nodes[name], "Ready")
        or leases.get(name) is None
        or leases.get(name) == first_leases.get(name)
    ]
