"""Control planes change one at a time, keep their role, and leave etcd its quorum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from planning.transitions.differences import written
from planning.transitions.part import abridged
from planning.transitions.reading import Machine, Record
from planning.transitions.record import METADATA
from planning.transitions.rules.machine_fates import (
    ETCD_DISK,
    SETTING_NAMES,
    Nodes,
    identity_differences,
)
from planning.transitions.steps import Difference, Refusal

_BY_HAND: Final = frozenset({"schema", "kubernetes"})
"""Settings that may differ while the only control plane keeps its machine."""
_OF_A_NODE: Final = frozenset({"image", "disk"})
"""Settings of a pool that a node may have of its own."""


def control_plane_refusals(before: Record, after: Record, nodes: Nodes) -> Iterator[Refusal]:
    """Refusals of roles, of control planes that come, go or change, and of their endpoint."""
    yield from abridged(_roles(before, after))
    yield from _planes(before, after, nodes)
    yield from _endpoint(before, after)
    yield from _private_endpoint(before, after)


def _roles(before: Record, after: Record) -> Iterator[Refusal]:
    for name in sorted(before.nodes.keys() & after.nodes.keys()):
        one, other = before.nodes[name], after.nodes[name]
        if one.role is other.role:
            continue
        yield Refusal(
            path=f"nodePools.{other.pool}.role",
            value=other.role.value,
            rule=f"{name} is a {one.role.value}, and a node keeps its role.",
            reason="A control plane runs an etcd member, and a worker does not.",
            remedy=f"Write role: {one.role.value}, and make a pool of other names for the other "
            "role.",
        )


def _planes(before: Record, after: Record, nodes: Nodes) -> Iterator[Refusal]:
    """Control planes change one at a time, and etcd keeps its quorum throughout."""
    planes = frozenset(before.control_planes) | frozenset(after.control_planes)
    if not before.control_planes:
        return
    added, removed = sorted(nodes.added & planes), sorted(nodes.removed & planes)
    if added and removed:
        yield Refusal(
            path=f"nodePools.{after.nodes[added[0]].pool}",
            value=", ".join(added),
            rule=f"One edit adds or removes control planes, not both; {', '.join(removed)} would "
            "be removed.",
            reason="etcd changes one member at a time, and a renamed control plane is one "
            "removed and one added.",
            remedy=f"Keep {', '.join(removed)}, or add two more first, run `pulumi up`, and take "
            "the old ones out afterwards.",
        )
    changed = [
        name
        for name in sorted((nodes.replaced | nodes.restarted) & planes)
        if name in nodes.restarted or _changes_beside_others(before, after, name)
    ]
    if (added or removed) and changed:
        yield Refusal(
            path=f"nodePools.{after.nodes[changed[0]].pool}",
            value=", ".join(changed),
            rule="These control planes would change in the edit that "
            f"{'adds' if added else 'removes'} {', '.join(added or removed)}.",
            reason="A majority of etcd's members must serve at any time, so an edit changes them "
            "in one way only.",
            remedy="Make the edit of the number of control planes alone, run `pulumi up`, then "
            "make the other one.",
        )
    if len(before.control_planes) == 1 or not after.is_kubeadm:
        kept = (
            refusal
            for name in sorted(nodes.replaced & planes)
            for refusal in _kept_machine(before, after, name)
        )
        yield from abridged(kept)


def _changes_beside_others(before: Record, after: Record, name: str) -> bool:
    """Whether a control plane changes in an edit that adds or removes others.

    One that is left alone keeps its machine whatever the machines' schema is. Another version of
    Kubernetes is a change there, too, although its machine does not go.
    """
    keys = {each.key for each in identity_differences(before, after, name)}
    return bool(keys - {"schema"} if len(after.control_planes) == 1 else keys)


def _kept_machine(before: Record, after: Record, name: str) -> Iterator[Refusal]:
    """Each setting of a control plane that only a new machine could have, while there is none."""
    by_hand = len(before.control_planes) == 1
    named: set[str] = set()
    for difference in identity_differences(before, after, name):
        if by_hand and difference.key in _BY_HAND:
            continue
        if difference.key == "ipv6" and not after.nodes[name].identity.get("ipv6"):
            continue  # It is never switched off (`answers`).
        path, value, back = _taken_back(before.nodes[name], difference)
        if path in named:
            continue  # Address and vSwitch of one NIC.
        named.add(path)
        if after.is_kubeadm:
            rule = f"{name} is the only control plane and keeps its machine."
            reason = "It holds the only etcd: a new machine would be a new, empty cluster."
            remedy = "To change it, go to three control planes first."
        else:
            rule = f"{name} is a control plane of a cluster that this program has not built."
            reason = "This program does not manage that cluster's etcd members."
            remedy = (
                "To change it, take the machine out of the cluster by hand, take its node out of "
                "the stack file, and add it again under another name."
            )
        yield Refusal(path=path, value=value, rule=rule, reason=reason, remedy=f"{back} {remedy}")


def _taken_back(machine: Machine, difference: Difference) -> tuple[str, str, str]:
    """Path in the stack file, new value, and a sentence with what to write instead."""
    pool = f"nodePools.{machine.pool}"
    part, _, rest = difference.key.partition(".")
    if part == "interfaces":
        nic, _, setting = rest.partition(".")
        return _nic_taken_back(machine, difference, nic, setting)
    path = SETTING_NAMES.get(difference.key, f"{pool}.{difference.key}")
    before = machine.in_place.get(part) if part == ETCD_DISK else _value(machine, difference.key)
    if difference.before is None:
        before = None
    back = f"Write {path}: {written(before)}."
    if part == "ipv6":
        back += " Take ipv6Index out of each vSwitch, too."
    if part in _OF_A_NODE:
        back += f" If {pool}.nodes.{machine.name} has {part} of its own, write it there."
    return path, difference.after or "nothing", back


def _value(machine: Machine, key: str) -> object:
    """The setting at a path of a machine's identity."""
    value: Any = machine.identity
    for step in key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _nic_taken_back(
    machine: Machine, difference: Difference, nic: str, setting: str
) -> tuple[str, str, str]:
    path = f"nodePools.{machine.pool}.interfaces.{nic}"
    if setting:
        back = (
            f"Take back what moves {nic} of {machine.name}: firstBlock, blockSize, the node's "
            "ordinal, zone or explicit address, the pool's zones, or the subnet."
        )
        return path, f"{nic} {difference.after}", back
    if difference.before is None:
        return path, "added", f"Take {path} out."
    return path, "nothing", f"Write {path}.subnet: {machine.interfaces[nic].subnet}."


