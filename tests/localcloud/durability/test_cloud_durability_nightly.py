"""Twenty rounds of `kill -9` under parallel writers: too long for every change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.localcloud.durability.test_cloud_durability import killed_again_and_again

pytestmark = pytest.mark.nightly
ROUNDS = 20


@pytest.mark.timeout(1800)
def test_twenty_kills_lose_no_acknowledged_call(home: Path) -> None:
    figures = killed_again_and_again(home, ROUNDS)
    print(json.dumps(figures))  # noqa: T201  # the figures of the run
    assert figures["acknowledged calls"] > 10 * ROUNDS
