"""A bad day of a cluster: no acknowledged write is lost, and a person gives few commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.lifecycle.drills.clocks import POSSIBLE
from tests.engine.lifecycle.drills.outages import (
    TWO_HOURS,
    api_away,
    bed,
    certificate_ended,
    clock_wrong,
    disk_full,
)
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
def test_a_clock_two_hours_behind_loses_nothing(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(clock_wrong(cycle, -TWO_HOURS), commands=1)


@needs_a_clock
def test_a_clock_two_hours_ahead_costs_a_run_and_new_tokens(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(clock_wrong(cycle, TWO_HOURS), commands=2)


def test_a_run_survives_ten_minutes_without_an_api_server(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(api_away(cycle, 600), commands=0)


def test_a_full_disk_of_etcd_loses_nothing_and_goes_on_when_it_is_larger(cycle: LifeCycle) -> None:
    assert_nothing_is_lost(disk_full(cycle), commands=1)
