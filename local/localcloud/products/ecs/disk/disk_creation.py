"""CreateDisk: data disks of their own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from localcloud.products import resource_groups, statuses
from localcloud.products.ecs import existing, names
from localcloud.products.ecs.disk import disk_devices, disk_rules
from localcloud.products.ecs.entities import Disk, Snapshot
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError, missing
from localcloud.wire.parameters import wire

_CREATING_SECONDS: Final = 3.0
_USUAL_CATEGORY: Final = "cloud"
"""The default of DiskCategory (page CreateDisk), which no zone of this cloud offers."""


@dataclass(frozen=True, kw_only=True)
class CreateDisk:
    """Parameters of CreateDisk."""

    region_id: str | None = None
    zone_id: str | None = None
    instance_id: str | None = None
    disk_name: str = ""
    description: str = ""
    disk_category: str = _USUAL_CATEGORY
    size: int | None = None
    performance_level: str = ""
    snapshot_id: str | None = None
    encrypted: bool | None = None
    encrypt_algorithm: str | None = None
    kms_key_id: str = wire("KMSKeyId", default="")
    multi_attach: str = "Disabled"
    provisioned_iops: int | None = None
    bursting_enabled: bool = False
    storage_set_id: str | None = None
    storage_set_partition_number: int | None = None
    storage_cluster_id: str | None = None
    advanced_features: str | None = None
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_disk(call: Call, request: CreateDisk) -> Answer:
    """Create a pay-as-you-go data disk in a zone, or a subscription one on an instance."""
    resource_groups.require_of_ecs(request.resource_group_id)
    names.check_disk(request.disk_name, request.description)
    if not request.snapshot_id and request.size is None:
        raise missing("Size")
    disk_rules.check_data_category(request.disk_category)
    level = disk_rules.level_of(request.disk_category, request.performance_level)
    snapshot = _snapshot(call, request)
    # "If the size of the snapshot is larger than the value of Size, the size of the created disk is
    # equal to the size of the snapshot" (page CreateDisk, Size).
    size = max(request.size or 0, snapshot.disk_size if snapshot else 0)
    disk_rules.check_level_fits(level, size)
    disk_rules.check_data_size(request.disk_category, level, size, status=403)
    _check_features(request)
    disk = Disk(
        id=call.new_id("d"),
        name=request.disk_name,
        description=request.description,
        instance_id="",
        zone=_zone(call, request),
        kind="data",
        category=request.disk_category,
        performance_level=level,
        size=size,
        encrypted=bool(request.encrypted) or (snapshot is not None and snapshot.encrypted),
        kms_key_id=request.kms_key_id or (snapshot.kms_key_id if snapshot else ""),
        image_id="",
        device="",
        snapshot_policy_id="",
        delete_with_instance=False,
        source_snapshot_id=snapshot.id if snapshot else "",
        resource_group_id=request.resource_group_id,
        provisioned_iops=request.provisioned_iops,
        bursting_enabled=request.bursting_enabled,
        multi_attach=request.multi_attach,
        created=call.now,
        life=call.passing(("Creating", _CREATING_SECONDS), to="Available"),
        tags=tags.requested(request.tag, tags.CREATING),
    )
    if request.instance_id:
        disk = _on_instance(call, disk, request.instance_id)
    call.store.put(disk)
    return {"DiskId": disk.id, "OrderId": ""}


def _snapshot(call: Call, request: CreateDisk) -> Snapshot | None:
    """The snapshot that the disk is created from, if a disk like this can be."""
    if not request.snapshot_id:
        return None
    snapshot = existing.snapshot(call, request.snapshot_id)
    statuses.require(call, snapshot, "accomplished", code="InvalidSnapshotId.NotReady", status=403)
    if snapshot.disk_kind == "system":
        raise ApiError(
            "InvalidSnapshotId.NotDataDiskSnapshot",
            f"{snapshot.id} is of a system disk; a data disk cannot be created from it.",
            403,
        )
    if snapshot.encrypted and request.encrypted is False:
        raise ApiError(
            "InvalidEncrypted.NotMatchSnapshot",
            f"{snapshot.id} is encrypted, so the disk must have Encrypted=true.",
            403,
        )
    return snapshot


def _check_features(request: CreateDisk) -> None:
    if request.kms_key_id and not request.encrypted:
        raise ApiError(
            "InvalidEncrypted.NotMatchKmsKeyId",
            "A disk with a KMSKeyId must have Encrypted=true.",
        )
    if request.encrypt_algorithm and not request.encrypted:
        raise ApiError(
            "InvalidEncrypted.NotMatchEncryptAlgorithm",
            "A disk with an EncryptAlgorithm must have Encrypted=true.",
        )
    is_auto = request.disk_category == "cloud_auto"
    if request.provisioned_iops and not is_auto:
        raise ApiError(
            "ProvisionedIopsForDiskCategoryUnsupported",
            f"ProvisionedIops is for disks of cloud_auto, not of {request.disk_category}.",
        )
    if request.bursting_enabled and not is_auto:
        raise ApiError(
            "BurstingEnabledForDiskCategoryUnsupported",
            f"BurstingEnabled is for disks of cloud_auto, not of {request.disk_category}.",
        )
    if request.multi_attach not in {"Disabled", "Enabled"}:
        raise ApiError(
            "InvalidParameter.MultiAttach",
            f"MultiAttach {request.multi_attach[:40]!r} must be Disabled or Enabled.",
            403,
        )
    if request.multi_attach == "Enabled":
        raise ApiError(
            "OperationDenied.ZoneNotSupportMultiAttachDisk",
            "No zone of this cloud has disks that several instances can share.",
            403,
        )


def _zone(call: Call, request: CreateDisk) -> str:
    if request.instance_id:
        if request.zone_id:
            raise ApiError(
                "InvalidParam.ZoneIdAndInstanceId.Conflict",
                "ZoneId and InstanceId cannot be specified together.",
                403,
            )
        return existing.instance(call, request.instance_id).zone
    if not request.zone_id:
        raise missing("ZoneId")
    if request.zone_id not in call.cloud.zones:
        raise ApiError(
            "InvalidZoneId.NotFound", f"Zone {request.zone_id[:40]!r} does not exist.", 404
        )
    return request.zone_id


def _on_instance(call: Call, disk: Disk, instance_id: str) -> Disk:
    """The disk as a subscription disk on a subscription instance, attached from the start."""
    instance = existing.instance(call, instance_id)
    if instance.charge_type != "PrePaid":
        raise ApiError(
            "InvalidInstanceChargeType.ValueNotSupported",
            f"{instance.id} is pay-as-you-go; CreateDisk attaches to subscription instances only. "
            "Leave InstanceId out and use AttachDisk.",
            403,
        )
    return dataclasses.replace(
        disk,
        charge_type="PrePaid",
        instance_id=instance.id,
        device=disk_devices.free(call, instance, over_limit="InstanceDiskCategoryLimitExceed"),
        attached=call.now,
        life=Lifecycle.settled("In_use"),
    )
