"""A bad day of a cluster: no acknowledged write is lost, and a person gives few commands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.engine.lifecycle.drills.clocks import POSSIBLE
from tests.engine.lifecycle.drills.outages import (
    TWO_HOURS,
    api_away,
    bed,
    certificate_ended,
    clock_wrong,
    disk_full,
    restore_cut_off,
)
from tests.engine.lifecycle.drills.power_cuts import Point
from tests.engine.lifecycle.drills.results import DrillResult
from tests.engine.machines.test_machine_life_cycle import LifeCycle

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

needs_a_clock = pytest.mark.skipif(not POSSIBLE, reason="needs the machine code of x86-64")


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LifeCycle]:
    with bed(tmp_path_factory.mktemp("outages")) as cycle:
        yield cycle


def assert_nothing_is_lost(result: DrillResult, *, commands: int) -> None:
    assert not result.problems, result
    assert result.lost == 0, result
    assert result.acknowledged > 5, result
    assert len(result.commands) <= commands, result


def test_an_ended_certificate_is_renewed_without_a_person(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(certificate_ended(cycle), commands=0)


@needs_a_clock
@pytest.mark.parametrize("off", [-TWO_HOURS, TWO_HOURS], ids=["behind", "ahead"])
def test_a_clock_two_hours_off_costs_one_more_run(cycle: LifeCycle, off: timedelta) -> None:
    assert_nothing_is_lost(clock_wrong(cycle, off), commands=1)


def test_a_run_survives_ten_minutes_without_an_api_server(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(api_away(cycle, 600), commands=0)


def test_a_restore_goes_on_after_a_power_cut(cycle: LifeCycle) -> None:
    result = restore_cut_off(cycle, Point(after=6, later=20, draw=0))
    assert_nothing_is_lost(result, commands=1)


def test_a_full_disk_of_etcd_loses_nothing_and_goes_on_when_it_is_larger(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(disk_full(cycle), commands=2)
