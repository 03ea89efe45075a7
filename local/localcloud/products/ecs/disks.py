"""Disks of instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud import tags
from localcloud.actions import Answer, Call, action, moment
from localcloud.products import filters
from localcloud.products.pages import Table, TokenRequest
from localcloud.tags import TagParameter

from .entities import Disk
from .instances import NEVER


@dataclass(frozen=True, kw_only=True)
class DescribeDisks(TokenRequest):
    """Parameters of DescribeDisks."""

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
        "Status": "In_use",
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


_TABLE: Final = Table("Disks", "Disk", _shown, most_by_token=500)


@action()
def describe_disks(call: Call, request: DescribeDisks) -> Answer:
    """List disks by filter, the system disk first."""
    disks = [
        d
        for d in (
            call.store.where(Disk, "instance", request.instance_id)
            if request.instance_id
            else call.store.all(Disk)
        )
        if filters.among(request.disk_ids, d.id)
        and (request.disk_type in {None, "", "all"} or d.kind == request.disk_type)
        and filters.equal(request.category, d.category)
        and filters.equal(request.zone_id, d.zone)
        and tags.match(d.tags, request.tag)
    ]
    disks.sort(key=lambda d: (d.instance_id, d.kind != "system", d.device))
    return _TABLE.listed(call, disks, request)
