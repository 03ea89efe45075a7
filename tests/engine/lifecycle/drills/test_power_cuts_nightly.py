"""Machines lose their power at any point of a run: no acknowledged write is lost, and `pulumi up`
brings everything in order again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.lifecycle.drills.power_cuts import KINDS, drill_all, points
from tests.engine.lifecycle.drills.results import ASKED

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(6 * 3600)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_power_cut_at_any_point_loses_nothing(kind: str, tmp_path: Path) -> None:
    chosen = points(kind, ASKED)
    results = list(drill_all(kind, chosen, folder=tmp_path, seconds=5 * 3600))
    assert [result for result in results if result.problems] == []
    assert [result for result in results if result.lost] == []
    assert [result for result in results if len(result.commands) > 1] == []
    assert any(result.met for result in results)
