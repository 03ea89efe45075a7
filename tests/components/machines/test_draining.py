"""What leaves a node, what stays, and the message when a pod does not leave."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from components.api.cluster_api import ClusterError
from components.machines.draining import drain, drain_seconds, evictable
from tests.fake_cluster import FakeCluster, a_node, a_pod

pytestmark = pytest.mark.unit


def emptied(cluster: FakeCluster, *, within: float = 1.0, wait_for_end: bool = True) -> list[str]:
    """Drain node w; what was reported."""
    reported: list[str] = []
    asyncio.run(
        drain(
            cluster,
            "w",
            within=within,
            wait_for_end=wait_for_end,
            report=reported.append,
            round_every=0.001,
        )
    )
    return reported


def test_daemon_sets_static_pods_and_finished_ones_stay() -> None:
    staying = [
        a_pod("agent", owner="DaemonSet"),
        a_pod("etcd", static=True),
        a_pod("job", owner="Job", finished=True),
    ]
    leaving = [a_pod("web"), a_pod("db", owner="StatefulSet")]
    assert evictable([*staying, *leaving]) == leaving


def test_every_other_pod_is_evicted() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("web"), a_pod("db"), a_pod("a", owner="DaemonSet")]})
    assert emptied(cluster) == []
    assert cluster.done == ["evict web", "evict db"]


def test_an_eviction_that_a_budget_refuses_is_repeated() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("web")]}, refusals={"web": 3})
    emptied(cluster)
    assert cluster.done == ["evict web"]


def test_a_budget_that_keeps_refusing_ends_the_drain_with_its_message() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("web")]}, refusals={"web": 10**6})
    with pytest.raises(
        ClusterError, match=r"default/web \(Cannot evict .* disruption budget"
    ) as no:
        emptied(cluster, within=0.05)
    assert "kubectl uncordon w" in str(no.value)
    assert cluster.done == []


def test_a_bare_pod_leaves_and_is_named_once() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("alone", owner="")]}, refusals={"alone": 2})
    (line,) = emptied(cluster)
    assert "default/alone has no controller" in line


def test_an_api_server_that_is_away_for_a_moment_stops_nothing() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("web")]}, failures=2)
    emptied(cluster)
    assert cluster.done == ["evict web"]


def test_pods_of_a_dead_machine_are_not_waited_for() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("web")]}, ends_pods=False)
    with pytest.raises(ClusterError, match="default/web"):
        emptied(cluster, within=0.05)
    emptied(cluster, wait_for_end=False)


def test_a_machine_that_dies_during_the_drain_is_not_waited_for() -> None:
    dead = {"w": a_node("w", ready=False)}
    cluster = FakeCluster(pods={"w": [a_pod("web")]}, ends_pods=False, objects=dead)
    emptied(cluster)
    assert cluster.done == ["evict web"]


def test_a_pod_that_comes_back_in_spite_of_the_cordon_is_evicted_once() -> None:
    cluster = FakeCluster(pods={"w": [a_pod("ccm", tolerates_cordon=True), a_pod("web")]})
    emptied(cluster)
    assert cluster.done == ["evict ccm", "evict web"]


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", ""])
def test_a_text_that_is_not_a_number_of_seconds_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", text)
    with pytest.raises(pulumi.RunError, match="not a number of seconds"):
        drain_seconds()
