"""DeleteDisk, and what happens to disks when their instance is deleted."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products import statuses
from localcloud.products.ecs.disk import snapshots
from localcloud.products.ecs.disk.disk_attachments import AVAILABLE, freed
from localcloud.products.ecs.entities import Disk, Instance, Snapshot
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class DeleteDisk:
    """Parameters of DeleteDisk."""

    disk_id: str


@action(writes=True)
def delete_disk(call: Call, request: DeleteDisk) -> Answer:
    """Release a disk that is on no instance.

    "If the specified DiskId parameter does not exist, the request is ignored" (page DeleteDisk).
    """
    disk = call.store.find(Disk, request.disk_id)
    if disk is None:
        return {}
    if disk.kind == "system":
        raise ApiError(
            "DiskTypeViolation", f"{disk.id} is a system disk; it goes with its instance.", 403
        )
    if not disk.portable:
        raise ApiError("DiskNotPortable", f"{disk.id} stays with its instance.", 403)
    if disk.life.at(call.now) == "Creating":
        raise ApiError(
            "IncorrectDiskStatus.Initializing", f"{disk.id} is Creating; wait until it is not.", 403
        )
    statuses.require(call, disk, AVAILABLE, code="IncorrectDiskStatus", status=403)
    snapshots.check_none_in_progress(call, disk)
    release(call, disk)
    return {}


def release(call: Call, disk: Disk) -> None:
    """Remove a disk with its contents. Its manual snapshots stay.

    Automatic ones stay unless DeleteAutoSnapshot is set (page DeleteDisk).
    """
    for snapshot in call.store.where(Snapshot, "disk", disk.id):
        if snapshot.automatic and disk.delete_auto_snapshot:
            call.store.remove(snapshot)
    call.store.remove(disk)


def part_from(call: Call, instance: Instance, *, at: float) -> None:
    """Release the disks of an instance that was deleted at `at`, or free those that stay.

    No page says that these are Detaching for a while, as after DetachDisk.
    """
    for disk in call.store.where(Disk, "instance", instance.id):
        if disk.delete_with_instance:
            release(call, disk)
        else:
            call.store.put(freed(disk, at))