def _endpoint(before: Record, after: Record) -> Iterator[Refusal]:
    """The endpoint stays when the number of control planes changes."""
    one, other = before.chosen.get("endpoint"), after.chosen.get("endpoint")
    counts = len(before.control_planes), len(after.control_planes)
    if one == other or 0 in counts or counts[0] == counts[1]:
        return
    if not (before.is_kubeadm and after.is_kubeadm):
        return
    yield Refusal(
        path=f"nodePools.{after.nodes[after.control_planes[-1]].pool}",
        value=f"{counts[1]} control plane{'' if counts[1] == 1 else 's'}",
        rule=f"Nodes keep reaching the API server by {one or 'an address'}, not by "
        f"{other or 'an address'}.",
        reason="Every kubelet and certificate contains the endpoint, and a node with another one "
        "does not reach the API server.",
        remedy=f"Keep {counts[0]} control plane{'' if counts[0] == 1 else 's'}, run `pulumi up` so "
        "that every node knows the endpoint by its name, and change their number afterwards.",
    )


def _private_endpoint(before: Record, after: Record) -> Iterator[Refusal]:
    """Until the only control plane is behind the new load balancer, no API server answers there.

    The run asks the cluster before it changes a machine. A public endpoint keeps its old target,
    which answers, until the load balancer has a backend.
    """
    grows = len(before.control_planes) == 1 and len(after.control_planes) > 1
    if not grows or not (before.is_kubeadm and after.is_kubeadm):
        return
    if after.section("kubernetes", "endpoint", "public") is not False:
        return
    changed = [
        name
        for name in sorted(before.nodes.keys() & after.nodes.keys())
        if _asked_about(before.nodes[name], after.nodes[name])
    ]
    if changed:
        yield Refusal(
            path=f"nodePools.{after.nodes[changed[0]].pool}",
            value=", ".join(changed),
            rule="These nodes would change in the edit that adds control planes behind a private "
            "endpoint.",
            reason="The API server is reached by a new load balancer from then on, which has no "
            "backend when the change of a node has to ask the cluster.",
            remedy="Make the edit of the number of control planes alone, run `pulumi up`, then "
            "make the other one.",
        )


def _asked_about(before: Machine, after: Machine) -> bool:
    """Whether a machine changes by more than this very edit, and the cluster is asked about it.

    A setting that the earlier release did not record changes nothing on the machine.
    """
    ignored = {"endpoint"} | ({METADATA} if METADATA not in before.running else set())

    def kept(machine: Machine) -> Machine:
        running = {key: value for key, value in machine.running.items() if key not in ignored}
        return replace(machine, running=running, in_place={})

    return kept(before) != kept(after)
