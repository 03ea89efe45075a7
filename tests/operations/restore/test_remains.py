"""What a restore refuses, and what it removes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.backup.origins import Origin
from operations.restore.remains import (
    CONTINUED_FOR,
    EtcdDisk,
    Machine,
    Remains,
    Source,
    problems,
    restore_of,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
PLANES = ("masters-0", "masters-1", "masters-2")


def disk(id_: str, *, source: str = "") -> EtcdDisk:
    return EtcdDisk(id=id_, source=source)


SOURCE = Source(
    id="s-1",
    disk="d-0",
    done=True,
    is_of_data_disk=True,
    gibibytes=20,
    origin=Origin.FOREIGN,
    begun=None,
)
GONE = Remains(
    cluster="small",
    control_planes=PLANES,
    size=20,
    answers=False,
    machines={},
    disks={},
    earlier_disks=frozenset({"d-0"}),
    snapshot=SOURCE,
    mark="spiderpool-alicloud/etcd-ca=c0ffee",
)


def running(*names: str, status: str = "Running") -> Mapping[str, Machine]:
    return {name: Machine(id=f"i-{name}", status=status) for name in names}


def with_snapshot(**changes: object) -> Remains:
    return replace(GONE, snapshot=replace(SOURCE, **changes))  # type: ignore[arg-type]


def test_a_cluster_of_which_nothing_is_left_may_be_restored() -> None:
    assert list(problems(GONE)) == []


def test_a_cluster_whose_api_server_is_ready_lives() -> None:
    remains = replace(GONE, answers=True, machines=running(*PLANES))
    (problem,) = problems(remains)
    assert "the cluster lives" in problem


@pytest.mark.parametrize("status", ["Running", "Starting", "Pending"])
@pytest.mark.parametrize("names", [PLANES[:2], PLANES[2:]])
def test_machines_that_run_are_named_and_have_to_be_stopped_by_a_person(
    names: tuple[str, ...], status: str
) -> None:
    (problem,) = problems(replace(GONE, machines=running(*names, status=status)))
    assert f"Machines of control planes run: {names[0]} (i-{names[0]})" in problem
    assert "stop these machines" in problem
    assert list(problems(replace(GONE, machines=running(*names, status="Stopped")))) == []


@pytest.mark.parametrize(
    ("remains", "words"),
    [
        pytest.param(with_snapshot(done=False), "is still being made", id="not done"),
        pytest.param(with_snapshot(is_of_data_disk=False), "is of disk d-0", id="system disk"),
        pytest.param(with_snapshot(disk="d-9"), "is of disk d-9", id="another disk"),
        pytest.param(with_snapshot(gibibytes=40), "Write size: 40 into etcdDisk", id="larger"),
    ],
)
def test_a_snapshot_that_cannot_be_it_is_refused(remains: Remains, words: str) -> None:
    (problem,) = problems(remains)
    assert words in problem


def test_a_snapshot_of_a_disk_that_nobody_knows_may_be_recognised_by_its_mark() -> None:
    assert list(problems(with_snapshot(disk="d-9", origin=Origin.OWN))) == []


@pytest.mark.parametrize("disk", ["d-0", "d-9"])
def test_a_snapshot_of_an_earlier_cluster_of_the_same_name_is_refused(disk: str) -> None:
    (problem,) = problems(with_snapshot(disk=disk, origin=Origin.EARLIER))
    assert "is of an earlier cluster that was called small, too" in problem


def test_a_snapshot_without_a_mark_is_taken_only_if_the_state_knows_its_disk() -> None:
    assert list(problems(with_snapshot(disk="d-0", origin=Origin.UNMARKED))) == []
    (problem,) = problems(with_snapshot(disk="d-9", origin=Origin.UNMARKED))
    assert "give it the tag spiderpool-alicloud/etcd-ca=c0ffee, and run this again" in problem


def test_all_problems_are_reported_together() -> None:
    remains = replace(with_snapshot(done=False, disk="d-9", gibibytes=40), answers=True)
    assert len(list(problems(remains))) == 4


def test_everything_that_is_left_goes_and_disks_are_kept_as_snapshots() -> None:
    remains = replace(
        GONE,
        machines=running("masters-1", status="Stopped"),
        disks={"masters-1": disk("d-1"), "masters-2": disk("d-2")},
    )
    restore = restore_of(remains, NOW, anew=False)
    assert restore.kept == {"masters-1": "d-1", "masters-2": "d-2"}
    assert restore.machines == {"masters-1": "i-masters-1"}
    assert restore.disks == {"masters-1": "d-1", "masters-2": "d-2"}
    assert restore.continues is None


@given(
    first=st.sampled_from([None, "s-1", "s-0", ""]),
    hours=st.floats(0, 100),
    anew=st.booleans(),
    answers=st.booleans(),
)
def test_a_restore_goes_on_only_if_the_first_disk_is_of_its_snapshot_or_absent_from_a_dead_cluster(
    first: str | None, hours: float, *, anew: bool, answers: bool
) -> None:
    begun = NOW - timedelta(hours=hours)
    remains = replace(
        with_snapshot(begun=begun),
        answers=answers,
        machines=running("masters-0"),
        disks={} if first is None else {"masters-0": disk("d-5", source=first)},
    )
    restore = restore_of(remains, NOW, anew=anew)
    of_the_snapshot = first == "s-1" or (first is None and not answers)
    goes_on = not anew and of_the_snapshot and NOW - begun < CONTINUED_FOR
    assert (restore.continues is not None) is goes_on
    # Either nothing is removed, or everything.
    assert set(restore.machines) == (set() if goes_on else {"masters-0"})
    assert set(restore.disks) == (set() if goes_on else set(remains.disks))
