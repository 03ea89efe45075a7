"""Our verdict on a generated pool is the webhook's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from tests.engine.spiderpool.cluster import Judge
from tests.engine.spiderpool.generated_pools import (
    SETTINGS,
    STANDING,
    Document,
    agree,
    good_pools,
    pools,
)

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def standing(judge: Judge) -> Iterator[Judge]:
    with judge.pools(STANDING):
        yield judge


@settings(max_examples=300, **SETTINGS)  # type: ignore[arg-type]  # as settings' own keywords
@given(spec=pools())
def test_the_webhook_and_we_agree(standing: Judge, spec: Document) -> None:
    agree(standing, spec)


@settings(max_examples=60, **SETTINGS)  # type: ignore[arg-type]  # as settings' own keywords
@given(spec=good_pools())
def test_the_webhook_and_we_agree_on_pools_as_plans_have_them(
    standing: Judge, spec: Document
) -> None:
    agree(standing, spec)
