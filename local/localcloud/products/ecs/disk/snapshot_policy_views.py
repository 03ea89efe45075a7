"""Automatic snapshot policies as the API lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from localcloud.products import filters
from localcloud.products.ecs.entities import AutoSnapshotPolicy, Disk
from localcloud.products.pages import PageRequest, Table
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, minute
from localcloud.requests.tags import TagParameter


@dataclass(frozen=True, kw_only=True)
class DescribeAutoSnapshotPolicyEx(PageRequest):
    """Parameters of DescribeAutoSnapshotPolicyEx."""

    region_id: str | None = None
    auto_snapshot_policy_id: str | None = None
    auto_snapshot_policy_name: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _listed(numbers: tuple[int, ...]) -> str:
    return json.dumps([str(n) for n in numbers], separators=(",", ":"))


def _shown(call: Call, p: AutoSnapshotPolicy) -> dict[str, object]:
    encryption = {"Encrypted": p.copy_encrypted, "KMSKeyId": p.copy_kms_key_id}
    return {
        "AutoSnapshotPolicyId": p.id,
        "AutoSnapshotPolicyName": p.name,
        "RegionId": call.cloud.region,
        "TimePoints": _listed(p.hours),
        "RepeatWeekdays": _listed(p.weekdays),
        "RetentionDays": p.retention_days,
        "Status": "Normal",
        "Type": "Custom",
        "DiskNums": call.store.size(Disk, "policy", p.id),
        "VolumeNums": 0,
        "CreationTime": minute(p.created),
        "EnableCrossRegionCopy": bool(p.copies_to),
        "CopiedSnapshotsRetentionDays": p.copy_retention_days,
        # The provider 1.285.0 cannot read an empty text here (convertJsonStringToList).
        **({"TargetCopyRegions": json.dumps([p.copies_to])} if p.copies_to else {}),
        **({} if p.copy_encrypted is None else {"CopyEncryptionConfiguration": encryption}),
        "ResourceGroupId": p.resource_group_id,
        "Tags": tags.ecs(p.tags),
    }


_TABLE: Final = Table("AutoSnapshotPolicies", "AutoSnapshotPolicy", _shown)


@action()
def describe_auto_snapshot_policy_ex(call: Call, request: DescribeAutoSnapshotPolicyEx) -> Answer:
    """List policies by filter."""
    policies = [
        p
        for p in call.store.all(AutoSnapshotPolicy)
        if filters.equal(request.auto_snapshot_policy_id, p.id)
        and filters.equal(request.auto_snapshot_policy_name, p.name)
        and filters.equal(request.resource_group_id, p.resource_group_id)
        and tags.match(p.tags, request.tag)
    ]
    return _TABLE.numbered(call, policies, request)
