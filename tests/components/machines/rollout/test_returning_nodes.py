"""When a node serves again, and whether the next turn waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pytest

from components.api.cluster_api import KubernetesNode
from components.machines.addresses.moving_addresses import MovedPool
from planning.model import NodePlan
from planning.nodes.machine import SETTINGS
from tests.components.machines.rollout.rolling import (
    FIRST,
    PLANES,
    Rolling,
    Silent,
    args,
    run,
    serving,
)
from tests.fake_cluster import FakeCluster, a_node, a_pod
from tests.fake_pools import FakePools, a_pool

pytestmark = pytest.mark.unit


def back(**node: Any) -> KubernetesNode:  # noqa: ANN401 - as a_node
    return a_node(FIRST, instance="i-new", **node)


def test_pools_have_the_new_addresses_before_pods_can_come(roll: Rolling) -> None:
    cluster = FakeCluster(objects={FIRST: back()})
    pool = a_pool(f"{FIRST}-eth0")
    pools = FakePools(pools_by_name={pool.name: pool})
    roll.moved._pools[FIRST] = {pool.name: MovedPool()}
    run(cluster, roll.returning.until_back(roll.plan.nodes[FIRST], "i-new", None), pools)
    assert pools.written == [(pool.name, roll.plan.ip_pools[pool.name].ips)]
    assert roll.moved._pools == {}


@pytest.mark.parametrize(
    ("cluster", "lacks"),
    [
        pytest.param(FakeCluster(), "it has no Node yet", id="no Node"),
        pytest.param(
            FakeCluster(objects={FIRST: a_node(FIRST)}),
            "still that of cn-hangzhou.i-old",
            id="old",
        ),
        pytest.param(FakeCluster(objects={FIRST: back(ready=False)}), "not ready", id="not ready"),
        pytest.param(
            FakeCluster(
                objects={FIRST: back()},
                pods={
                    FIRST: [a_pod("cni", owner="DaemonSet", namespace="kube-system", ready=False)]
                },
            ),
            "kube-system/cni not ready",
            id="no CNI",
        ),
    ],
)
def test_the_next_turn_waits_for_what_a_worker_lacks(
    roll: Rolling, cluster: FakeCluster, lacks: str
) -> None:
    with pytest.raises(pulumi.RunError, match=lacks):
        run(cluster, roll.returning.until_back(roll.plan.nodes[FIRST], "i-new", None))


def test_the_next_turn_waits_for_a_control_planes_etcd(three: Rolling) -> None:
    cluster = serving(3, planes={**dict.fromkeys(PLANES, True), PLANES[1]: False})
    with pytest.raises(pulumi.RunError, match="etcd, kube-apiserver not ready"):
        run(cluster, three.returning.until_back(three.plan.nodes[PLANES[1]], "i-old", None))


def test_static_pods_of_the_machine_before_do_not_count(three: Rolling) -> None:
    cluster = serving(3, mirrors_of={PLANES[1]: "the Node that was deleted"})
    with pytest.raises(pulumi.RunError, match="etcd, kube-apiserver not ready"):
        run(cluster, three.returning.until_back(three.plan.nodes[PLANES[1]], "i-old", None))


def test_a_node_that_is_back_is_uncordoned_and_gets_its_settings(roll: Rolling) -> None:
    cluster = FakeCluster(objects={FIRST: back()})
    asyncio.run(cluster.cordon(FIRST))
    run(cluster, roll.returning.until_back(roll.plan.nodes[FIRST], "i-new", None))
    assert cluster.done == [f"cordon {FIRST}", f"uncordon {FIRST}", f"change {FIRST}"]
    assert SETTINGS in cluster.objects[FIRST].annotations


def waited_for(roll: Rolling, cluster: FakeCluster) -> list[str]:
    """The control planes that a run waits for."""
    nodes = [roll.plan.nodes[name] for name in PLANES]
    names: list[str] = []

    async def ask() -> None:
        names.extend([node.name for node in nodes if await roll.returning.is_waited_for(node)])

    run(cluster, ask())
    return names


def test_a_control_plane_that_joins_others_is_waited_for(three: Rolling) -> None:
    three.progress.new.update(PLANES[1:])
    assert waited_for(three, serving(3)) == [*PLANES[1:]]


def test_in_a_creation_no_control_plane_waits_for_another(three: Rolling) -> None:
    three.progress.is_creation = True
    three.progress.new.add(PLANES[0])
    assert waited_for(three, serving(3)) == []


def test_in_a_run_that_finishes_a_creation_no_control_plane_waits_for_another(
    three: Rolling,
) -> None:
    three.progress.new.update(PLANES[1:])
    assert waited_for(three, Silent()) == []


_RESOURCE: Any = None


def test_a_machine_that_was_created_without_an_api_server_gets_a_node_of_its_own(
    roll: Rolling,
) -> None:
    node, cluster = roll.plan.nodes[FIRST], serving(failures=1)
    run(cluster, roll.changes.prepare_machine(args(FIRST)))
    assert FIRST in cluster.objects
    run(cluster, ask_for_missing(roll, node))
    assert FIRST not in cluster.objects
    cluster.objects[FIRST] = back()
    run(cluster, ask_for_missing(roll, node))
    assert FIRST in cluster.objects


async def ask_for_missing(roll: Rolling, node: NodePlan) -> None:
    await roll.returning._missing_conditions(node, "cn-hangzhou.i-new")
