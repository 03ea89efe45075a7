"""Snapshots that policies take, and snapshots whose retention ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from localcloud.products.ecs.disk import snapshots
from localcloud.products.ecs.entities import AutoSnapshotPolicy, Disk, Snapshot
from localcloud.requests.actions import Call

_ZONE: Final = timezone(timedelta(hours=8))
"""The hours of a policy are in UTC+8 (page CreateAutoSnapshotPolicy)."""
_MOST: Final = 1000
"""Automatic snapshots of one disk; the oldest goes first (help page of snapshots, limits)."""
_DAYS_OF_A_WEEK: Final = 7


def settle(call: Call) -> None:
    """Take the snapshots that are due, and delete those whose time is over."""
    for policy in list(call.store.all(AutoSnapshotPolicy)):
        due = last_due(policy, call.now)
        if due is not None and due > policy.checked:
            call.store.change(policy, checked=call.now)
            for disk in call.store.where(Disk, "policy", policy.id):
                _take(call, policy, disk)
    for snapshot in call.store.where(Snapshot, "kept", "for a time"):
        if snapshot.ends is not None and snapshot.ends <= call.now:
            call.store.remove(snapshot)


def last_due(policy: AutoSnapshotPolicy, now: float) -> float | None:
    """The last time until `now` at which the policy takes snapshots, in seconds since the epoch.

    None if it never does.
    """
    today = (
        datetime.fromtimestamp(now, UTC)
        .astimezone(_ZONE)
        .replace(minute=0, second=0, microsecond=0)
    )
    for days in range(_DAYS_OF_A_WEEK + 1):
        day = today - timedelta(days=days)
        if day.isoweekday() not in policy.weekdays:
            continue
        hours = [h for h in policy.hours if days or h <= today.hour]
        if hours:
            return day.replace(hour=max(hours)).timestamp()
    return None


def _take(call: Call, policy: AutoSnapshotPolicy, disk: Disk) -> None:
    """Take a policy's snapshot of a disk, unless nothing can be taken now.

    "If the instance to which a disk is attached is being stopped or restarted, the system cannot
    create snapshots for the disk" (page CreateAutoSnapshotPolicy).
    """
    if (
        not snapshots.is_used(disk)
        or not snapshots.is_settled(call, disk)
        or snapshots.in_progress(call, disk)
    ):
        return
    day = datetime.fromtimestamp(call.now, UTC).astimezone(_ZONE)
    earlier = [s for s in call.store.where(Snapshot, "disk", disk.id) if s.automatic]
    for oldest in sorted(earlier, key=lambda s: s.created)[: max(0, len(earlier) + 1 - _MOST)]:
        call.store.remove(oldest)
    snapshots.take(
        call,
        disk,
        name=f"auto2.0_{day:%Y%m%d}_{policy.id}",
        description="",
        automatic=True,
        retention_days=None if policy.retention_days < 0 else policy.retention_days,
        resource_group_id=policy.resource_group_id,
    )
