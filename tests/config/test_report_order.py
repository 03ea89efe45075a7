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


@pytest.mark.parametrize("cidr", ["010.0.0.0/20", " 10.0.0.0/20 ", "nonsense", "fd00::/64"])
def test_a_zone_without_a_readable_range_is_not_reported_as_missing_too(cidr: str) -> None:
    document = small()
    document["network"]["subnets"]["primary"]["zones"]["cn-hangzhou-i"]["cidr"] = cidr
    assert paths(document) == ["network.subnets.primary.zones.cn-hangzhou-i.cidr"]


@pytest.mark.parametrize("vpc", [None, {}, {"cidr": "nonsense"}])
def test_other_ranges_do_not_overlap_a_vpc_that_cannot_be_read(vpc: object) -> None:
    document = small()
    document["network"]["vpc"] = vpc
    assert [path for path in paths(document) if not path.startswith("network.vpc")] == []
