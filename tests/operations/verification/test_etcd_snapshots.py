"""`verify` names snapshots of etcd's disk that are too old, or absent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.model import EtcdDiskConfig, EtcdSnapshotsConfig
from operations.backup.snapshots import Snapshot
from operations.failure import ExitCode, OperationError
from operations.verification.checks import NotRun
from operations.verification.etcd_snapshots import (
    GRACE,
    longest_pause,
    snapshot_check,
    snapshot_problems,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
WITHOUT_POLICY = EtcdDiskConfig()
FOUR_A_DAY = EtcdDiskConfig(snapshots=EtcdSnapshotsConfig())


def snapshot(*, hours: float, done: bool = True, certain: bool = True) -> Snapshot:
    return Snapshot(
        id="s-1",
        node="masters-0",
        taken=NOW - timedelta(hours=hours),
        gibibytes=20,
        automatic=True,
        done=done,
        certain=certain,
    )


@pytest.mark.parametrize("disk", [WITHOUT_POLICY, FOUR_A_DAY], ids=["without", "with a policy"])
def test_a_disk_without_a_snapshot_is_a_problem(disk: EtcdDiskConfig) -> None:
    (problem,) = snapshot_problems(disk, [], NOW)
    assert "has no snapshot" in problem
    assert list(snapshot_problems(disk, [snapshot(hours=1, done=False)], NOW)) == [problem]


def test_a_snapshot_that_may_be_of_an_earlier_cluster_does_not_count() -> None:
    (problem,) = snapshot_problems(WITHOUT_POLICY, [snapshot(hours=1, certain=False)], NOW)
    assert "has no snapshot" in problem


def test_a_snapshot_that_is_older_than_the_policy_promises_is_a_problem() -> None:
    (problem,) = snapshot_problems(FOUR_A_DAY, [snapshot(hours=30), snapshot(hours=9)], NOW)
    assert "the youngest snapshot is 9 hours old" in problem
    assert "at least every 6 hours" in problem


def test_the_youngest_counts_and_the_cloud_has_some_time_for_it() -> None:
    snapshots = [snapshot(hours=30), snapshot(hours=7.9)]
    assert list(snapshot_problems(FOUR_A_DAY, snapshots, NOW)) == []


def test_without_a_policy_no_age_is_promised() -> None:
    assert list(snapshot_problems(WITHOUT_POLICY, [snapshot(hours=1000)], NOW)) == []


def test_a_cluster_without_the_disk_is_not_asked() -> None:
    probes = snapshot_check("dev", None, list).probes(None)  # type: ignore[arg-type]
    assert isinstance(probes, NotRun)


@pytest.mark.parametrize("code", [ExitCode.UNPREPARED, ExitCode.FAILED])
def test_only_a_missing_credential_is_no_failure(code: ExitCode) -> None:
    def refuse() -> list[Snapshot]:
        raise OperationError("The cloud says no.", code=code)

    probes = snapshot_check("dev", FOUR_A_DAY, refuse).probes(None)  # type: ignore[arg-type]
    if code is ExitCode.UNPREPARED:
        assert probes == NotRun(reason="The cloud says no.")
    else:
        assert not isinstance(probes, NotRun)
        (probe,) = probes
        assert list(probe.attempt(None)) == ["The cloud says no."]  # type: ignore[arg-type]


@given(st.sets(st.integers(0, 23), min_size=1))
def test_the_longest_pause_is_between_two_hours_that_follow_each_other(hours: set[int]) -> None:
    pause = longest_pause(sorted(hours))
    assert timedelta(hours=24) / len(hours) <= pause <= timedelta(hours=24)
    late = snapshot(hours=(pause + GRACE).total_seconds() / 3600 + 0.1)
    disk = EtcdDiskConfig(snapshots=EtcdSnapshotsConfig(hours=tuple(hours)))
    assert list(snapshot_problems(disk, [late], NOW))
