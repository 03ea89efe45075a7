"""The test of `test_generated_pools` with many more pools, different ones in each run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from tests.engine.spiderpool.cluster import Judge
from tests.engine.spiderpool.generated_pools import SETTINGS, STANDING, Document, agree, pools

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def standing(judge: Judge) -> Iterator[Judge]:
    with judge.pools(STANDING):
        yield judge


@settings(max_examples=5000, **SETTINGS)  # type: ignore[arg-type]
@given(spec=pools())
def test_the_webhook_and_we_agree_all_night(standing: Judge, spec: Document) -> None:
    agree(standing, spec)
