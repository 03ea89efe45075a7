"""Snapshots of disks: creation by hand, changes, deletion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import resource_groups, statuses
from localcloud.products.ecs import existing, names
from localcloud.products.ecs.entities import Disk, Instance, Snapshot
from localcloud.products.ecs.instance.instances import RUNNING, STOPPED
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter, Tags
from localcloud.wire.errors import ApiError

ACCOMPLISHED: Final = "accomplished"
PROGRESSING: Final = "progressing"
_PROGRESSING_SECONDS: Final = 20.0
_MOST_MANUAL: Final = 256
"""Manual snapshots of one disk (page CreateSnapshot)."""
_MOST_DAYS: Final = 65536


@dataclass(frozen=True, kw_only=True)
class CreateSnapshot:
    """Parameters of CreateSnapshot."""

    disk_id: str
    snapshot_name: str = ""
    description: str = ""
    retention_days: int | None = None
    category: str | None = None
    instant_access: bool | None = None
    instant_access_retention_days: int | None = None
    storage_location_arn: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_snapshot(call: Call, request: CreateSnapshot) -> Answer:
    """Take a snapshot of a disk as it is now."""
    resource_groups.require_of_ecs(request.resource_group_id)
    names.check_snapshot(request.snapshot_name, request.description)
    _check_retention(request.retention_days)
    disk = existing.disk(call, request.disk_id)
    statuses.require(call, disk, "In_use", "Available", code="IncorrectDiskStatus", status=403)
    if not is_used(disk):
        raise ApiError(
            "IncorrectDiskStatus.NeverAttached",
            f"{disk.id} was never on an instance, so it has nothing to keep.",
            403,
        )
    if disk.instance_id:
        instance = existing.instance(call, disk.instance_id)
        statuses.require(
            call, instance, RUNNING, STOPPED, code="IncorrectInstanceStatus", status=403
        )
    check_none_in_progress(call, disk, code="IncorrectDiskStatus.CreatingSnapshot")
    snapshots = call.store.where(Snapshot, "disk", disk.id)
    if sum(not s.automatic for s in snapshots) >= _MOST_MANUAL:
        raise ApiError(
            "QuotaExceed.Snapshot", f"{disk.id} has {_MOST_MANUAL} manual snapshots, the most.", 403
        )
    snapshot = take(
        call,
        disk,
        name=request.snapshot_name,
        description=request.description,
        automatic=False,
        retention_days=request.retention_days,
        resource_group_id=request.resource_group_id,
        with_tags=tags.requested(request.tag),
    )
    return {"SnapshotId": snapshot.id}


def take(  # noqa: PLR0913  # what a snapshot is
    call: Call,
    disk: Disk,
    *,
    name: str,
    description: str,
    automatic: bool,
    retention_days: int | None,
    resource_group_id: str,
    with_tags: Tags = (),
) -> Snapshot:
    """Add a snapshot that begins now."""
    return call.store.put(
        Snapshot(
            id=call.new_id("s"),
            name=name,
            description=description,
            disk_id=disk.id,
            disk_kind=disk.kind,
            disk_size=disk.size,
            encrypted=disk.encrypted,
            kms_key_id=disk.kms_key_id,
            automatic=automatic,
            retention_days=retention_days,
            resource_group_id=resource_group_id,
            created=call.now,
            modified=call.now,
            life=call.passing((PROGRESSING, _PROGRESSING_SECONDS), to=ACCOMPLISHED),
            tags=with_tags,
        )
    )


def is_used(disk: Disk) -> bool:
    """Whether the disk has been on an instance."""
    return bool(disk.instance_id or disk.attached)


def in_progress(call: Call, disk: Disk) -> Snapshot | None:
    """The snapshot of the disk that is being created."""
    snapshots = call.store.where(Snapshot, "disk", disk.id)
    return next((s for s in snapshots if s.life.at(call.now) == PROGRESSING), None)


def check_none_in_progress(call: Call, disk: Disk, *, code: str = "DiskCreatingSnapshot") -> None:
    """Raise while a snapshot of the disk is being created."""
    snapshot = in_progress(call, disk)
    if snapshot is not None:
        raise ApiError(code, f"The snapshot {snapshot.id} of {disk.id} is in progress.", 403)


def _check_retention(days: int | None) -> None:
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise ApiError(
            "InvalidRetentionDays.Malformed", f"RetentionDays {days} must be 1 to {_MOST_DAYS}."
        )


@dataclass(frozen=True, kw_only=True)
class ModifySnapshotAttribute:
    """Parameters of ModifySnapshotAttribute."""

    snapshot_id: str
    snapshot_name: str | None = None
    description: str | None = None
    retention_days: int | None = None
    disable_instant_access: bool | None = None


@action(writes=True)
def modify_snapshot_attribute(call: Call, request: ModifySnapshotAttribute) -> Answer:
    """Change a snapshot. Its retention can only become longer."""
    names.check_snapshot(request.snapshot_name or "", request.description or "")
    _check_retention(request.retention_days)
    snapshot = existing.snapshot(call, request.snapshot_id)
    changes = requested(
        name=request.snapshot_name,
        description=request.description,
        retention_days=request.retention_days,
    )
    if not changes:
        raise ApiError("NoAttributeToModify", "The request has no attribute to change.")
    statuses.require(call, snapshot, ACCOMPLISHED, code="InvalidSnapshotId.NotReady")
    if (request.retention_days or _MOST_DAYS) < (snapshot.retention_days or 0):
        raise ApiError(
            "InvalidOperation.DecreaseRetentionDaysUnsupported",
            f"{snapshot.id} is kept for {snapshot.retention_days} days, which cannot become "
            f"{request.retention_days}.",
        )
    call.store.change(snapshot, modified=call.now, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteSnapshot:
    """Parameters of DeleteSnapshot."""

    snapshot_id: str
    force: bool = False


@action(writes=True)
def delete_snapshot(call: Call, request: DeleteSnapshot) -> Answer:
    """Delete a snapshot, also one in progress.

    "If the snapshot does not exist, the request is ignored" (page DeleteSnapshot).
    """
    snapshot = call.store.find(Snapshot, request.snapshot_id)
    if snapshot is None:
        return {}
    if call.store.any(Disk, "source", snapshot.id) and not request.force:
        raise ApiError(
            "SnapshotCreatedDisk",
            f"A disk was created from {snapshot.id}; delete it with Force=true.",
            403,
        )
    call.store.remove(snapshot)
    return {}


def is_settled(call: Call, disk: Disk) -> bool:
    """Whether the disk and its instance are in a status in which a snapshot can be taken."""
    if disk.life.at(call.now) not in {"In_use", "Available"}:
        return False
    instance = call.store.find(Instance, disk.instance_id)
    return instance is None or instance.status(call.now) in {RUNNING, STOPPED}
