"""The cheap engine tests pass on hostile clouds of ten seeds."""

from __future__ import annotations

import pytest

from tests.engine.clouds import hostile_seeds
from tests.engine.clouds.hostile_turns import TURNS

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(hostile_seeds.DEADLINE + 60)]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("seed", hostile_seeds.SEEDS)
def test_the_tests_of_a_turn_pass_on_a_hostile_cloud(seed: int, turn: str) -> None:
    run = hostile_seeds.run(seed, turn)
    assert run.tests
    assert run.failed == (), run.output
