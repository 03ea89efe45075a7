"""ResetDisk: a disk gets the content of one of its snapshots again."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products import statuses
from localcloud.products.ecs import existing
from localcloud.products.ecs.disk import snapshots
from localcloud.products.ecs.instance.instances import STOPPED
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class ResetDisk:
    """Parameters of ResetDisk."""

    disk_id: str
    snapshot_id: str


@action(writes=True)
def reset_disk(call: Call, request: ResetDisk) -> Answer:
    """Roll back a disk that is on a Stopped instance or on none."""
    disk = existing.disk(call, request.disk_id)
    snapshot = existing.snapshot(call, request.snapshot_id)
    if snapshot.disk_id != disk.id:
        raise ApiError(
            "InvalidParameter.Mismatch",
            f"{snapshot.id} is a snapshot of {snapshot.disk_id}, not of {disk.id}.",
            403,
        )
    statuses.require(
        call, snapshot, snapshots.ACCOMPLISHED, code="InvalidSnapshotId.NotReady", status=403
    )
    snapshots.check_none_in_progress(call, disk, code="IncorrectDiskStatus.HasUnfinishedSnapshot")
    statuses.require(call, disk, "In_use", "Available", code="IncorrectDiskStatus", status=403)
    if disk.instance_id:
        instance = existing.instance(call, disk.instance_id)
        statuses.require(call, instance, STOPPED, code="IncorrectInstanceStatus", status=403)
    call.store.change(disk, reset=call.now, reset_snapshot_id=snapshot.id)
    return {}
