"""Runs that die inside Kubernetes, and faults in its writes: everything converges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.lifecycle.interruptions.inside_sweep import CUTS, FAULTS, bed, sweep


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_a_run_that_dies_at_any_write_or_meets_any_fault_converges(tmp_path: Path) -> None:
    faults = list(FAULTS)
    with bed(tmp_path) as ready:
        outcomes = sweep(ready, points=range(1, CUTS + 1), faults=faults)
    assert [cut for cut in outcomes.cuts if cut.problems] == []
    assert sum(bool(cut.last) for cut in outcomes.cuts) >= 15
    assert [fault for fault in outcomes.struck if fault.lost] == []
    assert {fault.fault for fault in outcomes.struck} == set(faults)
