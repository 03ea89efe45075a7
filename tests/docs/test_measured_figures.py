"""The drills' tables of docs/reliability.md have what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.lifecycle.drills.results import kept_results, summary
from tests.engine.lifecycle.interruptions.inside_sweep import Outcomes, table
from tests.planning.documents import ROOT

pytestmark = pytest.mark.unit

LIFECYCLE = ROOT / "tests" / "engine" / "lifecycle"
POWER_CUTS = LIFECYCLE / "drills" / "measured" / "power-cuts.jsonl"
INSIDE = LIFECYCLE / "interruptions" / "measured" / "inside.jsonl"


def page() -> set[str]:
    return set(Path(ROOT, "docs", "reliability.md").read_text(encoding="utf-8").splitlines())


def test_the_table_of_power_cuts_is_made_from_the_kept_results() -> None:
    results = kept_results(POWER_CUTS)
    assert set(summary(results).splitlines()) <= page()
    assert [result for result in results if result.problems or result.lost] == []


def test_the_tables_of_runs_that_die_inside_kubernetes_are_made_from_the_kept_outcomes() -> None:
    outcomes = Outcomes.of(INSIDE)
    assert {line for line in table(outcomes).splitlines() if line} <= page()
