"""Which nodes change while they run, restart, get a new machine, are added or removed.

A node has a new machine exactly if its identity differs (`planning.nodes.machine`). Workers are
drained before; control planes change one at a time, and never in the same edit in which others of
them come or go, so that etcd has its quorum before and after each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from config.facts.images import architecture_of
from config.facts.instance_limits import family_of
from planning.transitions.differences import differences, text, written
from planning.transitions.part import Part, Phase, abridged
from planning.transitions.reading import Machine, Record
from planning.transitions.record import METADATA
from planning.transitions.steps import (
    AddMember,
    AddNode,
    ChangeInPlace,
    ChangeRunningNode,
    Difference,
    KeepMachine,
    Refusal,
    RemoveMember,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
    Step,
)

MACHINE_SCHEMA_NAME: Final = "the machines' schema"
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
ETCD_DISK: Final = "etcdDisk"
"""Key of the disk in a machine's identity, and of its settings in those that change in place."""
_NAMES: Final = {
    "endpoint": "address of the API servers",
    "schema": MACHINE_SCHEMA_NAME,
    "kubernetes": "kubernetes.version",
    "ipv6": "network.ipv6.enabled",
    METADATA: "kubernetes.metadataForPods",
}
"""Parts of a machine's identity by the stack file's own words; the others are called so there."""
_DEFAULT_LEVEL: Final = "PL1"
"""Performance level of an ESSD that is made without one (ECS, RunInstances, CreateDisk)."""
_LOWEST_LEVEL: Final = "PL0"
_LOW_CATEGORIES: Final = frozenset({"cloud_efficiency", "cloud_essd_entry"})
_ANOTHER_POOL: Final = (
    "For another one, make a node pool of another name and take this one out afterwards."
)
_BY_HAND: Final = frozenset({"schema", "kubernetes"})
"""Settings that may differ while the only control plane keeps its machine."""
_OF_A_NODE: Final = frozenset({"image", "disk"})
"""Settings of a pool that a node may have of its own."""
_NOT_BOOTED_BY_US: Final = frozenset({"schema", "kubernetes", "ipv6"})
"""Settings without effect on machines of a cluster that this program did not build."""

_Phased = tuple[Phase, Step]


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Node names by change."""

    added: frozenset[str]
    removed: frozenset[str]
    replaced: frozenset[str]
    restarted: frozenset[str]


def fates(before: Record, after: Record) -> Nodes:
    """What happens to each node's machine."""
    both = before.nodes.keys() & after.nodes.keys()
    return Nodes(
        added=frozenset(after.nodes.keys() - before.nodes.keys()),
        removed=frozenset(before.nodes.keys() - after.nodes.keys()),
        replaced=frozenset(name for name in both if _identity(before, after, name)),
        restarted=frozenset(
            name for name in both if before.nodes[name].restart != after.nodes[name].restart
        ),
    )


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
        *abridged(_roles(before, after)),
        *_planes(before, after, nodes),
        *_endpoint(before, after),
        *_private_endpoint(before, after),
        *abridged(_kept_by_the_cloud(before, nodes)),
        *abridged(_disks(before, after, nodes)),
        *abridged(_disk_levels(before, after, nodes)),
        *abridged(_disk_categories(before, after)),
        *abridged(_instance_types(before, after, nodes)),
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
    fixed = _identity(before, after, name)
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


def _identity(before: Record, after: Record, name: str) -> tuple[Difference, ...]:
    one, other = before.nodes[name].identity, after.nodes[name].identity
    if not after.is_kubeadm:
        one, other = _without_boot(one), _without_boot(other)
    return differences(one, other)


def _without_boot(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in identity.items() if key not in _NOT_BOOTED_BY_US}


def _because(differing: Iterable[Difference]) -> tuple[Difference, ...]:
    return tuple(
        Difference(key=_NAMES.get(each.key, each.key), before=each.before, after=each.after)
        for each in differing
    )


