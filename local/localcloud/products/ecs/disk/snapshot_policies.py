"""Automatic snapshot policies, and the disks that they are applied to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from localcloud.products import filters, resource_groups
from localcloud.products.ecs import existing, names
from localcloud.products.ecs.entities import AutoSnapshotPolicy, Disk
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

_MOST_POLICIES: Final = 100
_MOST_DAYS: Final = 65536
_HOURS: Final = range(24)
_WEEKDAYS: Final = range(1, 8)


@dataclass(frozen=True, kw_only=True)
class CopyEncryption:
    """`CopyEncryptionConfiguration.*`."""

    encrypted: bool | None = None
    kms_key_id: str = wire("KMSKeyId", default="")
    arn: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CreateAutoSnapshotPolicy:
    """Parameters of CreateAutoSnapshotPolicy. Times, days and regions are JSON arrays of texts."""

    time_points: str = wire("timePoints")
    repeat_weekdays: str = wire("repeatWeekdays")
    retention_days: int = wire("retentionDays")
    region_id: str | None = wire("regionId", default=None)
    name: str = wire("autoSnapshotPolicyName", default="")
    enable_cross_region_copy: bool = False
    target_copy_regions: str = ""
    copied_snapshots_retention_days: int = -1
    copy_encryption_configuration: CopyEncryption = field(default_factory=CopyEncryption)
    storage_location_arn: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_auto_snapshot_policy(call: Call, request: CreateAutoSnapshotPolicy) -> Answer:
    """Create a policy. It has no effect until it is applied to disks."""
    resource_groups.require_of_ecs(request.resource_group_id)
    names.check_snapshot_policy(request.name)
    _check_retention(request.retention_days)
    _check_copy_retention(request.copied_snapshots_retention_days)
    if call.store.count(AutoSnapshotPolicy) >= _MOST_POLICIES:
        raise ApiError(
            "AutoSnapshotPolicy.QuotaExceed", f"There are {_MOST_POLICIES} policies, the most.", 403
        )
    copy = request.copy_encryption_configuration
    _check_copy_encryption(copy)
    policy = call.store.put(
        AutoSnapshotPolicy(
            id=call.new_id("sp"),
            name=request.name,
            description="",
            hours=_numbers("timePoints", request.time_points, _HOURS),
            weekdays=_numbers("repeatWeekdays", request.repeat_weekdays, _WEEKDAYS),
            retention_days=request.retention_days,
            copies_to=_target(request.target_copy_regions, copies=request.enable_cross_region_copy),
            copy_retention_days=request.copied_snapshots_retention_days,
            copy_encrypted=copy.encrypted,
            copy_kms_key_id=copy.kms_key_id,
            resource_group_id=request.resource_group_id,
            created=call.now,
            checked=call.now,
            tags=tags.requested(request.tag),
        )
    )
    return {"AutoSnapshotPolicyId": policy.id}


@dataclass(frozen=True, kw_only=True)
class ModifyAutoSnapshotPolicyEx:
    """Parameters of ModifyAutoSnapshotPolicyEx."""

    id: str = wire("autoSnapshotPolicyId")
    region_id: str | None = wire("regionId", default=None)
    name: str | None = wire("autoSnapshotPolicyName", default=None)
    time_points: str | None = wire("timePoints", default=None)
    repeat_weekdays: str | None = wire("repeatWeekdays", default=None)
    retention_days: int | None = wire("retentionDays", default=None)
    enable_cross_region_copy: bool | None = None
    target_copy_regions: str | None = None
    copied_snapshots_retention_days: int | None = None
    copy_encryption_configuration: CopyEncryption = field(default_factory=CopyEncryption)


@action(writes=True)
def modify_auto_snapshot_policy_ex(call: Call, request: ModifyAutoSnapshotPolicyEx) -> Answer:
    """Change a policy for all disks that it is applied to, from now on."""
    policy = existing.snapshot_policy(call, request.id)
    names.check_snapshot_policy(request.name or "")
    if request.retention_days is not None:
        _check_retention(request.retention_days)
    if request.copied_snapshots_retention_days is not None:
        _check_copy_retention(request.copied_snapshots_retention_days)
    copy = request.copy_encryption_configuration
    _check_copy_encryption(copy)
    copies = request.enable_cross_region_copy
    hours, weekdays = request.time_points, request.repeat_weekdays
    changes = requested(
        name=request.name,
        hours=_numbers("timePoints", hours, _HOURS) if hours else None,
        weekdays=_numbers("repeatWeekdays", weekdays, _WEEKDAYS) if weekdays else None,
        retention_days=request.retention_days,
        copies_to=None
        if copies is None
        else _target(request.target_copy_regions or "", copies=copies),
        copy_retention_days=request.copied_snapshots_retention_days,
        copy_encrypted=copy.encrypted,
        copy_kms_key_id=copy.kms_key_id or None,
    )
    call.store.change(policy, checked=call.now, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteAutoSnapshotPolicy:
    """Parameters of DeleteAutoSnapshotPolicy."""

    id: str = wire("autoSnapshotPolicyId")
    region_id: str | None = wire("regionId", default=None)


@action(writes=True)
def delete_auto_snapshot_policy(call: Call, request: DeleteAutoSnapshotPolicy) -> Answer:
    """Delete a policy, which is then applied to no disk. Its snapshots stay."""
    policy = existing.snapshot_policy(call, request.id)
    for disk in call.store.where(Disk, "policy", policy.id):
        call.store.change(disk, snapshot_policy_id="")
    call.store.remove(policy)
    return {}


@dataclass(frozen=True, kw_only=True)
class ApplyAutoSnapshotPolicy:
    """Parameters of ApplyAutoSnapshotPolicy. The provider's instances name the region RegionId."""

    id: str = wire("autoSnapshotPolicyId")
    disk_ids: str = wire("diskIds")
    region_id: str | None = wire("regionId", default=None)
    region: str | None = wire("RegionId", default=None)


