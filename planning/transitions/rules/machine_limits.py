"""What the cloud refuses to do with a machine or a disk that exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from config.facts.images import architecture_of
from config.facts.instance_limits import family_of
from planning.transitions.differences import text
from planning.transitions.part import abridged
from planning.transitions.reading import Machine, Record
from planning.transitions.rules.machine_fates import ETCD_DISK, Nodes
from planning.transitions.steps import Refusal

_DEFAULT_LEVEL: Final = "PL1"
"""Performance level of an ESSD that is made without one (ECS, RunInstances, CreateDisk)."""
_LOWEST_LEVEL: Final = "PL0"
_LOW_CATEGORIES: Final = frozenset({"cloud_efficiency", "cloud_essd_entry"})
_ANOTHER_POOL: Final = (
    "For another one, make a node pool of another name and take this one out afterwards."
)


def machine_refusals(before: Record, after: Record, nodes: Nodes) -> Iterator[Refusal]:
    """Refusals of what the cloud does not do with a machine or a disk that exists."""
    yield from abridged(_kept_by_the_cloud(before, nodes))
    yield from abridged(_disks(before, after, nodes))
    yield from abridged(_disk_levels(before, after, nodes))
    yield from abridged(_disk_categories(before, after))
    yield from abridged(_instance_types(before, after, nodes))


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
            goes = key == "disk" and _gets_a_new_machine(before, after, nodes, name)
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
            if key == "disk" and _gets_a_new_machine(before, after, nodes, name):
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
        if _gets_a_new_machine(before, after, nodes, name):
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


def _gets_a_new_machine(before: Record, after: Record, nodes: Nodes, name: str) -> bool:
    """Whether a node gets a new machine with a new system disk. An only control plane does not."""
    planes = before.control_planes, after.control_planes
    is_kept = any(each == (name,) for each in planes)
    return name in nodes.replaced and not is_kept and _gets_a_new_disk(before, after, name)


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
