"""When a worker may go, what happens to it, and when the next one may."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import pulumi
import pytest

from components.cluster_api import ClusterApi
from components.rollout import Rollout
from tests.clusters import small, three_control_planes
from tests.deploying import deploy
from tests.fake_cluster import FakeCluster, a_node, a_pod

pytestmark = pytest.mark.unit

FIRST, SECOND = "workers-0", "workers-1"


@cache
def made() -> Rollout:
    """The roll-out of a program with two workers that has run to its end."""
    seen: list[Rollout] = []

    class Seen(Rollout):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
            super().__init__(*args, **kwargs)
            seen.append(self)

    with patch("components.cluster.Rollout", Seen):
        deploy(small({"nodePools": {"workers": {"count": 2}}}))
    return seen[0]


@pytest.fixture
def roll(monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """The same before anything happened to its workers."""
    fresh = copy.copy(made())
    fresh._new, fresh._changed = set(), set()
    monkeypatch.setattr("components.rollout.READY_WITHIN", 0.05)
    monkeypatch.setattr("components.rollout._ASK_EVERY", 0.005)
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0.05")
    return fresh


def standing(**changes: Any) -> FakeCluster:  # noqa: ANN401 - fields of FakeCluster
    return FakeCluster(known={name: a_node(name) for name in (FIRST, SECOND)}, **changes)


def run(cluster: FakeCluster, hook: Coroutine[Any, Any, Any]) -> None:
    """Let a hook run against this cluster."""

    @asynccontextmanager
    async def api(_text: str, **_: float) -> AsyncIterator[ClusterApi]:
        yield cluster

    with patch("components.rollout.cluster_api", api):
        asyncio.run(hook)


def args(node: str, **inputs: Any) -> pulumi.ResourceHookArgs:  # noqa: ANN401 - any inputs
    return pulumi.ResourceHookArgs(urn="", id="", name=f"small-{node}", type="", **inputs)


def changes(roll: Rollout, node: str, **inputs: Any) -> Coroutine[Any, Any, None]:  # noqa: ANN401
    return roll._empty_changed(args(node, **inputs))


def fleet(roll: Rollout, old: dict[str, Any], new: dict[str, Any]) -> Coroutine[Any, Any, None]:
    given = args("", old_inputs=old, new_inputs=new)
    return roll._check_fleet(given)


def of(version: str, *workers: str) -> dict[str, Any]:
    return {"kubernetes": version, "workers": list(workers)}


def test_a_worker_is_cordoned_and_then_emptied(roll: Rollout) -> None:
    cluster = standing(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}", "evict web"]


def test_a_new_image_takes_the_node_object_too_for_the_instance_stays(roll: Rollout) -> None:
    cluster = standing()
    run(cluster, changes(roll, FIRST, old_inputs={"image": "a"}, new_inputs={"image": "b"}))
    assert cluster.done[-1] == f"delete {FIRST}"


def test_no_worker_goes_while_another_is_not_ready(roll: Rollout) -> None:
    cluster = standing()
    cluster.known[SECOND] = a_node(SECOND, ready=False)
    with pytest.raises(pulumi.RunError, match=f"{SECOND} not ready, and two workers are never"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_no_worker_goes_while_an_earlier_one_has_no_node(roll: Rollout) -> None:
    cluster = standing()
    del cluster.known[FIRST]
    with pytest.raises(pulumi.RunError, match=f"{FIRST} not ready"):
        run(cluster, changes(roll, SECOND))


def test_a_worker_that_is_only_being_added_holds_nobody_up(roll: Rollout) -> None:
    cluster = standing()
    del cluster.known[FIRST]
    roll._note_new(args(FIRST))
    run(cluster, changes(roll, SECOND))
    assert cluster.done == [f"cordon {SECOND}"]


def test_what_a_broken_off_run_left_cordoned_is_opened_again(roll: Rollout) -> None:
    cluster = standing()
    asyncio.run(cluster.cordon(SECOND))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {SECOND}", f"uncordon {SECOND}", f"cordon {FIRST}"]


def test_an_older_api_server_refuses_the_change_before_anything_is_done(roll: Rollout) -> None:
    cluster = standing(runs="v1.34.9")
    with pytest.raises(pulumi.RunError, match="a kubelet is never newer"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_a_cluster_that_does_not_answer_refuses_and_names_the_way_out(roll: Rollout) -> None:
    cluster = standing(failures=10**6)
    with pytest.raises(pulumi.RunError, match="SPIDERPOOL_ALICLOUD_DRAIN_SECONDS=0"):
        run(cluster, changes(roll, FIRST))


def test_without_a_drain_nobody_is_asked(roll: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0")
    cluster = standing(failures=10**6)
    run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_a_machine_that_boots_finds_no_node_of_its_name(roll: Rollout) -> None:
    cluster = standing()
    run(cluster, roll._forget_predecessor(args(FIRST)))
    assert cluster.done == [f"delete {FIRST}"]


def test_a_machine_of_a_first_creation_boots_without_an_api_server(roll: Rollout) -> None:
    cluster = FakeCluster(failures=1)
    run(cluster, roll._forget_predecessor(args(FIRST)))
    assert cluster.done == []


def test_workers_that_leave_are_all_closed_before_the_first_is_emptied(roll: Rollout) -> None:
    cluster = standing(
        pods={FIRST: [a_pod("a")], SECOND: [a_pod("b"), a_pod("d", owner="DaemonSet")]}
    )
    run(cluster, fleet(roll, of("1.35.4", FIRST, SECOND), of("1.35.4")))
    assert cluster.done == [
        *(f"cordon {FIRST}", f"cordon {SECOND}"),
        *("evict a", f"expel {FIRST}", f"delete {FIRST}"),
        *("evict b", f"expel {SECOND}", f"delete {SECOND}"),
    ]


def test_a_version_that_goes_back_is_refused_without_asking_the_cluster(roll: Rollout) -> None:
    cluster = standing(failures=10**6)
    with pytest.raises(pulumi.RunError, match="never goes back"):
        run(cluster, fleet(roll, of("1.35.4", FIRST), of("1.34.9", FIRST)))


def test_a_version_ahead_of_the_api_server_is_refused(roll: Rollout) -> None:
    with pytest.raises(pulumi.RunError, match="Control planes go first"):
        run(standing(), fleet(roll, of("1.35.4", FIRST), of("1.35.5", FIRST)))


@pytest.mark.parametrize(
    ("cluster", "lacks"),
    [
        pytest.param(FakeCluster(), "it has no Node yet", id="no Node"),
        pytest.param(
            FakeCluster(known={FIRST: a_node(FIRST)}), "still cn-hangzhou.i-old's", id="old"
        ),
        pytest.param(
            FakeCluster(known={FIRST: a_node(FIRST, instance="i-new", ready=False)}),
            "not ready",
            id="not ready",
        ),
        pytest.param(
            FakeCluster(
                known={FIRST: a_node(FIRST, instance="i-new")},
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
    roll: Rollout, cluster: FakeCluster, lacks: str
) -> None:
    node = roll._plan.nodes[FIRST]
    with pytest.raises(pulumi.RunError, match=lacks):
        run(cluster, roll._until_back(node, "i-new", _RESOURCE))


def test_a_worker_that_is_back_is_opened_and_the_next_may_go(roll: Rollout) -> None:
    cluster = FakeCluster(known={FIRST: a_node(FIRST, instance="i-new")})
    asyncio.run(cluster.cordon(FIRST))
    node = roll._plan.nodes[FIRST]
    run(cluster, roll._until_back(node, "i-new", _RESOURCE))
    assert cluster.done[-1] == f"uncordon {FIRST}"


def test_every_worker_has_a_generation_that_its_machines_macs_do_not_change() -> None:
    run_ = deploy(small({"nodePools": {"workers": {"count": 2}}}))
    made = {r.name: r.inputs for r in run_.resources if r.kind == "WorkerGeneration"}
    assert set(made) == {f"small-{FIRST}", f"small-{SECOND}"}
    assert len({inputs["bootstrap"] for inputs in made.values()}) == 2
    again = deploy(small({"nodePools": {"workers": {"count": 3}}}))
    still = {r.name: r.inputs for r in again.resources if r.kind == "WorkerGeneration"}
    assert {name: still[name] for name in made} == made


def test_an_image_changes_the_generation_of_its_pool_only() -> None:
    def generations(document: dict[str, Any]) -> dict[str, Any]:
        resources = deploy(document).resources
        return {r.name: r.inputs["bootstrap"] for r in resources if r.kind == "WorkerGeneration"}

    spare = {**small()["nodePools"]["workers"], "firstBlock": 65}
    before = generations(small({"nodePools": {"spare": spare}}))
    image = {"image": "ubuntu_24_04_x64_20G_alibase_20250101.vhd"}
    after = generations(small({"nodePools": {"spare": spare, "workers": image}}))
    assert {name for name in before if before[name] != after[name]} == {f"small-{FIRST}"}


def test_a_control_plane_takes_new_user_data_only_when_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_REPLACE", "masters-1")
    made = deploy(three_control_planes()).of("Instance")
    assert made["small-masters-0"].ignore_changes == ("userData",)
    assert made["small-masters-1"].ignore_changes == ()
    assert made["small-masters-1"].replace_on_changes == ("userData",)


def test_the_only_control_plane_is_never_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_REPLACE", "masters-0")
    with pytest.raises(Exception, match="the only control plane"):
        deploy(small())


_RESOURCE: Any = None
"""What a line is logged against; nobody listens here."""
