"""A report begins with unknown keys and leaves out what only follows from them."""

from __future__ import annotations

from typing import Any

import pytest

from config.report import ConfigError
from planning.read import plan_from
from tests.clusters import small

pytestmark = pytest.mark.unit


def paths(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan_from(document)
    return [problem.path for problem in caught.value.problems]


def misspelt(document: dict[str, Any], key: str, wrong: str) -> dict[str, Any]:
    document[wrong] = document.pop(key)
    return document


def test_an_unknown_key_comes_before_problems_with_smaller_paths() -> None:
    document = small()
    document["kubernetes"] = {**document.get("kubernetes", {}), "podCidr": "nonsense"}
    document["nodePools"]["workers"]["taint"] = []
    assert paths(document) == ["nodePools.workers.taint", "kubernetes.podCidr"]


@pytest.mark.parametrize(("key", "wrong"), [("region", "regoin"), ("nodePools", "nodePool")])
def test_a_misspelt_key_is_not_reported_as_missing_too(key: str, wrong: str) -> None:
    assert paths(misspelt(small(), key, wrong)) == [wrong]
