"""What a restore refuses, and what it removes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.backup.origins import Origin
from operations.restore.decision import (
    CONTINUED_WITHIN,
    RemainingDisk,
    RemainingMachine,
    Situation,
    SourceSnapshot,
    plan_restore,
    refusals,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
PLANES = ("masters-0", "masters-1", "masters-2")


def disk(id_: str, *, created_from: str = "") -> RemainingDisk:
    return RemainingDisk(id=id_, created_from=created_from)


SOURCE = SourceSnapshot(
    id="s-1",
    disk="d-0",
    is_complete=True,
    is_of_data_disk=True,
    gibibytes=20,
    origin=Origin.FOREIGN,
    restore_began=None,
)
GONE = Situation(
    cluster="small",
    control_planes=PLANES,
    disk_gibibytes=20,
    api_server_is_ready=False,
    machines={},
    disks={},
    disks_in_state=frozenset({"d-0"}),
    snapshot=SOURCE,
    mark="spiderpool-alicloud/etcd-ca=c0ffee",
)


def running(*names: str, status: str = "Running") -> Mapping[str, RemainingMachine]:
    return {name: RemainingMachine(id=f"i-{name}", status=status) for name in names}


def with_snapshot(**changes: object) -> Situation:
    return replace(GONE, snapshot=replace(SOURCE, **changes))  # type: ignore[arg-type]


def test_a_cluster_of_which_nothing_is_left_may_be_restored() -> None:
    assert list(refusals(GONE)) == []


def test_a_cluster_whose_api_server_is_ready_lives() -> None:
    situation = replace(GONE, api_server_is_ready=True, machines=running(*PLANES))
    (reason,) = refusals(situation)
    assert "the cluster is alive" in reason


@pytest.mark.parametrize("status", ["Running", "Starting", "Pending"])
@pytest.mark.parametrize("names", [PLANES[:2], PLANES[2:]])
def test_machines_that_run_are_named_and_have_to_be_stopped_by_a_person(
    names: tuple[str, ...], status: str
) -> None:
    (reason,) = refusals(replace(GONE, machines=running(*names, status=status)))
    assert f"Machines of control planes run: {names[0]} (i-{names[0]})" in reason
    assert "stop these machines" in reason
    assert list(refusals(replace(GONE, machines=running(*names, status="Stopped")))) == []


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        pytest.param(with_snapshot(is_complete=False), "is not complete yet", id="not done"),
        pytest.param(with_snapshot(is_of_data_disk=False), "is of disk d-0", id="system disk"),
        pytest.param(with_snapshot(disk="d-9"), "is of disk d-9", id="another disk"),
        pytest.param(with_snapshot(gibibytes=40), "Write size: 40 into etcdDisk", id="larger"),
    ],
)
def test_a_snapshot_that_cannot_be_it_is_refused(situation: Situation, words: str) -> None:
    (reason,) = refusals(situation)
    assert words in reason


def test_a_snapshot_of_a_disk_that_nobody_knows_may_be_recognised_by_its_mark() -> None:
    assert list(refusals(with_snapshot(disk="d-9", origin=Origin.OWN))) == []


@pytest.mark.parametrize("disk", ["d-0", "d-9"])
def test_a_snapshot_of_an_earlier_cluster_of_the_same_name_is_refused(disk: str) -> None:
    (reason,) = refusals(with_snapshot(disk=disk, origin=Origin.EARLIER))
    assert "is of an earlier cluster that was called small, too" in reason


def test_a_snapshot_without_a_mark_is_taken_only_if_the_state_has_its_disk() -> None:
    assert list(refusals(with_snapshot(disk="d-0", origin=Origin.UNMARKED))) == []
    (reason,) = refusals(with_snapshot(disk="d-9", origin=Origin.UNMARKED))
    assert "give it the tag spiderpool-alicloud/etcd-ca=c0ffee, and run this again" in reason


def test_all_reasons_are_reported_together() -> None:
    situation = replace(
        with_snapshot(is_complete=False, disk="d-9", gibibytes=40), api_server_is_ready=True
    )
    assert len(list(refusals(situation))) == 4


def test_everything_that_is_left_goes_and_disks_are_kept_as_snapshots() -> None:
    situation = replace(
        GONE,
        machines=running("masters-1", status="Stopped"),
        disks={"masters-1": disk("d-1"), "masters-2": disk("d-2")},
    )
    restore = plan_restore(situation, NOW, starts_over=False)
    assert restore.machines == {"masters-1": "i-masters-1"}
    assert restore.disks == {"masters-1": "d-1", "masters-2": "d-2"}
    assert restore.continues is None


@given(
    first=st.sampled_from([None, "s-1", "s-0", ""]),
    hours=st.floats(0, 100),
    starts_over=st.booleans(),
    is_ready=st.booleans(),
)
def test_a_restore_goes_on_only_if_the_first_disk_is_of_its_snapshot_or_absent_from_a_dead_cluster(
    first: str | None, hours: float, *, starts_over: bool, is_ready: bool
) -> None:
    began = NOW - timedelta(hours=hours)
    situation = replace(
        with_snapshot(restore_began=began),
        api_server_is_ready=is_ready,
        machines=running("masters-0"),
        disks={} if first is None else {"masters-0": disk("d-5", created_from=first)},
    )
    restore = plan_restore(situation, NOW, starts_over=starts_over)
    of_the_snapshot = first == "s-1" or (first is None and not is_ready)
    goes_on = not starts_over and of_the_snapshot and NOW - began < CONTINUED_WITHIN
    assert (restore.continues is not None) is goes_on
    # Either nothing is removed, or everything.
    assert set(restore.machines) == (set() if goes_on else {"masters-0"})
    assert set(restore.disks) == (set() if goes_on else set(situation.disks))
