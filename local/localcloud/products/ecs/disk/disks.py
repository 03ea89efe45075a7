"""Disks as the API lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import filters, resource_groups
from localcloud.products.ecs import catalog
from localcloud.products.ecs.disk import disk_rules
from localcloud.products.ecs.entities import Disk
from localcloud.products.ecs.instance.instances import NEVER
from localcloud.products.pages import Table, TokenRequest
from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

_CATEGORIES: Final = frozenset({"all", *catalog.DISK_CATEGORIES, *disk_rules.OLD_CATEGORIES})
_STATUSES: Final = ("In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting", "All")
_TYPES: Final = ("all", "system", "data")
_CHARGE_TYPES: Final = ("PrePaid", "PostPaid")
_MOST_IDS: Final = 100


@dataclass(frozen=True, kw_only=True)
class DescribeDisks(TokenRequest):
    """Parameters of DescribeDisks. DiskIds is a JSON array; an empty one matches no disk."""

    region_id: str | None = None
    instance_id: str | None = None
    disk_ids: str | None = None
    disk_type: str | None = None
    category: str | None = None
    zone_id: str | None = None
    status: str | None = None
    disk_name: str | None = None
    snapshot_id: str | None = None
    auto_snapshot_policy_id: str | None = None
    disk_charge_type: str | None = None
    resource_group_id: str | None = None
    kms_key_id: str | None = wire("KMSKeyId", default=None)
    portable: bool | None = None
    delete_with_instance: bool | None = None
    delete_auto_snapshot: bool | None = None
    enable_auto_snapshot: bool | None = None
    enable_automated_snapshot_policy: bool | None = None
    encrypted: bool = False
    tag: tuple[TagParameter, ...] = ()


def _shown(call: Call, d: Disk) -> dict[str, object]:
    attached = moment(d.attached or d.created) if d.instance_id else ""
    return {
        "DiskId": d.id,
        "DiskName": d.name,
        "Description": d.description,
        "InstanceId": d.instance_id,
        "Type": d.kind,
        "Category": d.category,
        "PerformanceLevel": d.performance_level,
        "Size": d.size,
        "Status": d.life.at(call.now),
        "Device": d.device,
        "Encrypted": d.encrypted,
        "KMSKeyId": d.kms_key_id,
        "ImageId": d.image_id,
        "SourceSnapshotId": d.source_snapshot_id,
        "AutoSnapshotPolicyId": d.snapshot_policy_id,
        "DeleteAutoSnapshot": d.delete_auto_snapshot,
        "DeleteWithInstance": d.delete_with_instance,
        "DiskChargeType": d.charge_type,
        "Portable": d.portable,
        "BurstingEnabled": d.bursting_enabled,
        **({} if d.provisioned_iops is None else {"ProvisionedIops": d.provisioned_iops}),
        "StorageClusterId": "",
        "StorageSetId": "",
        "MultiAttach": d.multi_attach,
        "ProductCode": "",
        "ResourceGroupId": d.resource_group_id,
        "RegionId": call.cloud.region,
        "ZoneId": d.zone,
        "CreationTime": moment(d.created),
        "AttachedTime": attached,
        "DetachedTime": moment(d.detached) if d.detached else "",
        "ExpiredTime": NEVER,
        "Attachments": {
            "Attachment": [
                {"InstanceId": d.instance_id, "Device": d.device, "AttachedTime": attached}
            ]
            if d.instance_id
            else []
        },
        "BdfId": "",
        "DedicatedBlockStorageClusterId": "",
        "EnableAutoSnapshot": d.enable_auto_snapshot,
        "EnableAutomatedSnapshotPolicy": bool(d.snapshot_policy_id),
        "SerialNumber": d.serial_number,
        "OperationLocks": {"OperationLock": []},
        "MountInstances": {"MountInstance": []},
        "Tags": tags.ecs(d.tags),
    }


_TABLE: Final = Table(
    "Disks",
    "Disk",
    _shown,
    most_by_token=500,
    codes=paging.TokenCodes(token="InvalidParamter"),  # noqa: S106  # as the page spells it
)


def _ids(text: str) -> frozenset[str]:
    ids = filters.texts(text)
    if ids is None:
        raise ApiError(
            "InvalidParameter.DiskIds", f"DiskIds {text[:80]!r} must be a JSON array of disk ids."
        )
    if len(ids) > _MOST_IDS:
        raise ApiError(
            "InvalidDiskIds.Malformed", f"{len(ids)} disk ids; at most {_MOST_IDS}.", 403
        )
    return frozenset(ids)


def _check_filters(call: Call, request: DescribeDisks) -> None:
    for name, value, possible in (
        ("DiskType", request.disk_type, _TYPES),
        ("Category", request.category, sorted(_CATEGORIES)),
        ("Status", request.status, _STATUSES),
    ):
        if value and value not in possible:
            raise ApiError(
                f"Invalid{name}.ValueNotSupported",
                f"{name} {value[:40]!r} must be one of {', '.join(possible)}.",
            )
    if request.zone_id and request.zone_id not in call.cloud.zones:
        raise ApiError("InvalidZoneId.NotFound", f"Zone {request.zone_id[:40]!r} does not exist.")
    if request.disk_charge_type and request.disk_charge_type not in _CHARGE_TYPES:
        raise ApiError(
            "InvalidDiskChargeType.NotFound",
            f"DiskChargeType {request.disk_charge_type[:40]!r} must be PrePaid or PostPaid.",
            404,
        )


def _matches(call: Call, d: Disk, request: DescribeDisks) -> bool:
    texts = (
        (request.disk_type, d.kind),
        (request.category, d.category),
        (request.zone_id, d.zone),
        (request.status, d.life.at(call.now)),
        (request.disk_name, d.name),
        (request.snapshot_id, d.source_snapshot_id),
        (request.auto_snapshot_policy_id, d.snapshot_policy_id),
        (request.disk_charge_type, d.charge_type),
        (request.kms_key_id, d.kms_key_id),
    )
    truths = (
        (request.portable, d.portable),
        (request.delete_with_instance, d.delete_with_instance),
        (request.delete_auto_snapshot, d.delete_auto_snapshot),
        (request.enable_auto_snapshot, d.enable_auto_snapshot),
        (request.enable_automated_snapshot_policy, bool(d.snapshot_policy_id)),
    )
    return (
        resource_groups.is_shown(request.resource_group_id, d.resource_group_id)
        and all(asked in {"all", "All"} or filters.equal(asked, actual) for asked, actual in texts)
        and all(asked is None or asked == actual for asked, actual in truths)
        # "false: does not query encrypted cloud disks" would hide disks from every usual request.
        and (not request.encrypted or d.encrypted)
        and tags.match(d.tags, request.tag)
    )


@action()
def describe_disks(call: Call, request: DescribeDisks) -> Answer:
    """List disks by filter, the disks of each instance together and its system disk first."""
    _check_filters(call, request)
    ids = None if request.disk_ids is None else _ids(request.disk_ids)
    disks = [
        d
        for d in (
            call.store.where(Disk, "instance", request.instance_id)
            if request.instance_id
            else call.store.all(Disk)
        )
        if (ids is None or d.id in ids) and _matches(call, d, request)
    ]
    disks.sort(key=lambda d: (d.instance_id, d.kind != "system", d.device))
    return _TABLE.listed(call, disks, request)