def _without(fixed: tuple[Difference, ...]) -> str:
    if any(each.key == "kubernetes" for each in fixed):
        return (
            "it holds the only etcd; its Kubernetes is upgraded on the machine "
            "(docs/runbooks/upgrade.md, One control plane)"
        )
    return ONLY_ETCD


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
    keys = {each.key for each in _identity(before, after, name)}
    return bool(keys - {"schema"} if len(after.control_planes) == 1 else keys)


def _kept_machine(before: Record, after: Record, name: str) -> Iterator[Refusal]:
    """Each setting of a control plane that only a new machine could have, while there is none."""
    by_hand = len(before.control_planes) == 1
    named: set[str] = set()
    for difference in _identity(before, after, name):
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
    path = _NAMES.get(difference.key, f"{pool}.{difference.key}")
    before = machine.in_place.get(part) if part == ETCD_DISK else _value(machine, difference.key)
    if difference.before is None:
        before = None
    back = f"Write {path}: {written(before)}."
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


def _kept_by_the_cloud(before: Record, nodes: Nodes) -> Iterator[Refusal]:
    """Machines that the cloud refuses to delete."""
    for name in sorted(nodes.removed | nodes.replaced):
        machine = before.nodes[name]
        what = "removed" if name in nodes.removed else "replaced"
        if machine.in_place.get("chargeType") == "PrePaid" and not machine.in_place.get(
            "forceDelete"
        ):
            yield Refusal(
                path=f"nodePools.{machine.pool}.chargeType",
                value="PrePaid",
                rule=f"{name} would be {what}, but a subscription machine is not deleted before "
                "its term ends.",
                reason="The cloud refuses it (DeleteInstance), after the node has been drained.",
                remedy="Write forceDelete: true in the pool and run `pulumi up` before this edit, "
                "or write chargeType: PostPaid and do the same.",
            )
        if machine.in_place.get("deletionProtection"):
            yield Refusal(
                path=f"nodePools.{machine.pool}.deletionProtection",
                value="true",
                rule=f"{name} would be {what}, but its deletion protection is on.",
                reason="The cloud refuses to delete it (InvalidOperation.DeletionProtection).",
                remedy="Write deletionProtection: false in the pool and run `pulumi up` before "
                "this edit.",
            )


def _disks(before: Record, after: Record, nodes: Nodes) -> Iterator[Refusal]:
    for name in sorted(before.nodes.keys() & after.nodes.keys()):
        for key in ("disk", ETCD_DISK):
            one, other = _size(before.nodes[name], key), _size(after.nodes[name], key)
            goes = key == "disk" and _is_made_anew(before, after, nodes, name)
            if goes or one is None or other is None or other >= one:
                continue
            yield Refusal(
                path=f"nodePools.{after.nodes[name].pool}.{key}.size",
                value=text(other) or "",
                rule=f"The {'disk' if key == 'disk' else 'etcd disk'} of {name} has {one} GiB, "
                "and a disk never shrinks.",
                reason="ResizeDisk refuses a smaller size.",
                remedy=f"Write size: {one} or more.",
            )


def _disk_levels(before: Record, after: Record, nodes: Nodes) -> Iterator[Refusal]:
    """ModifyDiskSpec: no ESSD goes back to PL0, and one of a subscription never goes back.

    A level that the stack file no longer has stays as it is.
    """
    for name in sorted(before.nodes.keys() & after.nodes.keys()):
        one, other = before.nodes[name], after.nodes[name]
        for key in ("disk", ETCD_DISK):
            if key == "disk" and _is_made_anew(before, after, nodes, name):
                continue
            old, new = _level(one, key), _level(other, key, default=None)
            if old is None or new is None or new >= old:
                continue
            bought = key == "disk" and one.in_place.get("chargeType") == "PrePaid"
            if new != _LOWEST_LEVEL and not bought:
                continue
            kept = old if bought else _DEFAULT_LEVEL
            yield Refusal(
                path=f"nodePools.{other.pool}.{key}.performanceLevel",
                value=new,
                rule=f"The {'disk' if key == 'disk' else 'etcd disk'} of {name} has {old}, and "
                + ("a subscription disk keeps its level." if bought else "no disk goes to PL0."),
                reason="ModifyDiskSpec lowers the level of pay-as-you-go disks only, and not to "
                "PL0.",
                remedy=f"Write performanceLevel: {kept}."
                + ("" if other.is_control_plane else f" {_ANOTHER_POOL}"),
            )


