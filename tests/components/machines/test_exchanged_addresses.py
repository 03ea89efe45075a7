"""Addresses that go from one pool to another leave the first before the second takes them."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import cast

import pulumi
import pytest

from components.cluster import Cluster
from components.machines.addresses.address_guard import AddressesInUseError
from components.machines.addresses.exchanged_addresses import take_out
from components.machines.rollout.rollout import Rollout
from planning.transitions.rules.addresses import between_pools
from tests.clusters import Document
from tests.fake_pools import FakePools, a_pool
from tests.planning.edited import at, clustered, edited, recorded

pytestmark = pytest.mark.unit

SHOP = {
    "node": "workers-0",
    "interface": "eth1",
    "addresses": ["10.1.2.20-10.1.2.21"],
    "namespaces": ["shop"],
}
MOVED = frozenset({int(IPv4Address("10.1.2.20")), int(IPv4Address("10.1.2.21"))})


def with_pools(**pools: object) -> Document:
    return edited(clustered(workers=1), at("spiderpool/extraPools", pools))


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        pytest.param(with_pools(), with_pools(shop=SHOP), MOVED, id="a pool comes"),
        pytest.param(with_pools(shop=SHOP), with_pools(), MOVED, id="a pool goes"),
        pytest.param(with_pools(shop=SHOP), with_pools(store=SHOP), MOVED, id="a pool is renamed"),
        pytest.param(
            with_pools(),
            edited(with_pools(), at("nodePools/workers/interfaces/eth1/podAddresses", 3)),
            frozenset(),
            id="a pool shrinks",
        ),
    ],
)
def test_what_one_pool_gives_up_and_another_takes_goes_between_them(
    before: Document, after: Document, moved: frozenset[int]
) -> None:
    assert between_pools(recorded(before), recorded(after)) == moved


def test_the_addresses_and_their_twins_leave_every_pool_that_has_them() -> None:
    pools = FakePools(
        pools_by_name={
            pool.name: pool
            for pool in (
                a_pool("shop", "10.1.2.20-10.1.2.21"),
                a_pool("shop-v6", "2408:4005::a01:214-2408:4005::a01:215"),
                a_pool("workers-0-eth1", "10.1.2.17-10.1.2.19"),
                a_pool("workers-0-eth1-v6", "2408:4005::a01:211-2408:4005::a01:213"),
            )
        }
    )
    asyncio.run(take_out(pools, MOVED))
    assert sorted(pools.written) == [("shop", ()), ("shop-v6", ())]


def test_no_pool_changes_while_a_pod_has_one_of_the_addresses() -> None:
    pool = a_pool("shop", "10.1.2.20-10.1.2.21", web="10_1_2_21")
    pools = FakePools(pools_by_name={pool.name: pool})
    with pytest.raises(AddressesInUseError, match="default/web"):
        asyncio.run(take_out(pools, MOVED))
    assert pools.written == []


def test_no_node_is_drained_when_a_pool_cannot_give_up_its_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drained: list[object] = []

    class Draining:
        async def before_changes(self, *edit: object) -> None:
            drained.append(edit)

    async def refuse(*_: object) -> None:
        raise pulumi.RunError("a pod has it")

    plan = recorded(with_pools())
    cluster = object.__new__(Cluster)
    cluster._rollout = cast("Rollout", Draining())
    monkeypatch.setattr("components.cluster.give_up", refuse)
    with pytest.raises(pulumi.RunError, match="a pod has it"):
        asyncio.run(cluster._before_changes(plan, plan, "a kubeconfig"))
    assert drained == []
    asyncio.run(cluster._before_changes(plan, plan, None))
    assert drained == [(plan, plan, None)]
