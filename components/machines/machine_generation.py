"""A machine's settings as a resource, updated before the machine's own resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi

from config.model import Role
from planning.model import ClusterPlan, NodePlan
from planning.nodes.machine import identity, restart_settings

EARLIER_GENERATION: Final = pulumi.Alias(type_="spiderpool-alicloud:rollout:WorkerGeneration")
"""The alias of a worker's resource in the state of an earlier release."""


class MachineGeneration(pulumi.ComponentResource):
    """The identity, restart settings and node settings of one machine.

    Owns nothing. When it changes, the engine runs its hook before it records the change, and
    registers the machine's ENIs and instance afterwards. So the machine is unchanged until its
    turn, and a hook that fails leaves the old generation in the state.

    It also carries the protection of a control plane. The engine refuses to delete or replace a
    protected resource, but it never replaces a component. So removing the node or destroying the
    stack is refused while it is protected, and replacing its machine is not.
    """

    def __init__(
        self, name: str, inputs: pulumi.Inputs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            "spiderpool-alicloud:machine_generation:MachineGeneration", name, dict(inputs), opts
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changes between two generations of a machine."""

    identity: frozenset[str] = frozenset()
    """Keys of the identity that differ. Any difference replaces the machine."""
    restart: bool = False
    """Whether the machine is stopped, changed and started."""
    settings: bool = False
    """Whether the node takes other settings while it runs."""

    @property
    def takes_machine_away(self) -> bool:
        """Whether the node is away for a while."""
        return bool(self.identity) or self.restart


def generation_inputs(
    plan: ClusterPlan, node: NodePlan, *, settings: pulumi.Input[str]
) -> dict[str, pulumi.Input[object]]:
    """Inputs of a `MachineGeneration`. `settings` is `planning.nodes.machine.node_settings`."""
    return {
        "role": str(node.role),
        "identity": identity(plan, node),
        "restart": restart_settings(node),
        "settings": settings,
        "labels": dict(node.labels),
        "taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in node.taints],
    }


def change_between(old: Mapping[str, object], new: Mapping[str, object]) -> Change:
    """Compare a generation's inputs before and after; those before may be of an earlier release.

    An earlier release recorded image, instance type, disk and interfaces, and a digest of the whole
    user-data. Single settings cannot be read from that digest, so it counts as unchanged.
    """
    new_identity, new_restart = _mapping(new, "identity"), _mapping(new, "restart")
    if "identity" not in old:
        before = {key: old.get(key) for key in ("image", "disk", "interfaces")}
        after = {key: new_identity.get(key) for key in before}
        disk = _mapping(old, "disk")
        before["disk"] = {**disk, "encrypted": bool(disk.get("encrypted"))}
        return Change(
            identity=_differing(before, after),
            restart=old.get("instanceType") != new_restart.get("instanceType"),
        )
    return Change(
        identity=_differing(_mapping(old, "identity"), new_identity),
        restart=_mapping(old, "restart") != new_restart,
        settings=any(old.get(key) != new.get(key) for key in ("settings", "labels", "taints")),
    )


def is_control_plane(node: NodePlan) -> bool:
    """Whether the node has a member of etcd."""
    return node.role is Role.CONTROL_PLANE


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> frozenset[str]:
    return frozenset(key for key in {*old, *new} if old.get(key) != new.get(key))


def _mapping(inputs: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = inputs.get(key)
    return value if isinstance(value, Mapping) else {}
