"""Snapshots as the API lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import filters
from localcloud.products.ecs.disk.snapshots import ACCOMPLISHED, PROGRESSING
from localcloud.products.ecs.entities import Disk, Snapshot
from localcloud.products.pages import Table, TokenRequest
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

_STATUSES: Final = (PROGRESSING, ACCOMPLISHED, "failed", "all")
_TYPES: Final = ("auto", "user", "all")
_USAGES: Final = ("image", "disk", "image_disk", "none")
_KINDS: Final = ("system", "data")
_MOST_IDS: Final = 100


@dataclass(frozen=True, kw_only=True)
class DescribeSnapshots(TokenRequest):
    """Parameters of DescribeSnapshots. SnapshotIds is a JSON array."""

    region_id: str | None = None
    instance_id: str | None = None
    disk_id: str | None = None
    snapshot_ids: str | None = None
    snapshot_link_id: str | None = None
    snapshot_name: str | None = None
    status: str | None = None
    snapshot_type: str | None = None
    usage: str | None = None
    source_disk_type: str | None = None
    encrypted: bool = False
    kms_key_id: str | None = wire("KMSKeyId", default=None)
    category: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _link(snapshot: Snapshot) -> str:
    """The chain of all snapshots of a disk."""
    return "sl-" + snapshot.disk_id.removeprefix("d-")


def _usage(call: Call, snapshot: Snapshot) -> str:
    return "disk" if call.store.any(Disk, "source", snapshot.id) else "none"


def _shown(call: Call, s: Snapshot) -> dict[str, object]:
    status = s.life.at(call.now)
    ends = s.life.steps[-1][0]
    took = ends - s.created
    done = 1.0 if status == ACCOMPLISHED else (call.now - s.created) / took
    return {
        "SnapshotId": s.id,
        "SnapshotName": s.name,
        "Description": s.description,
        "SnapshotSN": s.id.removeprefix("s-"),
        "SnapshotLinkId": _link(s),
        "SnapshotType": "auto" if s.automatic else "user",
        "Status": status,
        "Progress": f"{int(done * 100)}%",
        "RemainTime": max(0, round(ends - call.now)),
        "Available": status == ACCOMPLISHED,
        "Category": "standard",
        "InstantAccess": False,
        "SourceDiskId": s.disk_id,
        "SourceDiskSize": str(s.disk_size),
        "SourceDiskType": s.disk_kind,
        "SourceStorageType": "disk",
        "SourceRegionId": call.cloud.region,
        "SourceSnapshotId": "",
        "RegionId": call.cloud.region,
        "Usage": _usage(call, s),
        "Encrypted": s.encrypted,
        "KMSKeyId": s.kms_key_id,
        "ProductCode": "",
        "ResourceGroupId": s.resource_group_id,
        "CreationTime": moment(s.created),
        "LastModifiedTime": moment(s.modified),
        **({} if s.retention_days is None else {"RetentionDays": s.retention_days}),
        "Tags": tags.ecs(s.tags),
    }


_TABLE: Final = Table("Snapshots", "Snapshot", _shown)


def _ids(text: str) -> frozenset[str]:
    ids = filters.texts(text)
    if ids is None:
        raise invalid("SnapshotIds", text, "it must be a JSON array of snapshot ids")
    if len(ids) > _MOST_IDS:
        raise ApiError(
            "InvalidSnapshotIds.Malformed", f"{len(ids)} snapshot ids; at most {_MOST_IDS}.", 403
        )
    return frozenset(ids)


def _check_filters(request: DescribeSnapshots) -> None:
    for value, allowed, code in (
        (request.status, _STATUSES, "InvalidStatus.NotFound"),
        (request.snapshot_type, _TYPES, "InvalidSnapshotType.NotFound"),
        (request.usage, _USAGES, "InvalidUsage"),
        ((request.source_disk_type or "").lower(), _KINDS, "InvalidSourceDiskType"),
    ):
        if value and value not in allowed:
            raise ApiError(code, f"{value[:40]!r} is not one of {', '.join(allowed)}.", 404)


def _matches(call: Call, s: Snapshot, request: DescribeSnapshots) -> bool:
    source = call.store.find(Disk, s.disk_id)
    texts = (
        (request.instance_id, source.instance_id if source else ""),
        (request.disk_id, s.disk_id),
        (request.snapshot_link_id, _link(s)),
        (request.snapshot_name, s.name),
        (request.status, s.life.at(call.now)),
        (request.snapshot_type, "auto" if s.automatic else "user"),
        (request.usage, _usage(call, s)),
        ((request.source_disk_type or "").lower(), s.disk_kind),
        (request.kms_key_id, s.kms_key_id),
        ((request.category or "").lower(), "standard"),
        (request.resource_group_id, s.resource_group_id),
    )
    return (
        all(asked == "all" or filters.equal(asked, actual) for asked, actual in texts)
        and (not request.encrypted or s.encrypted)
        and tags.match(s.tags, request.tag)
    )


@action()
def describe_snapshots(call: Call, request: DescribeSnapshots) -> Answer:
    """List snapshots by filter, the newest first."""
    _check_filters(request)
    ids = None if request.snapshot_ids is None else _ids(request.snapshot_ids)
    snapshots = [
        s
        for s in call.store.all(Snapshot)
        if (ids is None or s.id in ids) and _matches(call, s, request)
    ]
    snapshots.sort(key=lambda s: (-s.created, s.id))
    return _TABLE.listed(call, snapshots, request)
