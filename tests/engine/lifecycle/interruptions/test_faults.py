"""Faults in the calls of a run: which ones `up` survives, and which ones need `recover`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.clouds.local_cloud import Done
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.interruptions.fault_sweep import KINDS, findings, leaks, sweep_all

FAULTS = {
    "AllocateEipAddress": "lost-answer-final",
    "CreateRole": "lost-answer-final",
    "AssociateVpcCidrBlock": "dropped",
    "CreateNetworkInterface": "lost-answer",
    "RunInstances": "throttled",
    "DescribeVpcAttribute": "stale",
}
"""Made twice; in the way; tried again; in the way of a retry; tried again; a stale read."""


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_after_every_kind_of_fault_recover_and_one_more_up_end_clean(empty: LightCloud) -> None:
    rules = [{"action": a, "each": True, **KINDS[kind]} for a, kind in FAULTS.items()]
    empty.ask("POST", "/faults", rules)
    runs: list[Done] = [empty.up()]
    assert runs[0].status != 0, "The faults struck nothing."
    for _ in range(3):
        runs.append(empty.recover())
        assert runs[-1].status == 0, runs[-1].transcript
        runs.append(empty.up())
        if runs[-1].status == 0:
            break
    assert runs[-1].status == 0, runs[-1].transcript
    assert {rule["action"] for rule in empty.ask("GET", "/faults") if rule["matched"]} == set(
        FAULTS
    )
    empty.ask("DELETE", "/faults")
    assert empty.steps() == []
    assert leaks(empty) == {}
    assert findings(empty, runs) == []
    assert empty.destroy().status == 0
    assert empty.alive() == {}


@pytest.mark.nightly
@pytest.mark.timeout(5 * 3600)
def test_no_fault_in_any_call_of_a_run_is_lost(tmp_path: Path) -> None:
    rows = sweep_all(list(KINDS), jobs=3, folder=tmp_path)
    assert [row for row in rows if row.lost or row.problems] == []
    assert {row.kind for row in rows if row.command == "destroy"} == set(KINDS)
