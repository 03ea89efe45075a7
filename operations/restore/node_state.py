"""Brings the nodes of a restored cluster to what the stack has for them.

Workers keep running in a restore, and their Nodes are as old as the snapshot: the order to the
node's own unit, labels and taints are those of that time. `pulumi up` compares an edit with the
state and not with Nodes, so it changes none of this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from operations.verification.cluster_objects import Object
from planning.nodes.machine import SETTINGS, UNIT_SCHEMA

_GENERATION: Final = "spiderpool-alicloud:machine_generation:MachineGeneration"


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """What the last run gave a node, by Pulumi's state."""

    settings: str
    """The order to the node's own unit, `planning.nodes.machine.node_settings`."""
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...] = field(default=())
    """Each with `key`, `value` and `effect`."""


def states_of_nodes(cluster: str, deployment: Mapping[str, Any] | None) -> dict[str, NodeState]:
    """Return what the state has for each node of the cluster."""
    states: dict[str, NodeState] = {}
    for resource in (deployment or {}).get("resources") or ():
        inputs = resource.get("inputs") or {}
        if resource.get("type") == _GENERATION and isinstance(inputs.get("settings"), str):
            name = str(resource["urn"]).rpartition("::")[2].removeprefix(f"{cluster}-")
            states[name] = NodeState(
                settings=inputs["settings"],
                labels=inputs.get("labels") or {},
                taints=tuple(inputs.get("taints") or ()),
            )
    return states


def changes(node: Object, state: NodeState) -> Iterator[tuple[str, ...]]:
    """Yield the words of `kubectl` that bring a Node to its state; none where it is there.

    A taint or label that the stack does not have may be a person's or the cloud controller's, so
    it stays.
    """
    name, metadata = str(node["metadata"]["name"]), node["metadata"]
    annotations = metadata.get("annotations") or {}
    if UNIT_SCHEMA in annotations and annotations.get(SETTINGS) != state.settings:
        patch = {"metadata": {"annotations": {SETTINGS: state.settings}}}
        yield ("patch", "node", name, "--type=merge", "--patch", json.dumps(patch))
    present = metadata.get("labels") or {}
    labels = [f"{k}={v}" for k, v in sorted(state.labels.items()) if present.get(k) != v]
    if labels:
        yield ("label", "--overwrite", "node", name, *labels)
    tainted = {_taint(taint) for taint in node["spec"].get("taints") or ()}
    taints = [word for word in map(_taint, state.taints) if word not in tainted]
    if taints:
        yield ("taint", "--overwrite", "node", name, *taints)


def _taint(taint: Mapping[str, str]) -> str:
    """A taint as `kubectl taint` has it."""
    return f"{taint['key']}={taint.get('value', '')}:{taint['effect']}"
