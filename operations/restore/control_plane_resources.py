"""The cloud resources of the control planes: reads, keeps and deletes them for a restore."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from config.facts.tags import OWN_TAGS
from operations.backup.origins import Marks
from operations.backup.snapshots import take_snapshot
from operations.engine.waiting import holds_within
from operations.failure import ExitCode, OperationError
from operations.restore.decision import RemainingDisk, RemainingMachine, SourceSnapshot
from operations.sweep.cloud import Answer, Api, CloudError, tags_of
from planning.model import ClusterPlan
from planning.names import etcd_disk_name, own_tags

RESTORE_BEGAN: Final = f"{OWN_TAGS}restore"
"""Tag of a snapshot: when the old machines and disks had been deleted to restore it. The snapshot
has it until the restore is finished."""
_GONE_WITHIN: Final = 600.0
_ASK_EVERY: Final = 3.0
_NEVER_USED: Final = "IncorrectDiskStatus.NeverAttached"


@dataclass(frozen=True, kw_only=True)
class ControlPlaneResources:
    """Machines, disks and snapshots of a cluster's control planes. Methods raise `CloudError`."""

    marks: Marks
    api: Api
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    @property
    def plan(self) -> ClusterPlan:
        """The cluster's plan."""
        return self.marks.plan

    def machines(self) -> dict[str, RemainingMachine]:
        """Control plane → its machine."""
        names = {f"{self.plan.name}-{node.name}": node.name for node in self.plan.control_planes}
        return {
            names[name]: RemainingMachine(
                id=str(item["InstanceId"]), status=str(item.get("Status") or "")
            )
            for item in self._instances()
            if (name := str(item.get("InstanceName") or "")) in names and self._is_ours(item)
        }

    def disks(self) -> dict[str, RemainingDisk]:
        """Control plane → its disk."""
        names = {
            etcd_disk_name(f"{self.plan.name}-{node.name}"): node.name
            for node in self.plan.control_planes
        }
        return {
            names[name]: RemainingDisk(
                id=str(item["DiskId"]),
                created_from=str(item.get("SourceSnapshotId") or ""),
            )
            for item in self.api.every("ecs", "DescribeDisks", "Disks", "Disk", DiskType="data")
            if (name := str(item.get("DiskName") or "")) in names and self.marks.may_be_own(item)
        }

    def snapshot(self, id_: str) -> SourceSnapshot:
        """The snapshot with that id.

        Raises:
            OperationError: the region has no such snapshot.
        """
        items = self.api.every(
            "ecs", "DescribeSnapshots", "Snapshots", "Snapshot", SnapshotIds=f'["{id_}"]'
        )
        if not items:
            raise OperationError(
                f"There is no snapshot {id_} in {self.plan.region}. `python -m operations backup "
                "--list` shows those of this cluster.",
                code=ExitCode.REFUSED,
            )
        item = items[0]
        return SourceSnapshot(
            id=id_,
            disk=str(item.get("SourceDiskId") or ""),
            is_complete=str(item.get("Status") or "") == "accomplished",
            is_of_data_disk=str(item.get("SourceDiskType") or "").lower() == "data",
            gibibytes=int(item.get("SourceDiskSize") or 0),
            origin=self.marks.origin(item),
            restore_began=_time(tags_of(item).get(RESTORE_BEGAN)),
        )

    def take_snapshot(self, node: str, disk: str) -> str | None:
        """Take a snapshot of a disk. None if the disk was never attached, and so is empty."""
        try:
            return take_snapshot(
                self.api, self.marks, node=node, disk=disk, clock=self.clock, pause=self.pause
            )
        except CloudError as error:
            if error.code == _NEVER_USED:
                return None
            raise

    def delete_machines(self, machines: Mapping[str, str]) -> None:
        """Delete machines by node, and wait until they are gone."""
        for id_ in machines.values():
            self._delete("DeleteInstance", InstanceId=id_, Force=True)
        self._wait(lambda: {m.id for m in self.machines().values()}, set(machines.values()))

    def delete_disks(self, disks: Mapping[str, str]) -> None:
        """Delete disks by node, and wait until they are gone. Their snapshots stay."""
        for id_ in disks.values():
            self._delete("DeleteDisk", DiskId=id_)
        self._wait(lambda: {d.id for d in self.disks().values()}, set(disks.values()))

    def mark_begun(self, snapshot: str, now: datetime) -> None:
        """Tag the snapshot, so that an interrupted restore of it continues."""
        self._tag(
            "TagResources", snapshot, **{"Tag.1.Key": RESTORE_BEGAN, "Tag.1.Value": _text(now)}
        )

    def unmark(self, snapshot: str) -> None:
        """Remove the tag of `mark_begun`."""
        self._tag("UntagResources", snapshot, **{"TagKey.1": RESTORE_BEGAN})

    def reboot(self, machine: str) -> None:
        """Restart a machine, whose kubelet then registers its Node."""
        self.api.call("ecs", "RebootInstance", InstanceId=machine)

    def stopped(self, machines: Collection[str]) -> set[str]:
        """Those of these machines, by id, that are stopped."""
        return set(machines) & {
            str(item["InstanceId"]) for item in self._instances() if item.get("Status") == "Stopped"
        }

    def start(self, machine: str) -> None:
        """Start a stopped machine."""
        self.api.call("ecs", "StartInstance", InstanceId=machine)

    def _instances(self) -> list[Answer]:
        return self.api.every("ecs", "DescribeInstances", "Instances", "Instance")

    def _tag(self, action: str, snapshot: str, **tag: str) -> None:
        self.api.call("ecs", action, ResourceType="snapshot", **{"ResourceId.1": snapshot}, **tag)

    def _delete(self, action: str, **parameters: object) -> None:
        try:
            self.api.call("ecs", action, **parameters)
        except CloudError as error:
            # An interrupted run may have deleted it.
            if not error.code.endswith(".NotFound"):
                raise

    def _wait(self, present: Callable[[], set[str]], gone: set[str]) -> None:
        if not holds_within(
            lambda: not gone & present(),
            within=_GONE_WITHIN,
            every=_ASK_EVERY,
            clock=self.clock,
            pause=self.pause,
        ):
            raise OperationError(
                f"{', '.join(sorted(gone))} should be deleted and are still there after "
                f"{_GONE_WITHIN / 60:.0f} minutes. Look at them in the ECS console, and run the "
                "same command again: it continues."
            )

    def _is_ours(self, item: Answer) -> bool:
        return own_tags(self.plan.name, self.plan.profile).items() <= tags_of(item).items()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
