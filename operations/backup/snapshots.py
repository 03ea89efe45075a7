"""The snapshots that the cloud has of etcd's disks, and a new one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from operations.backup.origins import Marks, Origin
from operations.engine.waiting import holds_within
from operations.failure import OperationError
from operations.sweep.cloud import Answer, Api
from planning.names import etcd_disk_name

TAKEN_WITHIN: Final = 1800.0
"""Seconds for a snapshot. One of a small disk takes seconds to minutes."""
_LOOK: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One snapshot of the disk of a control plane."""

    id: str
    node: str
    taken: datetime
    """When its content is from, in UTC."""
    gibibytes: int
    """Size of the disk."""
    automatic: bool
    """Taken by the policy of the stack file."""
    done: bool
    certain: bool = True
    """Whether it is of this cluster for certain: False if it has only tags that an earlier cluster
    of the same name has, too."""

    def age(self, now: datetime) -> timedelta:
        """How old its content is."""
        return now - self.taken

    def as_document(self, now: datetime) -> dict[str, object]:
        """Return the snapshot as JSON-ready data; `age` is in hours."""
        return {
            "id": self.id,
            "node": self.node,
            "taken": self.taken.isoformat(),
            "age": round(self.age(now).total_seconds() / 3600, 1),
            "gibibytes": self.gibibytes,
            "automatic": self.automatic,
            "done": self.done,
            "certain": self.certain,
        }


def etcd_disks(api: Api, marks: Marks) -> Mapping[str, str]:
    """Control plane → id of its disk, for disks that are in the cloud. Raises `CloudError`."""
    names = _names(marks)
    return {
        names[name]: str(disk["DiskId"])
        for disk in api.every("ecs", "DescribeDisks", "Disks", "Disk", DiskType="data")
        if (name := str(disk.get("DiskName") or "")) in names and marks.may_be_own(disk)
    }


def snapshots_of(api: Api, disks: Mapping[str, str]) -> list[Snapshot]:
    """Every snapshot of these disks, the youngest first. Raises `CloudError`."""
    snapshots = [
        _snapshot(item, node)
        for node, disk in sorted(disks.items())
        for item in api.every("ecs", "DescribeSnapshots", "Snapshots", "Snapshot", DiskId=disk)
    ]
    return sorted(snapshots, key=lambda snapshot: (snapshot.taken, snapshot.id), reverse=True)


def earlier_snapshots(api: Api, marks: Marks) -> list[Snapshot]:
    """Snapshots of this cluster's disks that may be gone. Raises `CloudError`.

    Those of an earlier cluster of the same name are left out. Where their tags leave that open,
    they are not `certain`.
    """
    items = api.every("ecs", "DescribeSnapshots", "Snapshots", "Snapshot", SourceDiskType="data")
    names = _names(marks)
    snapshots = []
    for item in items:
        origin = marks.origin(item)
        if origin in (Origin.OWN, Origin.UNMARKED):
            node = names.get(str(item.get("SnapshotName")), str(item.get("SourceDiskId")))
            snapshots.append(replace(_snapshot(item, node), certain=origin is Origin.OWN))
    return snapshots


def _names(marks: Marks) -> dict[str, str]:
    """Name of each control plane's disk → the control plane."""
    plan = marks.plan
    return {etcd_disk_name(f"{plan.name}-{node.name}"): node.name for node in plan.control_planes}


def take_snapshot(  # noqa: PLR0913 - times are there for tests
    api: Api,
    marks: Marks,
    *,
    node: str,
    disk: str,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Take a snapshot of a disk, and wait until it can be used; return its id.

    Raises:
        CloudError: The cloud refuses it.
        OperationError: It is not done in time.
    """
    pairs = {
        f"Tag.{place}.{part}": text
        for place, pair in enumerate(sorted(marks.tags.items()), start=1)
        for part, text in zip(("Key", "Value"), pair, strict=True)
    }
    name = etcd_disk_name(f"{marks.plan.name}-{node}")
    answer = api.call("ecs", "CreateSnapshot", DiskId=disk, SnapshotName=name, **pairs)
    id_ = str(answer["SnapshotId"])

    def is_done() -> bool:
        items = api.every(
            "ecs", "DescribeSnapshots", "Snapshots", "Snapshot", SnapshotIds=f'["{id_}"]'
        )
        return any(_snapshot(item, node).done for item in items)

    if not holds_within(is_done, within=TAKEN_WITHIN, every=_LOOK, clock=clock, pause=pause):
        raise OperationError(
            f"Snapshot {id_} of {name} is not done after {TAKEN_WITHIN / 60:.0f} minutes. The "
            "cloud continues; `python -m operations backup --stack S --list` shows when it "
            "is done."
        )
    return id_


def _snapshot(item: Answer, node: str) -> Snapshot:
    taken = datetime.fromisoformat(str(item["CreationTime"]))
    return Snapshot(
        id=str(item["SnapshotId"]),
        node=node,
        taken=taken if taken.tzinfo is not None else taken.replace(tzinfo=UTC),
        gibibytes=int(item.get("SourceDiskSize") or 0),
        automatic=str(item.get("SnapshotType") or "") == "auto",
        done=str(item.get("Status") or "") == "accomplished",
    )
