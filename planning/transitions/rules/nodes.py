"""Which nodes change while they run, restart, get a new machine, are added or removed.

A node has a new machine exactly if its identity differs (`planning.nodes.machine`). Workers are
drained before; control planes change one at a time, and never in the same edit in which others of
them come or go, so that etcd has its quorum before and after each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from planning.transitions.differences import differences
from planning.transitions.part import Part, Phase
from planning.transitions.reading import Record
from planning.transitions.record import METADATA
from planning.transitions.rules.control_planes import control_plane_refusals
from planning.transitions.rules.machine_fates import (
    ETCD_DISK,
    SETTING_NAMES,
    Nodes,
    fates,
    identity_differences,
)
from planning.transitions.rules.machine_limits import machine_refusals
from planning.transitions.steps import (
    AddMember,
    AddNode,
    ChangeInPlace,
    ChangeRunningNode,
    Difference,
    KeepMachine,
    RemoveMember,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
    Step,
)

ONLY_ETCD: Final = "it holds the only etcd; a new machine would be a new, empty cluster"
"""Why the only control plane is never replaced."""
WITHOUT_A_UNIT: Final = (
    "nothing that it is made from has changed; it has no unit of its own and cannot change its "
    "settings while it runs, until it is replaced once"
)
"""The limits of a machine of an earlier release (docs/decisions/node-unit.md)."""
WITHOUT_A_GUARD: Final = (
    "its unit is that of an earlier release and does not keep pods from the metadata service; a "
    "new machine does (docs/decisions/pods-and-metadata.md)"
)
_Phased = tuple[Phase, Step]


def check_nodes(before: Record, after: Record) -> Part:
    """Steps and refusals for machines; their addresses are `addresses`' part."""
    nodes = fates(before, after)
    steps = [
        *_coming(before, after, nodes),
        *_going(before, after, nodes),
        *(
            step
            for name in sorted(before.nodes.keys() & after.nodes.keys())
            for step in _staying(before, after, name)
        ),
    ]
    refusals = [
        *control_plane_refusals(before, after, nodes),
        *machine_refusals(before, after, nodes),
    ]
    return Part(steps=tuple(steps), refusals=tuple(refusals))


def _coming(before: Record, after: Record, nodes: Nodes) -> Iterator[_Phased]:
    size = len(before.control_planes)
    for name in sorted(nodes.added):
        if not after.nodes[name].is_control_plane:
            yield Phase.WORKERS_JOIN, AddNode(node=name)
            continue
        yield Phase.PLANES_JOIN, AddNode(node=name)
        if after.is_kubeadm and before.control_planes:
            size += 1
            yield Phase.PLANES_JOIN, AddMember(node=name, size=size)


def _going(before: Record, after: Record, nodes: Nodes) -> Iterator[_Phased]:
    size = len(before.control_planes)
    drained = before.is_kubeadm
    for name in sorted(nodes.removed, reverse=True):
        if not before.nodes[name].is_control_plane:
            yield Phase.WORKERS_LEAVE, RemoveNode(node=name, drained=drained)
            continue
        if after.is_kubeadm:
            size -= 1
            yield Phase.PLANES_LEAVE, RemoveMember(node=name, size=size)
        yield Phase.PLANES_LEAVE, RemoveNode(node=name, drained=drained)


def _staying(before: Record, after: Record, name: str) -> Iterator[_Phased]:
    one, other = before.nodes[name], after.nodes[name]
    plane = other.is_control_plane
    phase = Phase.PLANES_CHANGE if plane else Phase.WORKERS_CHANGE
    fixed = identity_differences(before, after, name)
    restart = differences(one.restart, other.restart)
    running = differences(one.running, other.running) if after.is_kubeadm else ()
    unguarded = [each for each in running if each.key == METADATA and each.before is None]
    running = tuple(each for each in running if each not in unguarded)
    kept = False
    if fixed and plane and len(after.control_planes) == 1:
        kept = True
        yield phase, KeepMachine(node=name, because=_without(fixed))
    elif fixed:
        because = _because(fixed + restart)
        if plane:
            others = tuple(n for n in after.control_planes if n != name)
            yield phase, ReplaceControlPlane(node=name, others=others, because=because)
        else:
            yield phase, ReplaceWorker(node=name, drained=after.is_kubeadm, because=because)
    if restart and (kept or not fixed):
        yield (
            phase,
            RestartNode(
                node=name,
                control_plane=plane,
                drained=after.is_kubeadm and not plane,
                because=_because(restart),
            ),
        )
    if running and (kept or not fixed):
        yield phase, ChangeRunningNode(node=name, because=_because(running))
    if not fixed and any(each.after == "blocked" for each in unguarded):
        yield phase, KeepMachine(node=name, because=WITHOUT_A_GUARD)
    in_place = differences(one.in_place, other.in_place)
    if any(each.key == ETCD_DISK for each in fixed):
        # The disk comes or goes with the machine.
        in_place = tuple(each for each in in_place if each.key != ETCD_DISK)
    if in_place:
        yield phase, ChangeInPlace(target=name, because=_because(in_place))


def _because(differing: Iterable[Difference]) -> tuple[Difference, ...]:
    return tuple(
        Difference(key=SETTING_NAMES.get(each.key, each.key), before=each.before, after=each.after)
        for each in differing
    )


def _without(fixed: tuple[Difference, ...]) -> str:
    if any(each.key == "kubernetes" for each in fixed):
        return (
            "it holds the only etcd; its Kubernetes is upgraded on the machine "
            "(docs/runbooks/upgrade.md, One control plane)"
        )
    return ONLY_ETCD
