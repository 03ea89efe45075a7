"""A machine that comes back with other addresses: no pod has, or gets, one that no NIC has."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from components.api.cluster_api import ClusterError
from components.machines.addresses.moving_addresses import (
    MovedPool,
    empty_pools,
    fill_pools,
    moved_pools,
)
from planning.model import ClusterPlan
from planning.nodes.machine import identity
from planning.read import plan_from
from tests.clusters import counted, small
from tests.fake_pools import FakePools, a_pool

pytestmark = pytest.mark.unit

NODE = "workers-0"
BEFORE = "10.0.0.33-10.0.0.36"


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.machines.addresses.moving_addresses._LOOK_EVERY", 0.0)


@pytest.fixture(scope="module")
def plan() -> ClusterPlan:
    return plan_from(small())


def dual_stack() -> ClusterPlan:
    document = small({"network": {"ipv6": {"enabled": True}}})
    for index, subnet in enumerate(document["network"]["subnets"].values()):
        subnet["zones"]["cn-hangzhou-i"]["ipv6Index"] = index
    return plan_from(document)


def interfaces(plan: ClusterPlan) -> dict[str, dict[str, str]]:
    nics = identity(plan, plan.nodes[NODE])["interfaces"]
    assert isinstance(nics, dict)
    return nics


def at(plan: ClusterPlan, nic: str, **changes: str) -> dict[str, dict[str, str]]:
    """The NICs of the machine before, one of them elsewhere."""
    before = interfaces(plan)
    return {**before, nic: {**before[nic], **changes}}


def empty(pools: FakePools, *planned: str, within: float = 0.05) -> None:
    moved = {"w-eth0": MovedPool(keeps=planned)}
    asyncio.run(empty_pools(pools, moved, within=within, report=str))


def test_a_machine_with_the_same_nics_moves_no_pool(plan: ClusterPlan) -> None:
    assert moved_pools(plan, NODE, interfaces(plan), interfaces(plan)) == {}


def test_pools_of_a_nic_with_another_address_get_the_planned_ones(plan: ClusterPlan) -> None:
    moved = moved_pools(plan, NODE, at(plan, "eth0", address="10.0.9.9"), interfaces(plan))
    planned = plan.ip_pools[f"{NODE}-eth0"].ips
    assert planned
    assert moved == {
        f"{NODE}-eth0": MovedPool(keeps=planned),
        f"{NODE}-eth0-v6": MovedPool(is_filled=False),
    }


def test_a_pool_of_another_vswitch_waits_for_its_own_resource(plan: ClusterPlan) -> None:
    moved = moved_pools(plan, NODE, at(plan, "eth0", vswitch="elsewhere"), interfaces(plan))
    assert moved[f"{NODE}-eth0"] == MovedPool(is_filled=False)


def test_a_pool_whose_addresses_the_plan_does_not_know_is_emptied_and_filled() -> None:
    plan = plan_from(counted())
    moved = moved_pools(plan, NODE, at(plan, "eth1", address="10.9.9.9"), interfaces(plan))
    assert moved[f"{NODE}-eth1"] == MovedPool()


def test_the_ipv6_pool_of_a_nic_with_another_address_is_filled_too() -> None:
    plan = dual_stack()
    moved = moved_pools(plan, NODE, at(plan, "eth0", address="10.0.9.9"), interfaces(plan))
    assert moved[f"{NODE}-eth0-v6"] == MovedPool()


def test_pools_of_a_nic_that_goes_are_emptied(plan: ClusterPlan) -> None:
    before = {**interfaces(plan), "eth7": {"address": "10.9.9.9", "vswitch": "any"}}
    moved = moved_pools(plan, NODE, before, interfaces(plan))
    assert moved == dict.fromkeys((f"{NODE}-eth7", f"{NODE}-eth7-v6"), MovedPool(is_filled=False))


def test_a_pool_keeps_the_addresses_that_the_new_machine_has_too() -> None:
    pools = FakePools(pools_by_name={"w-eth0": a_pool("w-eth0", BEFORE, web="10_0_0_36")})
    empty(pools, "10.0.0.36-10.0.0.40")
    assert pools.written == [("w-eth0", ("10.0.0.36",))]


def test_only_the_nodes_own_pools_change() -> None:
    pools = FakePools(pools_by_name={"other": a_pool("other", BEFORE, web="10_0_0_33")})
    empty(pools)
    assert pools.written == []


def test_a_pod_that_stays_is_named_and_its_pool_is_not_changed() -> None:
    pools = FakePools(pools_by_name={"w-eth0": a_pool("w-eth0", BEFORE, web="10_0_0_33")})
    with pytest.raises(
        ClusterError, match=r"still use the present ones: default/web \(10\.0\.0\.33\)"
    ):
        empty(pools)
    assert pools.written == []


def test_a_pod_that_comes_in_between_is_waited_for() -> None:
    def allocate(live: FakePools) -> None:
        pool = live.pools_by_name["w-eth0"]
        taken = {ip_address("10.0.0.33"): "default/late"}
        live.pools_by_name["w-eth0"] = replace(pool, holders=taken, revision="2")

    pools = FakePools(pools_by_name={"w-eth0": a_pool("w-eth0", BEFORE)}, before_write=allocate)
    with pytest.raises(ClusterError, match="default/late"):
        empty(pools)


def test_an_api_server_that_does_not_answer_empties_nothing() -> None:
    pools = FakePools(pools_by_name={"w-eth0": a_pool("w-eth0", BEFORE)}, away="ConnectError")
    with pytest.raises(ClusterError, match="the API server: ConnectError"):
        empty(pools)


def test_pools_are_filled_once_and_a_second_time_changes_nothing() -> None:
    names = ("w-eth0", "w-eth1", "w-other")
    pools = FakePools(pools_by_name={name: a_pool(name) for name in names})
    moved = {"w-eth0": MovedPool(), "w-eth1": MovedPool(is_filled=False)}
    addresses = dict.fromkeys(names, ("10.0.0.36-10.0.0.40",))
    asyncio.run(fill_pools(pools, moved, addresses))
    asyncio.run(fill_pools(pools, moved, addresses))
    assert pools.written == [("w-eth0", ("10.0.0.36-10.0.0.40",))]
