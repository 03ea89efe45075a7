"""The check of how old the youngest snapshot of etcd's disk is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from config.model import EtcdDiskConfig
from operations.backup.snapshots import Snapshot
from operations.failure import ExitCode, OperationError
from operations.verification.checks import Check, Needs, NotRun, Probe, Shell

GRACE: Final = timedelta(hours=2)
"""The cloud begins a snapshot within its hour, and needs some time for it."""
_DAY: Final = 24


def snapshot_check(
    stack: str,
    disk: EtcdDiskConfig | None,
    read: Callable[[], Sequence[Snapshot]],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Check:
    """A check that fails where the youngest snapshot is older than the policy promises, or absent.

    Args:
        stack: for the command that shows more.
        disk: of the control planes; None where etcd has none.
        read: returns the snapshots; it may raise `OperationError`. Without credentials for a cloud
            the check is not run.
        clock: the time of day, aware of its zone.
    """

    def probes(_: object) -> Sequence[Probe] | NotRun:
        if disk is None:
            return NotRun(reason="etcd has no disk of its own (etcdDisk), so there is no snapshot")
        try:
            snapshots = read()
        except OperationError as error:
            if error.code is ExitCode.UNPREPARED:
                return NotRun(reason=str(error))
            return [Probe(attempt=partial(_only, str(error)))]
        return [Probe(attempt=lambda _: list(snapshot_problems(disk, snapshots, clock())))]

    return Check(
        name="snapshots",
        needs=Needs.OBJECTS,
        how="etcd's disk has a snapshot that is as recent as etcdDisk.snapshots requires",
        cause="etcdDisk.snapshots is off, or the cloud takes none (a quota, an overdue bill)",
        look=f"python -m operations backup --stack {stack} --list",
        probes=probes,
    )


def snapshot_problems(
    disk: EtcdDiskConfig, snapshots: Sequence[Snapshot], now: datetime
) -> Iterator[str]:
    """Yield what is wrong with the snapshots of the disks."""
    usable = [snapshot for snapshot in snapshots if snapshot.done and snapshot.certain]
    if not usable:
        yield (
            "etcd's disk has no snapshot, so a loss of that disk would be final; "
            "`python -m operations backup` takes one"
        )
    elif disk.snapshots is not None:
        age = min(snapshot.age(now) for snapshot in usable)
        promised = longest_pause(disk.snapshots.hours)
        if age > promised + GRACE:
            yield (
                f"the youngest snapshot is {_hours(age):.0f} hours old, and etcdDisk.snapshots "
                f"asks for one at least every {_hours(promised):.0f} hours"
            )


def longest_pause(hours: Sequence[int]) -> timedelta:
    """The longest time between two snapshots at these hours of every day."""
    at = sorted(set(hours))
    following = [*at[1:], at[0] + _DAY]
    return timedelta(hours=max(later - hour for hour, later in zip(at, following, strict=True)))


def _only(problem: str, _: Shell) -> list[str]:
    return [problem]


def _hours(time: timedelta) -> float:
    return time.total_seconds() / 3600
