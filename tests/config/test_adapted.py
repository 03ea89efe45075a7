"""Defaults that follow from the region and the instance type."""

from __future__ import annotations

from typing import Any

import pytest

from config.adapted import notices
from config.load import effective_document, load
from config.profiles import merge
from tests.clusters import small

pytestmark = pytest.mark.unit


def _with_worker(pool: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    bare = {"podAddresses": None}
    document = small(more)
    workers = dict(document["nodePools"]["workers"])
    workers["interfaces"] = {
        nic: {key: value for key, value in interface.items() if key not in bare}
        for nic, interface in workers["interfaces"].items()
    }
    pools = {**document["nodePools"], "workers": merge(workers, pool)}
    return {**document, "nodePools": pools}


def _chosen(document: dict[str, Any]) -> int:
    return load(document).node_pools["workers"].interfaces["eth0"].pod_addresses


@pytest.mark.parametrize(
    ("pool", "addresses"),
    [
        ({"instanceType": "ecs.g7.large"}, 5),
        ({"instanceType": "ecs.g7.xlarge"}, 10),
        ({"instanceType": "ecs.g6.xlarge"}, 9),
        ({"instanceType": "ecs.g7.xlarge", "blockSize": 8}, 7),
    ],
)
def test_pod_addresses_are_what_the_type_and_the_block_take(
    pool: dict[str, Any], addresses: int
) -> None:
    assert _chosen(_with_worker(pool)) == addresses


def test_what_the_file_says_is_never_adapted() -> None:
    document = _with_worker(
        {"instanceType": "ecs.g7.large", "interfaces": {"eth0": {"podAddresses": 2}}}
    )
    assert _chosen(document) == 2


def test_an_own_limit_of_the_stack_counts() -> None:
    own = {"instanceTypes": {"ecs.g9i.large": {"enis": 3, "ipv4PerEni": 4}}}
    assert _chosen(_with_worker({"instanceType": "ecs.g9i.large"}, own)) == 3


@pytest.mark.parametrize(
    ("region", "mirrors"),
    [("cn-hangzhou", "china"), ("cn-hongkong", "global"), ("eu-central-1", "global")],
)
def test_mirrors_follow_the_region(region: str, mirrors: str) -> None:
    document = {"profile": "dev", "region": region}
    kubernetes = effective_document(document)["kubernetes"]
    assert isinstance(kubernetes, dict)
    assert kubernetes.get("mirrors", "global") == mirrors


def test_the_local_profile_keeps_its_sources() -> None:
    kubernetes = effective_document({"profile": "local", "region": "cn-hangzhou"})["kubernetes"]
    assert isinstance(kubernetes, dict)
    assert "mirrors" not in kubernetes


def test_each_choice_is_announced_once() -> None:
    document = _with_worker({"instanceType": "ecs.g7.large", "image": "m-bp1fakefakefake"})
    sentences = list(notices(document, effective_document(document)))
    assert [line.partition(":")[0] for line in sentences] == [
        "kubernetes.mirrors",
        "nodePools.workers.interfaces.eth0.podAddresses",
        "nodePools.workers.interfaces.eth1.podAddresses",
        "nodePools.workers",
    ]


def test_a_complete_file_gets_no_notices() -> None:
    document = small({"kubernetes": {"mirrors": "global"}})
    assert list(notices(document, effective_document(document))) == []


@pytest.mark.parametrize(
    ("pool", "noticed"),
    [
        ({"nodes": {"masters-1": {"labels": {"a.io/b": "c"}}}}, "its nodes are masters-1, because"),
        ({"nodes": {}}, "its nodes are none, because"),
        ({"nodes": {f"masters-{n}": {} for n in range(3)}}, ""),
        ({"nodes": {"masters-1": {}}, "count": 3}, ""),
        ({"nodes": {"first": {"ordinal": 0}}}, ""),
        ({}, ""),
    ],
)
def test_nodes_that_take_the_place_of_the_profiles_count_are_noticed(
    pool: dict[str, Any], noticed: str
) -> None:
    document = small({"profile": "prod"})
    masters = {k: v for k, v in document["nodePools"]["masters"].items() if k != "count"}
    document["nodePools"]["masters"] = {**masters, **pool}
    lines = [each for each in notices(document, effective_document(document)) if "count:" in each]
    assert len(lines) == bool(noticed)
    assert not noticed or noticed in lines[0]
