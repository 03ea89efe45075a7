"""Decides whether a snapshot may be restored, and what is deleted before.

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
CONTINUED_WITHIN: Final = timedelta(hours=24)
"""How long after its beginning an interrupted restore continues. Later the disks may be others."""


@dataclass(frozen=True, kw_only=True)
class RemainingMachine:
    """The instance of a control plane, as the cloud has it."""

    id: str
    status: str
    """Running, Stopped, …"""


@dataclass(frozen=True, kw_only=True)
class RemainingDisk:
    """The disk for etcd of a control plane, as the cloud has it."""

    id: str
    created_from: str
    """The snapshot that it was created from; empty for none."""


@dataclass(frozen=True, kw_only=True)
class SourceSnapshot:
    """The snapshot that the user wants to restore."""

    id: str
    disk: str
    """The id of the disk from which it was taken."""
    is_complete: bool
    is_of_data_disk: bool
    gibibytes: int
    """Size of that disk."""
    origin: Origin
    """What its tags, or the policy that took it, show."""
    restore_began: datetime | None
    """When an unfinished restore of it had deleted the old machines and disks; None without one."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The facts on which the decision about a restore depends."""

    cluster: str
    control_planes: tuple[str, ...]
    """Of the stack file. The first one creates the cluster."""
    disk_gibibytes: int
    """Size of the first control plane's disk in the stack file."""
    api_server_is_ready: bool
    """It is ready only if etcd has a majority."""
    machines: Mapping[str, RemainingMachine]
    """Control plane → its machine, of those that exist."""
    disks: Mapping[str, RemainingDisk]
    """Control plane → its disk, of those that exist."""
    disks_in_state: frozenset[str]
    """Ids of the disks in Pulumi's state."""
    snapshot: SourceSnapshot
    mark: str
    """`tag=value` that a snapshot of this cluster has."""

    @property
    def running(self) -> tuple[str, ...]:
        """Control planes whose machines run."""
        return tuple(name for name, m in sorted(self.machines.items()) if m.status in RUNNING)


@dataclass(frozen=True, kw_only=True)
class RestorePlan:
    """What is deleted before `pulumi up`: nothing when an interrupted restore continues.

    A snapshot of each disk is taken before the disk is deleted.
    """

    continues: datetime | None
    """When the interrupted restore began; None for a new one."""
    machines: Mapping[str, str]
    """Control plane → id of its machine."""
    disks: Mapping[str, str]
    """Control plane → id of its disk."""


def refusals(situation: Situation) -> Iterator[str]:
    """Yield every reason against the restore."""
    snapshot = situation.snapshot
    if situation.api_server_is_ready:
        yield (
            f"The API server of {situation.cluster} is ready, so etcd has a majority and the "
            "cluster is alive. A restored one would be a second cluster with the same keys. "
            "`pulumi up` creates a lost control plane again."
        )
    if not situation.api_server_is_ready and situation.running:
        machines = ", ".join(
            f"{name} ({situation.machines[name].id})" for name in situation.running
        )
        yield (
            f"Machines of control planes run: {machines}. The cluster may be alive although its "
            "API server does not answer from here: etcd may have fewer members than the plan. If "
            "it is lost, stop these machines in the ECS console, and run this again."
        )
    if not snapshot.is_complete:
        yield (
            f"Snapshot {snapshot.id} is not complete yet. Run this again when `python -m "
            "operations backup --list` shows it as done."
        )
    own_disks = {disk.id for disk in situation.disks.values()} | situation.disks_in_state
    if snapshot.origin is Origin.EARLIER:
        yield (
            f"Snapshot {snapshot.id} is of an earlier cluster that was called {situation.cluster}, "
            "too: its tag of etcd's CA has another value. This cluster's keys do not fit its "
            "data. Choose a snapshot that `python -m operations backup --list` shows."
        )
    elif snapshot.origin is Origin.UNMARKED and snapshot.disk not in own_disks:
        yield (
            f"Snapshot {snapshot.id} is of disk {snapshot.disk or '(unknown)'}, which Pulumi's "
            "state does not have. Its tags are those of every cluster that was called "
            f"{situation.cluster}, and it has no tag of etcd's CA, which earlier releases did not "
            "write. Choose a snapshot that has one. If you are sure that this one is of the "
            f"cluster, give it the tag {situation.mark}, and run this again."
        )
    elif not snapshot.is_of_data_disk or (
        snapshot.origin is Origin.FOREIGN and snapshot.disk not in own_disks
    ):
        yield (
            f"Snapshot {snapshot.id} is of disk {snapshot.disk or '(unknown)'}, and neither "
            f"Pulumi's state nor tags show that {situation.cluster} has this disk for etcd. Choose "
            "a snapshot that `python -m operations backup --list` shows. If you are sure that this "
            f"one is of the cluster, give it the tag {situation.mark}."
        )
    if snapshot.gibibytes > situation.disk_gibibytes:
        yield (
            f"Snapshot {snapshot.id} is of a disk of {snapshot.gibibytes} GiB, and etcdDisk.size "
            f"is {situation.disk_gibibytes}. A disk is never smaller than its snapshot. Write "
            f"size: {snapshot.gibibytes} into etcdDisk, and run this again."
        )


def plan_restore(situation: Situation, now: datetime, *, starts_over: bool) -> RestorePlan:
    """Decide what is deleted before the cluster is created again.

    Every machine and disk of the control planes is deleted: one that comes back later could form a
    majority of its own. A restore that was interrupted after this step continues, unless

    - a disk that is not from the snapshot has taken the first control plane's place, or
    - that control plane has no disk, and the API server is ready without it: then the restored
      cluster is alive and has lost that machine, or
    - `starts_over` is set.
    """
    began = situation.snapshot.restore_began
    is_recent = began is not None and now - began < CONTINUED_WITHIN
    first_disk = situation.disks.get(situation.control_planes[0])
    may_continue = (
        not situation.api_server_is_ready
        if first_disk is None
        else first_disk.created_from == situation.snapshot.id
    )
    if is_recent and may_continue and not starts_over:
        return RestorePlan(continues=began, machines={}, disks={})
    return RestorePlan(
        continues=None,
        machines={name: machine.id for name, machine in sorted(situation.machines.items())},
        disks={name: disk.id for name, disk in sorted(situation.disks.items())},
    )
