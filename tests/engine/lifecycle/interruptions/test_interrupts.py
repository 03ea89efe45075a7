"""After a signal ends a run, the documented recovery and the next `up` converge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.interruptions.fault_sweep import findings, leaks
from tests.engine.lifecycle.interruptions.interrupts import SIGNALS, cut_off, interrupt_all, points

CALLS = 33
"""That change something, in a clean `up` of the light stack."""


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_an_up_cut_off_four_times_converges_after_each_recovery(empty: LightCloud) -> None:
    for after, by in ((3, "SIGKILL"), (5, "SIGINT"), (8, "SIGKILL"), (6, "SIGINT")):
        assert cut_off(empty, after=after, by=by), f"{by} after {after} calls came too late"
        recovered = empty.recover()
        assert recovered.status == 0, recovered.transcript
        assert leaks(empty) == {}
    done = empty.up()
    assert done.status == 0, done.transcript
    assert empty.steps() == []
    assert leaks(empty) == {}
    assert findings(empty, [done]) == []
    nothing = empty.recover()
    assert "is in order" in nothing.out, nothing.transcript
    assert empty.destroy().status == 0
    assert empty.alive() == {}


@pytest.mark.nightly
@pytest.mark.timeout(5 * 3600)
def test_an_up_cut_off_at_any_of_twenty_points_converges(tmp_path: Path) -> None:
    cuts = [(by, after) for after in points(20, CALLS) for by in SIGNALS]
    results = interrupt_all(cuts, jobs=3, folder=tmp_path)
    assert [r for r in results if r.problems] == []
    assert sum(r.cut for r in results) >= 30
