"""What is left of a cluster, and whether a snapshot may be restored: pure functions of facts.

The reasons are in docs/decisions/restore.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from operations.backup.origins import Origin

RUNNING: Final = frozenset({"Running", "Starting", "Pending"})
"""Statuses of an instance whose etcd may run, or is about to."""
CONTINUED_FOR: Final = timedelta(hours=24)
"""How long a restore that was cut off is continued. Later its mark says nothing about the disks."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The instance of a control plane."""

    id: str
    status: str
    """As the cloud has it: Running, Stopped, …"""


@dataclass(frozen=True, kw_only=True)
class EtcdDisk:
    """The disk of a control plane."""

    id: str
    source: str
    """The snapshot that it was created from; empty for none."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The snapshot that is asked for."""

    id: str
    disk: str
    """The disk that it is of."""
    done: bool
    is_of_data_disk: bool
    gibibytes: int
    origin: Origin
    """What its tags, or the policy that took it, show."""
    begun: datetime | None
    """When a restore of it removed everything that was left, if that was not finished."""


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What is there before a restore."""

    cluster: str
    control_planes: tuple[str, ...]
    """Of the stack file, the one that creates the cluster first."""
    size: int
    """Size of the first control plane's disk in the stack file, in GiB."""
    answers: bool
    """Whether the API server is ready, which it is only if etcd has a majority."""
    machines: Mapping[str, Machine]
    """Control plane → its machine, of those that exist."""
    disks: Mapping[str, EtcdDisk]
    """Control plane → its disk, of those that exist."""
    earlier_disks: frozenset[str]
    """Disks of control planes that the state knows."""
    snapshot: Source
    mark: str
    """`tag=value` that a snapshot of this cluster has."""

    @property
    def running(self) -> tuple[str, ...]:
        """Control planes whose machines run."""
        return tuple(name for name, m in sorted(self.machines.items()) if m.status in RUNNING)


@dataclass(frozen=True, kw_only=True)
class Restore:
    """What a restore does before `pulumi up`. All mappings are empty when a restore continues."""

    continues: datetime | None
    """When the restore began that goes on; None for a new one."""
    kept: Mapping[str, str]
    """Control plane → its disk, of which a snapshot is taken first."""
    machines: Mapping[str, str]
    """Control plane → its machine, which is deleted."""
    disks: Mapping[str, str]
    """Control plane → its disk, which is deleted."""


def problems(remains: Remains) -> Iterator[str]:
    """Yield every reason against the restore."""
    snapshot = remains.snapshot
    if remains.answers:
        yield (
            f"The API server of {remains.cluster} is ready, so etcd has a majority and the cluster "
            "lives. A restored one would be a second cluster with the same keys. A control plane "
            "that is lost comes back by `pulumi up`."
        )
    if not remains.answers and remains.running:
        machines = ", ".join(f"{name} ({remains.machines[name].id})" for name in remains.running)
        yield (
            f"Machines of control planes run: {machines}. The cluster may live although its API "
            "server does not answer from here: etcd may have fewer members than the plan. If it "
            "is lost all the same, stop these machines in the ECS console, and run this again."
        )
    if not snapshot.done:
        yield (
            f"Snapshot {snapshot.id} is still being made. Run this again when `python -m "
            "operations backup --list` shows it as done."
        )
    own_disks = {disk.id for disk in remains.disks.values()} | remains.earlier_disks
    if snapshot.origin is Origin.EARLIER:
        yield (
            f"Snapshot {snapshot.id} is of an earlier cluster that was called {remains.cluster}, "
            "too: its tag of etcd's CA has another value. This cluster's keys do not fit its "
            "data. Take a snapshot that `python -m operations backup --list` shows."
        )
    elif snapshot.origin is Origin.UNMARKED and snapshot.disk not in own_disks:
        yield (
            f"Snapshot {snapshot.id} is of disk {snapshot.disk or '(unknown)'}, which the state "
            f"does not know. Its tags are those of every cluster that was called "
            f"{remains.cluster}, and it has no tag of etcd's CA, which earlier releases did not "
            "write. Take a snapshot that has one. If you know that this one is of this cluster, "
            f"give it the tag {remains.mark}, and run this again."
        )
    elif not snapshot.is_of_data_disk or (
        snapshot.origin is Origin.FOREIGN and snapshot.disk not in own_disks
    ):
        yield (
            f"Snapshot {snapshot.id} is of disk {snapshot.disk or '(unknown)'}, and neither the "
            f"state nor tags show that this is a disk of {remains.cluster}'s etcd. Take a snapshot "
            "that `python -m operations backup --list` shows. If you know that it is one, give it "
            f"the tag {remains.mark}."
        )
    if snapshot.gibibytes > remains.size:
        yield (
            f"Snapshot {snapshot.id} is of a disk of {snapshot.gibibytes} GiB, and etcdDisk.size "
            f"is {remains.size}. A disk is never smaller than its snapshot. Write size: "
            f"{snapshot.gibibytes} into etcdDisk, and run this again."
        )


def restore_of(remains: Remains, now: datetime, *, anew: bool) -> Restore:
    """Decide what is removed before the cluster is made again.

    Everything that is left of the control planes goes: a machine or a disk of the lost cluster that
    comes back later could make a majority of its own. A restore that was cut off after that goes
    on, unless a disk that is not of the snapshot has taken the first control plane's place, or the
    API server is ready without it: then the restored cluster lives and has lost that machine.
    """
    begun, first = remains.snapshot.begun, remains.disks.get(remains.control_planes[0])
    is_recent = begun is not None and now - begun < CONTINUED_FOR
    goes_on = not remains.answers if first is None else first.source == remains.snapshot.id
    if is_recent and not anew and goes_on:
        return Restore(continues=begun, kept={}, machines={}, disks={})
    return Restore(
        continues=None,
        kept={name: disk.id for name, disk in sorted(remains.disks.items())},
        machines={name: machine.id for name, machine in sorted(remains.machines.items())},
        disks={name: disk.id for name, disk in sorted(remains.disks.items())},
    )