def _level(machine: Machine, key: str, default: str | None = _DEFAULT_LEVEL) -> str | None:
    """An ESSD's performance level; None of another disk, or where the stack file has none."""
    disk = machine.in_place.get(key)
    holder = machine.identity.get("disk") if key == "disk" else disk
    if not isinstance(disk, Mapping) or not isinstance(holder, Mapping):
        return None
    level = disk.get("performanceLevel", default)
    return level if holder.get("category") == "cloud_essd" and isinstance(level, str) else None


def _disk_categories(before: Record, after: Record) -> Iterator[Refusal]:
    """A disk for etcd outlives its machine, and its category is never lowered."""
    for name in sorted(before.nodes.keys() & after.nodes.keys()):
        one, other = (m.in_place.get(ETCD_DISK) for m in (before.nodes[name], after.nodes[name]))
        if not isinstance(one, Mapping) or not isinstance(other, Mapping):
            continue
        old, new = one.get("category"), other.get("category")
        if old == new or new not in _LOW_CATEGORIES:
            continue
        yield Refusal(
            path=f"nodePools.{after.nodes[name].pool}.{ETCD_DISK}.category",
            value=str(new),
            rule=f"The etcd disk of {name} is {old}, and a disk never becomes {new}.",
            reason="ECS changes a disk to a better category only (ModifyDiskSpec).",
            remedy=f"Write category: {old}.",
        )


def _instance_types(before: Record, after: Record, nodes: Nodes) -> Iterator[Refusal]:
    """Types that ModifyInstanceSpec refuses for a machine that stays."""
    for name in sorted(nodes.restarted):
        if _is_made_anew(before, after, nodes, name):
            continue
        machine = before.nodes[name]
        old, new = (str(r.nodes[name].restart.get("instanceType")) for r in (before, after))
        spot = machine.identity.get("spot")
        if isinstance(spot, Mapping) and spot.get("strategy") != "NoSpot":
            rule = f"{name} is a preemptible machine, and those keep their instance type."
            reason = "ECS does not change the type of a preemptible instance."
        elif architecture_of(family_of(old)) != architecture_of(family_of(new)):
            rule = f"{name} has an {architecture_of(family_of(old))} system on its disk."
            reason = f"A machine of {new} is {architecture_of(family_of(new))} and cannot boot it."
        else:
            continue
        yield Refusal(
            path=f"nodePools.{after.nodes[name].pool}.instanceType",
            value=new,
            rule=rule,
            reason=reason,
            remedy=f"Write instanceType: {old}. {_ANOTHER_POOL}",
        )


def _is_made_anew(before: Record, after: Record, nodes: Nodes, name: str) -> bool:
    """Whether a node gets a new machine, with a new system disk."""
    return name in nodes.replaced and _gets_a_new_disk(before, after, name)


def _gets_a_new_disk(before: Record, after: Record, name: str) -> bool:
    """Whether a replaced machine boots from a disk that is created for it.

    In a cluster that somebody else builds, the provider changes image and key pair of the instance
    that is there. ReplaceSystemDisk empties the disk and refuses a smaller size
    (InvalidDiskSize.TooSmall).
    """
    one, other = before.nodes[name].identity, after.nodes[name].identity
    different = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    return after.is_kubeadm or bool(different - {"image", "keyPair"})


def _size(machine: Machine, key: str) -> int | None:
    disk = machine.in_place.get(key)
    size = disk.get("size") if isinstance(disk, Mapping) else None
    return size if isinstance(size, int) else None
