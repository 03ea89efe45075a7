"""The real controller accepts every Spiderpool object of the stack files and examples."""

from __future__ import annotations

from typing import Any

import pytest

from planning.spiderpool.verdict import pools_problems
from tests.engine.spiderpool.cluster import (
    CONFIGS,
    COORDINATORS,
    DRY,
    NETWORKS,
    Judge,
    refusal_of,
    thing,
)
from tests.localcloud.machines.fake_cloud import until
from tests.program.golden_plans import run_stack, stack_files

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

FILES = stack_files()


def registered_specs(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Specs that the program registers for a stack file, by object name."""
    return {
        resource.inputs["metadata"]["name"]: dict(resource.inputs["spec"])
        for resource in run_stack(name, FILES[name]).resources
        if resource.kind == kind
    }


@pytest.mark.parametrize("name", FILES)
def test_every_pool_is_accepted_next_to_the_others_and_not_rewritten(
    judge: Judge, name: str
) -> None:
    pools = registered_specs(name, "SpiderIPPool")
    assert pools
    with judge.pools(pools):
        for pool, spec in pools.items():
            stored = judge.pool(pool)
            assert stored is not None
            assert {key: stored["spec"].get(key) for key in spec} == spec
    assert pools_problems(pools) == ()


@pytest.mark.parametrize("name", FILES)
def test_every_multus_config_and_coordinator_is_accepted(judge: Judge, name: str) -> None:
    configs = registered_specs(name, "SpiderMultusConfig")
    assert configs
    for config, spec in configs.items():
        body = thing("SpiderMultusConfig", f"judged-{config}", spec)
        assert refusal_of(judge.client, f"{CONFIGS}{DRY}", body) is None
    for spec in registered_specs(name, "SpiderCoordinator").values():
        body = thing("SpiderCoordinator", "judged", spec)
        assert refusal_of(judge.client, f"{COORDINATORS}{DRY}", body) is None


def test_each_multus_config_becomes_a_network(judge: Judge) -> None:
    def networks() -> dict[str, dict[str, Any]]:
        items = judge.client.get(NETWORKS)["items"]
        return {item["metadata"]["name"]: item for item in items}

    until("both networks", 60, lambda: set(networks()) == {"ipvlan-eth0", "ipvlan-eth1"})
    for name, network in networks().items():
        (owner,) = network["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("SpiderMultusConfig", name)


def test_the_coordinator_becomes_synced_with_the_clusters_service_range(judge: Judge) -> None:
    def status() -> dict[str, Any]:
        coordinator = judge.client.get(f"{COORDINATORS}/default")
        return dict(coordinator.get("status") or {})

    until("Synced", 60, lambda: status().get("phase") == "Synced")
    assert status()["serviceCIDR"] == ["10.96.0.0/16"]
    assert not status().get("overlayPodCIDR")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"cniType": "ipvlan"}, "ipvlanConfig"),
        ({"cniType": "ipvlan", "ipvlan": {"master": []}}, ""),
        ({"cniType": "ipvlan", "ipvlan": {"master": ["eth0"]}, "customCNI": ""}, "ipvlanConfig"),
        ({"cniType": "ipvlan", "ipvlan": {"master": ["eth0"], "vlanID": 4095}}, "vlan"),
        ({"cniType": "ipvlan", "ipvlan": {"master": ["eth0", "eth1"]}}, "bond"),
    ],
)
def test_a_multus_config_with_a_mistake_is_refused(
    judge: Judge, spec: dict[str, Any], reason: str
) -> None:
    body = thing("SpiderMultusConfig", "mistaken", spec)
    refusal = refusal_of(judge.client, f"{CONFIGS}{DRY}", body)
    assert refusal is not None
    assert reason.lower() in refusal.lower()


def test_a_coordinator_without_a_kind_of_pod_range_is_refused(judge: Judge) -> None:
    body = thing("SpiderCoordinator", "mistaken", {"mode": "auto"})
    assert "podCIDRType" in (refusal_of(judge.client, f"{COORDINATORS}{DRY}", body) or "")
