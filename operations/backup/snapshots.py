"""The snapshots that the cloud has of etcd's disks, and a new one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from operations.engine.waiting import holds_within
from operations.failure import OperationError
from operations.sweep.cloud import Answer, Api, tags_of
from planning.model import ClusterPlan
from planning.names import etcd_disk_name, own_tags

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
        }


def etcd_disks(api: Api, plan: ClusterPlan) -> Mapping[str, str]:
    """Control plane → id of its disk, for disks that are in the cloud. Raises `CloudError`."""
    names = {etcd_disk_name(f"{plan.name}-{node.name}"): node.name for node in plan.control_planes}
    tags = own_tags(plan.name, plan.profile)
    return {
        names[name]: str(disk["DiskId"])
        for disk in api.every("ecs", "DescribeDisks", "Disks", "Disk", DiskType="data")
        if (name := str(disk.get("DiskName") or "")) in names
        and tags.items() <= tags_of(disk).items()
    }


def snapshots_of(api: Api, disks: Mapping[str, str]) -> list[Snapshot]:
    """Every snapshot of these disks, the youngest first. Raises `CloudError`."""
    snapshots = [
        _snapshot(item, node)
        for node, disk in sorted(disks.items())
        for item in api.every("ecs", "DescribeSnapshots", "Snapshots", "Snapshot", DiskId=disk)
    ]
    return sorted(snapshots, key=lambda snapshot: (snapshot.taken, snapshot.id), reverse=True)


def earlier_snapshots(api: Api, plan: ClusterPlan, policies: frozenset[str]) -> list[Snapshot]:
    """Snapshots of this cluster's disks that may be gone. Raises `CloudError`.

    Those of the command have the cluster's tags, and those of a policy its id at the end of their
    names (`auto2.0_yyyyMMdd_SnapshotPolicyId`,
    https://www.alibabacloud.com/help/en/elastic-compute-service/latest/apply-or-disable-an-automatic-snapshot-policy).
    """
    items = api.every("ecs", "DescribeSnapshots", "Snapshots", "Snapshot", SourceDiskType="data")
    names = {etcd_disk_name(f"{plan.name}-{node.name}"): node.name for node in plan.control_planes}
    return [
        _snapshot(item, names.get(str(item.get("SnapshotName")), str(item.get("SourceDiskId"))))
        for item in items
        if is_of_cluster(item, plan, policies)
    ]


def is_of_cluster(item: Answer, plan: ClusterPlan, policies: frozenset[str]) -> bool:
    """Whether its tags, or the policy in its name, show that it is of a disk of this cluster."""
    policy = str(item.get("SnapshotName") or "").rpartition("_")[2]
    own = own_tags(plan.name, plan.profile)
    return own.items() <= tags_of(item).items() or policy in policies


def take_snapshot(  # noqa: PLR0913 - times are there for tests
    api: Api,
    plan: ClusterPlan,
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
    tags = own_tags(plan.name, plan.profile)
    pairs = {
        f"Tag.{place}.{part}": text
        for place, pair in enumerate(sorted(tags.items()), start=1)
        for part, text in zip(("Key", "Value"), pair, strict=True)
    }
    name = etcd_disk_name(f"{plan.name}-{node}")
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
            "cloud goes on with it; `python -m operations backup --stack S --list` shows when it "
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
