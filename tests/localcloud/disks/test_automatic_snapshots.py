"""When policies take snapshots, of which disks, and when snapshots end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.access.principals import Principal
from localcloud.products.catalogue import KINDS
from localcloud.products.ecs.disk import automatic_snapshots
from localcloud.products.ecs.entities import AutoSnapshotPolicy, Disk, Snapshot
from localcloud.requests.actions import Call
from localcloud.settings import Cloud
from localcloud.state.lifecycle import Lifecycle
from localcloud.state.store import Store

pytestmark = pytest.mark.unit
HOUR = 3600.0
DAY = 24 * HOUR
# A Friday, 10:30 in UTC+8.
NOW = datetime(2026, 11, 27, 2, 30, tzinfo=UTC).timestamp()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state.sqlite", KINDS)
    yield opened
    opened.close()


def policy(
    *hours: int, weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7), days: int = 7
) -> AutoSnapshotPolicy:
    return AutoSnapshotPolicy(
        id="sp-1",
        name="",
        description="",
        hours=hours,
        weekdays=weekdays,
        retention_days=days,
        resource_group_id="",
        created=NOW - DAY,
        checked=NOW,
    )


def disk(name: str, *, attached: float = 1.0, status: str = "Available") -> Disk:
    return Disk(
        id=f"d-{name}",
        name="",
        description="",
        instance_id="",
        zone="cn-hangzhou-h",
        kind="data",
        category="cloud_essd",
        performance_level="PL1",
        size=20,
        encrypted=False,
        kms_key_id="",
        image_id="",
        device="",
        snapshot_policy_id="sp-1",
        delete_with_instance=False,
        attached=attached,
        created=0.0,
        life=Lifecycle.settled(status),
    )


def snapshots_at(store: Store, now: float, *, delays: float = 0.0) -> list[Snapshot]:
    """The snapshots that there are once the cloud has settled at a time, the oldest first."""
    call = Call(
        store=store,
        cloud=Cloud(delay_scale=delays),
        principal=Principal(kind="Account", arn="root", identity="root"),
        now=now,
        request_id="",
        host="",
    )
    with store.transaction():
        automatic_snapshots.settle(call)
    return sorted(store.all(Snapshot), key=lambda s: s.created)


def put(store: Store, *entities: AutoSnapshotPolicy | Disk) -> None:
    with store.transaction():
        for entity in entities:
            store.put(entity)


def test_a_snapshot_is_taken_at_each_hour_once(store: Store) -> None:
    put(store, policy(11, 13), disk("a"))
    counts = [
        len(snapshots_at(store, NOW + minutes * 60)) for minutes in (0, 29, 30, 31, 149, 150, 151)
    ]
    assert counts == [0, 0, 1, 1, 1, 2, 2]


def test_a_snapshot_has_the_name_and_retention_of_its_policy(store: Store) -> None:
    put(store, policy(11), disk("a"))
    (snapshot,) = snapshots_at(store, NOW + HOUR)
    assert snapshot.name == "auto2.0_20261127_sp-1"
    assert (snapshot.automatic, snapshot.retention_days, snapshot.disk_id) == (True, 7, "d-a")


def test_one_snapshot_makes_up_for_many_that_a_stopped_cloud_missed(store: Store) -> None:
    put(store, policy(*range(24)), disk("a"))
    assert len(snapshots_at(store, NOW + 30 * DAY)) == 1


def test_a_policy_works_on_its_days_only(store: Store) -> None:
    put(store, policy(11, weekdays=(1,)), disk("a"))
    assert snapshots_at(store, NOW + 2 * DAY + 23 * HOUR) == []
    assert len(snapshots_at(store, NOW + 3 * DAY + HOUR)) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(disk("b", attached=0.0), id="never attached"),
        pytest.param(disk("b", status="Attaching"), id="changing"),
    ],
)
def test_a_disk_that_cannot_be_snapshot_is_left_out(store: Store, other: Disk) -> None:
    put(store, policy(11), disk("a"), other)
    assert [s.disk_id for s in snapshots_at(store, NOW + HOUR)] == ["d-a"]


def test_no_snapshot_is_taken_while_another_is_in_progress(store: Store) -> None:
    put(store, policy(11, 12), disk("a"))
    assert len(snapshots_at(store, NOW + HOUR, delays=1000.0)) == 1
    assert len(snapshots_at(store, NOW + 2 * HOUR, delays=1000.0)) == 1


def test_a_snapshot_ends_with_its_retention(store: Store) -> None:
    put(store, policy(11, weekdays=(5,), days=2), disk("a"))
    taken = NOW + HOUR
    assert len(snapshots_at(store, taken)) == 1
    assert len(snapshots_at(store, taken + 2 * DAY - 1)) == 1
    assert snapshots_at(store, taken + 2 * DAY) == []


def test_a_snapshot_without_an_end_stays(store: Store) -> None:
    put(store, policy(11, weekdays=(5,), days=-1), disk("a"))
    snapshots_at(store, NOW + HOUR)
    assert len(snapshots_at(store, NOW + 6 * DAY)) == 1


def test_the_oldest_of_too_many_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic_snapshots, "_MOST", 2)
    put(store, policy(11, 12, 13, days=-1), disk("a"))
    for hours in (1, 2, 3):
        snapshots = snapshots_at(store, NOW + hours * HOUR)
    assert [s.created for s in snapshots] == [NOW + 2 * HOUR, NOW + 3 * HOUR]


@given(
    hours=st.sets(st.integers(0, 23), min_size=1),
    weekdays=st.sets(st.integers(1, 7), min_size=1),
    minutes=st.integers(0, 60 * 24 * 7),
)
def test_the_last_due_time_is_the_last_hour_that_fits(
    hours: set[int], weekdays: set[int], minutes: int
) -> None:
    """As a search back over each hour finds it."""
    now = NOW + minutes * 60
    due = automatic_snapshots.last_due(
        policy(*hours, weekdays=tuple(weekdays)),
        now,
    )
    local = datetime.fromtimestamp(now, UTC) + timedelta(hours=8)
    local = local.replace(minute=0, second=0, microsecond=0)
    while local.hour not in hours or local.isoweekday() not in weekdays:
        local -= timedelta(hours=1)
    assert due == (local - timedelta(hours=8)).timestamp()
