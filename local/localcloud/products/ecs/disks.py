"""Disks of instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud import paging, tags
from localcloud.actions import Answer, Call, action, moment
from localcloud.products import filters
from localcloud.products.pages import Table, TokenRequest
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError

from .entities import Disk
from .instances import NEVER

_ALL: Final = "all"
_KINDS: Final = frozenset({_ALL, "system", "data"})
_STATUSES: Final = frozenset(
    {_ALL, "in_use", "available", "attaching", "detaching", "creating", "reiniting"}
)
_CATEGORIES: Final = frozenset(
    {
        _ALL,
        "cloud",
        "cloud_auto",
        "cloud_efficiency",
        "cloud_essd",
        "cloud_essd_entry",
        "cloud_regional_disk_auto",
        "cloud_ssd",
        "elastic_ephemeral_disk_premium",
        "elastic_ephemeral_disk_standard",
        "ephemeral",
        "ephemeral_ssd",
        "local_hdd_pro",
        "local_ssd_pro",
    }
)
"""The values of DiskType, Status and Category, in lower case (texts of DescribeDisks)."""
_MOST_IDS: Final = 100
_IN_USE: Final = "In_use"


@dataclass(frozen=True, kw_only=True)
class DescribeDisks(TokenRequest):
    """Parameters of DescribeDisks.

    ResourceGroupId has no effect: every disk here is in the default resource group, which the list
    shows whatever the parameter names (its text in the API metadata of 2025-12-19).
    """

    region_id: str | None = None
    instance_id: str | None = None
    disk_ids: tuple[str, ...] = ()
    disk_type: str | None = None
    category: str | None = None
    zone_id: str | None = None
    status: str | None = None
    disk_name: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _shown(call: Call, d: Disk) -> dict[str, object]:
    return {
        "DiskId": d.id,
        "DiskName": d.name,
        "Description": d.description,
        "InstanceId": d.instance_id,
        "Type": d.kind,
        "Category": d.category,
        "PerformanceLevel": d.performance_level,
        "Size": d.size,
        "Status": _IN_USE,
        "Device": d.device,
        "Encrypted": d.encrypted,
        "KMSKeyId": d.kms_key_id,
        "ImageId": d.image_id,
        "SourceSnapshotId": "",
        "AutoSnapshotPolicyId": d.snapshot_policy_id,
        "DeleteAutoSnapshot": False,
        "DeleteWithInstance": d.delete_with_instance,
        "DiskChargeType": "PostPaid",
        "Portable": d.kind != "system",
        "BurstingEnabled": False,
        "StorageClusterId": "",
        "StorageSetId": "",
        "MultiAttach": "Disabled",
        "ProductCode": "",
        "ResourceGroupId": "",
        "RegionId": call.cloud.region,
        "ZoneId": d.zone,
        "CreationTime": moment(d.created),
        "AttachedTime": moment(d.created),
        "DetachedTime": "",
        "ExpiredTime": NEVER,
        "Attachments": {
            "Attachment": [
                {"InstanceId": d.instance_id, "Device": d.device, "AttachedTime": moment(d.created)}
            ]
        },
        "BdfId": "",
        "DedicatedBlockStorageClusterId": "",
        "EnableAutoSnapshot": True,
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


def _check(request: DescribeDisks) -> None:
    for name, value, possible in (
        ("DiskType", request.disk_type, _KINDS),
        ("Category", request.category, _CATEGORIES),
        ("Status", request.status, _STATUSES),
    ):
        if value and value.lower() not in possible:
            raise ApiError(
                f"Invalid{name}.ValueNotSupported",
                f"The specified {name} {value[:40]!r} is not one of {', '.join(sorted(possible))}.",
            )
    if len(request.disk_ids) > _MOST_IDS:
        raise ApiError(
            "InvalidDiskIds.Malformed",
            f"The number of DiskIds, {len(request.disk_ids)}, exceeds {_MOST_IDS}.",
            403,
        )


def _is_listed(asked: str | None, actual: str) -> bool:
    return not asked or asked.lower() in {_ALL, actual.lower()}


@action()
def describe_disks(call: Call, request: DescribeDisks) -> Answer:
    """List disks by filter, the system disk first."""
    _check(request)
    disks = [
        d
        for d in (
            call.store.where(Disk, "instance", request.instance_id)
            if request.instance_id
            else call.store.all(Disk)
        )
        if filters.among(request.disk_ids, d.id)
        and _is_listed(request.disk_type, d.kind)
        and _is_listed(request.category, d.category)
        and _is_listed(request.status, _IN_USE)
        and filters.equal(request.disk_name, d.name)
        and filters.equal(request.zone_id, d.zone)
        and tags.match(d.tags, request.tag)
    ]
    disks.sort(key=lambda d: (d.instance_id, d.kind != "system", d.device))
    return _TABLE.listed(call, disks, request)