@action(writes=True)
def apply_auto_snapshot_policy(call: Call, request: ApplyAutoSnapshotPolicy) -> Answer:
    """Apply a policy to disks, in the place of the policy that they have."""
    policy = existing.snapshot_policy(call, request.id)
    for disk in _disks(call, request.disk_ids):
        call.store.change(disk, snapshot_policy_id=policy.id)
    return {}


@dataclass(frozen=True, kw_only=True)
class CancelAutoSnapshotPolicy:
    """Parameters of CancelAutoSnapshotPolicy."""

    disk_ids: str = wire("diskIds")
    id: str | None = wire("autoSnapshotPolicyId", default=None)
    region_id: str | None = wire("regionId", default=None)


@action(writes=True)
def cancel_auto_snapshot_policy(call: Call, request: CancelAutoSnapshotPolicy) -> Answer:
    """Take the policy, or the named one, off disks. A disk without it stays as it is."""
    for disk in _disks(call, request.disk_ids):
        if request.id in {None, "", disk.snapshot_policy_id}:
            call.store.change(disk, snapshot_policy_id="")
    return {}


def _disks(call: Call, text: str) -> list[Disk]:
    return [existing.disk(call, disk_id) for disk_id in _texts("diskIds", text)]


def _texts(name: str, text: str) -> list[str]:
    values = filters.texts(text)
    if not values:
        raise invalid(name, text, "it must be a JSON array of texts with at least one of them")
    return values


def _numbers(name: str, text: str, allowed: range) -> tuple[int, ...]:
    """The numbers in a JSON array of texts, in the order of the request."""
    values = _texts(name, text)
    numbers = {str(number): number for number in allowed}
    if not set(values) <= numbers.keys():
        raise invalid(name, text, f"each must be a number from {allowed[0]} to {allowed[-1]}")
    return tuple(numbers[value] for value in dict.fromkeys(values))


def _check_retention(days: int) -> None:
    if days != -1 and not 1 <= days <= _MOST_DAYS:
        raise invalid("retentionDays", days, f"it must be -1 or 1 to {_MOST_DAYS}")


def _check_copy_retention(days: int) -> None:
    if days != -1 and not 1 <= days <= _MOST_DAYS:
        raise ApiError(
            "InvalidParameter.CopiedSnapshotsRetentionDays",
            f"CopiedSnapshotsRetentionDays {days} must be -1 or 1 to {_MOST_DAYS}.",
            403,
        )


def _check_copy_encryption(copy: CopyEncryption) -> None:
    if copy.kms_key_id and not copy.encrypted:
        raise ApiError(
            "InvalidParameter.EncryptedIllegal",
            "CopyEncryptionConfiguration.Encrypted must be true with a KMSKeyId.",
        )


def _target(text: str, *, copies: bool) -> str:
    """The region of the copies; "you can specify only a single destination region"."""
    if not copies:
        return ""
    try:
        (region,) = _texts("TargetCopyRegions", text)
    except (ApiError, ValueError):
        raise ApiError(
            "InvalidParameter.TargetCopyRegions",
            f"TargetCopyRegions {text[:80]!r} must be a JSON array of one region.",
            403,
        ) from None
    return region
