"""The cheap engine tests pass on hostile clouds of ten seeds."""

from __future__ import annotations

import pytest

from tests.engine import hostile_seeds

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(hostile_seeds.DEADLINE + 60)]


@pytest.mark.parametrize("seed", hostile_seeds.SEEDS)
def test_life_cycles_edits_and_drift_pass_on_a_hostile_cloud(seed: int) -> None:
    run = hostile_seeds.run(seed)
    assert run.tests
    assert run.failed == (), run.output
