"""Which machines have to register again, because the Nodes are from the time of the snapshot.

A kubelet registers its Node when it starts. A running one neither creates its Node nor changes its
provider id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from operations.verification.cluster_objects import Object, condition


@dataclass(frozen=True, kw_only=True)
class UnregisteredNodes:
    """Nodes of the plan whose Node is missing or belongs to another machine."""

    missing: tuple[str, ...]
    """They joined after the snapshot."""
    replaced: tuple[str, ...]
    """Their machine was replaced after the snapshot, and the Node has the old one's provider id."""


def unregistered_nodes(
    nodes: Mapping[str, Object], provider_ids: Mapping[str, str]
) -> UnregisteredNodes:
    """Compare the cluster's Nodes with the provider ids of the machines, both by node name."""
    return UnregisteredNodes(
        missing=tuple(sorted(provider_ids.keys() - nodes.keys())),
        replaced=tuple(
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
    """Nodes that are not Ready, or have not renewed their lease since `first_leases` were read.

    A condition alone may be from the time of the snapshot. `leases` are renewal times by node.
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
