"""When a machine may go, what happens to it, and when the next one may."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import shlex
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

import pulumi
import pytest

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode
from components.api.pool_api import PoolApi
from components.machines.addresses.moving_addresses import MovedPool
from components.machines.machine_generation import generation_inputs
from components.machines.rollout import Membership, Rollout
from planning.model import NodePlan
from planning.nodes.machine import SETTINGS, SETTINGS_APPLIED, settings_digest
from planning.read import plan_from
from planning.transitions.reading import EarlierRelease, Record, read_record
from planning.transitions.record import record
from tests.clusters import Document, fake_secrets, small
from tests.deploying import deploy
from tests.fake_cluster import FakeCluster, a_node, a_pod
from tests.fake_pools import FakePools, a_pool
from tests.recording import Cloud, Secret

pytestmark = pytest.mark.unit

FIRST, SECOND = "workers-0", "workers-1"
PLANES = ("masters-0", "masters-1", "masters-2")
NOW = FakeCluster().now


def document(planes: int) -> Document:
    return small({"nodePools": {"workers": {"count": 2}, "masters": {"count": planes}}})


@cache
def new_rollout(planes: int) -> Rollout:
    """The roll-out of a program with two workers that has run to its end."""
    seen: list[Rollout] = []

    class Seen(Rollout):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
            super().__init__(*args, **kwargs)
            seen.append(self)

    with patch("components.cluster.Rollout", Seen):
        deploy(document(planes))
    return seen[0]


def fresh(planes: int, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """The same before anything happened to its nodes."""
    rollout = copy.copy(new_rollout(planes))
    rollout._new, rollout._changed, rollout._moved = set(), set(), {}
    rollout._replaced = set()
    rollout._new_machines, rollout._started = set(), set()
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_READY_SECONDS", "0.05")
    monkeypatch.setattr("components.machines.rollout._ASK_EVERY", 0.005)
    monkeypatch.setattr("components.machines.clock_difference._now", lambda: NOW)
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0.05")
    return rollout


@pytest.fixture
def roll(monkeypatch: pytest.MonkeyPatch) -> Rollout:
    return fresh(1, monkeypatch)


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Rollout:
    return fresh(3, monkeypatch)


def serving(count: int = 1, /, **changes: Any) -> FakeCluster:  # noqa: ANN401 - its fields
    names = PLANES[:count]
    return FakeCluster(
        **{
            "objects": {name: a_node(name, address="10.0.0.9") for name in (*names, FIRST, SECOND)},
            "planes": dict.fromkeys(names, True),
            **changes,
        }
    )


def run(
    cluster: FakeCluster, hook: Coroutine[Any, Any, Any], pools: FakePools | None = None
) -> None:
    """Let a hook run against this cluster."""

    @asynccontextmanager
    async def api(_text: str, **_: float) -> AsyncIterator[ClusterApi]:
        yield cluster

    @asynccontextmanager
    async def pools_api(_text: str, **_: float) -> AsyncIterator[PoolApi]:
        yield pools or FakePools(pools_by_name={})

    with (
        patch("components.machines.rollout.cluster_api", api),
        patch("components.machines.rollout.pool_api", pools_api),
    ):
        asyncio.run(hook)


def args(node: str, **inputs: Any) -> pulumi.ResourceHookArgs:  # noqa: ANN401 - any inputs
    return pulumi.ResourceHookArgs(urn="", id="", name=f"small-{node}", type="", **inputs)


def inputs(roll: Rollout, node: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A node's generation; `changes` are laid over its parts."""
    plain = generation_inputs(roll._plan, roll._plan.nodes[node], settings=SETTINGS_TEXT)
    laid: dict[str, Any] = copy.deepcopy(plain)
    for key, value in (changes or {}).items():
        laid[key] = {**laid[key], **value} if isinstance(value, Mapping) else value
    return laid


SETTINGS_TEXT = json.dumps({"kubelet": '{"a":1}', "sysctls": ""})
IMAGE = {"identity": {"image": "m-before"}}
RESTART = {"restart": {"instanceType": "ecs.before"}}
SETTINGS_EDIT = {"settings": json.dumps({"kubelet": '{"a":0}', "sysctls": ""})}


def changes(
    roll: Rollout,
    node: str,
    before: Mapping[str, Any] = IMAGE,
) -> Coroutine[Any, Any, None]:
    """The hook of an edit, from a generation that was like `before`."""
    return roll._change(
        args(node, old_inputs=inputs(roll, node, before), new_inputs=inputs(roll, node))
    )


def members(planes: int, *workers: str, protected: bool = False) -> Membership:
    addresses = {name: f"10.0.0.{16 * n}" for n, name in enumerate(PLANES[:planes], start=1)}
    return Membership(control_planes=addresses, workers=workers, protected=protected)


def test_a_worker_is_cordoned_and_then_emptied(roll: Rollout) -> None:
    cluster = serving(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}", "evict web"]


def test_a_restart_empties_the_node_too(roll: Rollout) -> None:
    cluster = serving(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST, RESTART))
    assert cluster.done == [f"cordon {FIRST}", "evict web"]
    assert roll._changed == {FIRST}


ELSEWHERE = {"identity": {"interfaces": {"eth0": {"address": "10.0.9.9", "vswitch": "before"}}}}


def test_pods_of_daemon_sets_leave_too_where_the_addresses_do(roll: Rollout) -> None:
    cluster = serving(pods={FIRST: [a_pod("web"), a_pod("agent", owner="DaemonSet")]})
    pool = a_pool(f"{FIRST}-eth0", "10.0.9.10")
    pools = FakePools(pools_by_name={pool.name: pool})
    run(cluster, changes(roll, FIRST, ELSEWHERE), pools)
    assert cluster.done == [f"cordon {FIRST}", "evict web", f"taint {FIRST}"]
    assert pools.written == [(pool.name, ())]


def test_a_machine_stays_while_a_pod_has_an_address_that_it_would_lose(roll: Rollout) -> None:
    pool = a_pool(f"{FIRST}-eth0", "10.0.9.10", web="10_0_9_10")
    with pytest.raises(pulumi.RunError, match=r"default/web.*its machine has not been touched"):
        run(serving(), changes(roll, FIRST, ELSEWHERE), FakePools(pools_by_name={pool.name: pool}))


def test_pools_have_the_new_addresses_before_pods_can_come(roll: Rollout) -> None:
    cluster = FakeCluster(objects={FIRST: back()})
    pool = a_pool(f"{FIRST}-eth0")
    pools = FakePools(pools_by_name={pool.name: pool})
    roll._moved[FIRST] = {pool.name: MovedPool()}
    run(cluster, roll._until_back(roll._plan.nodes[FIRST], "i-new", _RESOURCE), pools)
    assert pools.written == [(pool.name, roll._plan.ip_pools[pool.name].ips)]
    assert roll._moved == {}


def test_an_edit_of_nothing_asks_nobody(roll: Rollout) -> None:
    cluster = serving(failures=10**6)
    run(cluster, changes(roll, FIRST, {}))
    assert cluster.done == []


def test_no_worker_goes_while_another_is_not_ready(roll: Rollout) -> None:
    cluster = serving()
    cluster.objects[SECOND] = a_node(SECOND, ready=False)
    with pytest.raises(pulumi.RunError, match=f"another worker is not ready: {SECOND}"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_no_worker_goes_while_an_earlier_one_has_no_node(roll: Rollout) -> None:
    cluster = serving()
    del cluster.objects[FIRST]
    with pytest.raises(pulumi.RunError, match=f"not ready: {FIRST}"):
        run(cluster, changes(roll, SECOND))


def test_a_worker_that_is_only_being_added_holds_nobody_up(roll: Rollout) -> None:
    cluster = serving()
    del cluster.objects[FIRST]
    roll._note_new(args(FIRST))
    run(cluster, changes(roll, SECOND))
    assert cluster.done == [f"cordon {SECOND}"]


def test_what_a_broken_off_run_left_cordoned_is_opened_again(roll: Rollout) -> None:
    cluster = serving()
    asyncio.run(cluster.cordon(SECOND))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {SECOND}", f"uncordon {SECOND}", f"cordon {FIRST}"]


def test_an_older_api_server_refuses_a_new_machine_before_anything_is_done(roll: Rollout) -> None:
    cluster = serving(runs="v1.35.9", kube_proxy=None)
    with pytest.raises(pulumi.RunError, match="a kubelet is never newer"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_a_cluster_that_does_not_answer_keeps_every_machine(roll: Rollout) -> None:
    cluster = serving(failures=10**6)
    with pytest.raises(pulumi.RunError, match="could not join it either") as refused:
        run(cluster, changes(roll, FIRST))
    assert "DRAIN_SECONDS" not in str(refused.value)


@pytest.mark.parametrize(
    ("off", "direction"), [(timedelta(hours=2), "ahead of"), (timedelta(hours=-2), "behind")]
)
def test_no_machine_is_replaced_while_the_control_planes_clock_is_wrong(
    roll: Rollout, off: timedelta, direction: str
) -> None:
    cluster = serving(now=NOW + off)
    with pytest.raises(pulumi.RunError, match=f"120 minutes {direction} this computer's"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_no_new_machine_boots_while_the_control_planes_clock_is_wrong(roll: Rollout) -> None:
    cluster = serving(now=NOW + timedelta(minutes=6))
    with pytest.raises(pulumi.RunError, match="6 minutes ahead of this computer's"):
        run(cluster, roll._prepare_machine(args(FIRST)))
    assert cluster.secrets == {}


def test_clocks_may_differ_by_five_minutes(roll: Rollout) -> None:
    cluster = serving(now=NOW + timedelta(minutes=5))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]


def test_settings_change_whatever_the_clocks_show(roll: Rollout) -> None:
    cluster = serving(now=NOW + timedelta(hours=2))
    run(cluster, changes(roll, FIRST, SETTINGS_EDIT))
    assert cluster.done == [f"change {FIRST}"]


def test_without_a_drain_nobody_is_evicted_and_the_others_are_still_asked(
    roll: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0")
    cluster = serving(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]
    cluster.objects[FIRST] = a_node(FIRST, ready=False)
    with pytest.raises(pulumi.RunError, match="another worker is not ready"):
        run(cluster, changes(roll, SECOND))


def test_a_machine_that_boots_finds_no_node_of_its_name(roll: Rollout) -> None:
    cluster = serving()
    run(cluster, roll._prepare_machine(args(FIRST)))
    assert cluster.done == [f"delete {FIRST}"]


def test_a_machine_that_boots_finds_a_token_that_ends(roll: Rollout) -> None:
    cluster = serving()
    run(cluster, roll._prepare_machine(args(FIRST)))
    (secret,) = cluster.secrets.values()
    assert secret["expiration"] == "2026-01-01T01:00:00Z"
    token = f"{secret['token-id']}.{secret['token-secret']}"
    assert token == fake_secrets().bootstrap_token


def test_a_machine_of_a_first_creation_boots_without_an_api_server(roll: Rollout) -> None:
    cluster = FakeCluster(failures=1)
    run(cluster, roll._prepare_machine(args(FIRST)))
    assert cluster.done == []


def test_workers_that_leave_are_all_closed_before_the_first_is_emptied(roll: Rollout) -> None:
    cluster = serving(
        pods={FIRST: [a_pod("a")], SECOND: [a_pod("b"), a_pod("d", owner="DaemonSet")]}
    )
    run(cluster, roll.evict_leaving(members(1, FIRST, SECOND), members(1)))
    assert cluster.done == [
        f"cordon {FIRST}",
        f"cordon {SECOND}",
        "evict a",
        f"taint {FIRST}",
        f"delete {FIRST}",
        "evict b",
        f"taint {SECOND}",
        f"delete {SECOND}",
    ]


# --- control planes ---------------------------------------------------------------------------


def test_a_control_plane_goes_when_all_others_serve(three: Rollout) -> None:
    cluster = serving(3)
    run(cluster, changes(three, PLANES[0]))
    assert cluster.done == [f"cordon {PLANES[0]}"]
    assert three._changed == {PLANES[0]}


@pytest.mark.parametrize("before", [IMAGE, RESTART], ids=["replaced", "restarted"])
@pytest.mark.parametrize(
    "unwell",
    [
        pytest.param({"planes": {**dict.fromkeys(PLANES, True), PLANES[2]: False}}, id="etcd"),
        pytest.param(
            {"objects": {n: a_node(n, ready=n != PLANES[2]) for n in (*PLANES, FIRST, SECOND)}},
            id="Node",
        ),
        pytest.param({"planes": dict.fromkeys(PLANES[:2], True)}, id="no member"),
    ],
)
def test_no_control_plane_goes_while_another_does_not_serve(
    three: Rollout, unwell: dict[str, Any], before: Mapping[str, Any]
) -> None:
    cluster = serving(3, **unwell)
    with pytest.raises(pulumi.RunError, match=f"does not serve: {PLANES[2]}"):
        run(cluster, changes(three, PLANES[0], before))
    assert cluster.done == []


def test_the_only_control_plane_is_never_replaced(roll: Rollout) -> None:
    cluster = serving()
    with pytest.raises(pulumi.RunError, match="its machine is never replaced, and image cannot"):
        run(cluster, changes(roll, PLANES[0]))
    assert cluster.done == []


def test_the_only_etcd_member_is_never_replaced_whatever_the_plan_says(three: Rollout) -> None:
    cluster = serving(1)
    three._new.update(PLANES[1:])
    with pytest.raises(pulumi.RunError, match="has the only etcd member"):
        run(cluster, changes(three, PLANES[0]))
    assert cluster.done == []


def test_the_only_control_plane_is_restarted(roll: Rollout) -> None:
    cluster = serving()
    run(cluster, changes(roll, PLANES[0], RESTART))
    assert cluster.done == [f"cordon {PLANES[0]}"]


def test_a_version_is_no_new_machine_for_the_only_control_plane_that_runs_it(
    roll: Rollout,
) -> None:
    cluster = serving()
    run(cluster, changes(roll, PLANES[0], {"identity": {"kubernetes": "1.35.9"}}))
    assert cluster.done == []


@pytest.mark.parametrize(
    "older",
    [
        pytest.param({"runs": "v1.35.9"}, id="API server"),
        pytest.param({"objects": {PLANES[0]: a_node(PLANES[0], kubelet="v1.35.9")}}, id="kubelet"),
    ],
)
def test_a_version_that_the_only_control_plane_does_not_run_is_refused(
    roll: Rollout, older: dict[str, Any]
) -> None:
    with pytest.raises(pulumi.RunError, match=r"Upgrade masters-0 on the machine"):
        run(
            serving(**older),
            changes(roll, PLANES[0], {"identity": {"kubernetes": "1.35.9"}}),
        )


def test_the_clusters_version_is_written_before_the_first_control_plane_goes(
    three: Rollout,
) -> None:
    cluster = serving(3, configuration="clusterName: x\nkubernetesVersion: v1.36.2\n")
    before = {"identity": {"kubernetes": "1.36.2"}}
    run(cluster, changes(three, PLANES[0], before))
    run(cluster, changes(three, PLANES[1], before))
    assert cluster.done == [
        "write the cluster's version",
        f"cordon {PLANES[0]}",
        f"cordon {PLANES[1]}",
    ]
    assert "v1.36.3" in cluster.configuration


def test_kube_proxy_follows_the_api_servers_and_precedes_the_first_worker(three: Rollout) -> None:
    cluster = serving(3, kube_proxy="r.example/kube-proxy:v1.36.2")
    run(cluster, changes(three, FIRST))
    assert cluster.done[0] == "kube-proxy r.example/kube-proxy:v1.36.3"


def test_control_planes_that_leave_go_one_after_another_and_leave_etcd(three: Rollout) -> None:
    cluster = serving(3, pods={PLANES[2]: [a_pod("ccm")]})
    run(cluster, three.evict_leaving(members(3, FIRST), members(1, FIRST)))
    last, middle = PLANES[2], PLANES[1]
    assert cluster.done == [
        f"cordon {last}",
        "evict ccm",
        f"taint {last}",
        f"change {last}",
        f"delete {last}",
        f"cordon {middle}",
        f"taint {middle}",
        f"change {middle}",
        f"delete {middle}",
    ]
    assert cluster.planes == {PLANES[0]: True}


def test_a_dead_control_plane_that_leaves_is_forgotten_by_one_that_stays(three: Rollout) -> None:
    cluster = serving(3, pods={PLANES[2]: [a_pod("ccm")]})
    cluster.objects[PLANES[2]] = a_node(PLANES[2], ready=False)
    run(cluster, three.evict_leaving(members(3), members(2)))
    assert cluster.done == [f"change {PLANES[0]}", f"change {PLANES[0]}", f"delete {PLANES[2]}"]
    assert set(cluster.planes) == set(PLANES[:2])


def test_no_control_plane_leaves_while_one_that_stays_does_not_serve(three: Rollout) -> None:
    cluster = serving(3, planes={**dict.fromkeys(PLANES, True), PLANES[0]: False})
    with pytest.raises(pulumi.RunError, match=r"masters-0 is not well \(etcd, kube-apiserver"):
        run(cluster, three.evict_leaving(members(3), members(1)))
    assert cluster.done == []


def test_a_machine_without_a_unit_does_not_leave_etcd(
    three: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = serving(3)
    cluster.objects[PLANES[2]] = a_node(PLANES[2], unit=False)
    monkeypatch.setattr("components.machines.control_planes.leaving_planes._FIRST_REPORT", 0.0)
    with pytest.raises(pulumi.RunError, match="made by an earlier release"):
        run(cluster, three.evict_leaving(members(3), members(1)))
    assert f"delete {PLANES[2]}" not in cluster.done


def test_protected_control_planes_do_not_leave(three: Rollout) -> None:
    cluster = serving(3)
    with pytest.raises(pulumi.RunError, match="Write protect: false"):
        run(cluster, three.evict_leaving(members(3, protected=True), members(1)))
    assert cluster.done == []


def test_not_all_control_planes_leave(three: Rollout) -> None:
    other = Membership(control_planes={"x": "10.0.0.99"}, workers=(), protected=False)
    with pytest.raises(pulumi.RunError, match="cannot all leave"):
        run(serving(3), three.evict_leaving(members(3), other))


def test_a_time_of_zero_for_drains_does_not_let_a_control_plane_skip_etcd(
    three: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0")
    cluster = serving(3)
    run(cluster, three.evict_leaving(members(3), members(1)))
    assert cluster.planes == {PLANES[0]: True}


# --- settings -----------------------------------------------------------------------------------


def test_settings_change_on_the_running_node(roll: Rollout) -> None:
    cluster = serving()
    run(cluster, changes(roll, FIRST, SETTINGS_EDIT))
    assert cluster.done == [f"change {FIRST}"]
    assert cluster.objects[FIRST].annotations[SETTINGS] == SETTINGS_TEXT
    assert cluster.objects[FIRST].annotations[SETTINGS_APPLIED] == settings_digest(SETTINGS_TEXT)
    assert roll._changed == set()


def test_a_setting_that_an_earlier_unit_does_not_know_is_not_asked_of_it(roll: Rollout) -> None:
    cluster = serving()
    text = json.dumps({**json.loads(SETTINGS_TEXT), "metadata": "new"})
    new, old = inputs(roll, FIRST, {"settings": text}), inputs(roll, FIRST)
    run(cluster, roll._change(args(FIRST, old_inputs=old, new_inputs=new)))
    assert SETTINGS not in cluster.objects[FIRST].annotations


def test_a_settings_edit_waits_for_the_others_too(roll: Rollout) -> None:
    cluster = serving()
    cluster.objects[SECOND] = a_node(SECOND, ready=False)
    with pytest.raises(pulumi.RunError, match="another worker is not ready"):
        run(cluster, changes(roll, FIRST, SETTINGS_EDIT))


# --- when the next one may ------------------------------------------------------------------------


def unplanned(
    roll: Rollout, node: str, *, status: str = "Running", instance_type: str = "ecs.by-hand"
) -> Coroutine[Any, Any, None]:
    """The hook of an update of an instance whose generation does not change."""
    return roll._prepare_unplanned_restart(
        args(
            node,
            old_outputs={"status": status, "instanceType": instance_type},
            new_inputs={"status": "Running", "instanceType": "ecs.planned"},
        )
    )


# --- restarts that no edit announced ------------------------------------------------------------


@pytest.mark.parametrize("node", [PLANES[0], FIRST])
def test_a_machine_whose_type_was_changed_by_hand_is_emptied_first(
    three: Rollout, node: str
) -> None:
    cluster = serving(3)
    run(cluster, unplanned(three, node))
    assert cluster.done == [f"cordon {node}"]
    assert three._changed == {node}


def test_no_control_plane_is_restarted_while_another_does_not_serve(three: Rollout) -> None:
    cluster = serving(3, planes={**dict.fromkeys(PLANES, True), PLANES[2]: False})
    with pytest.raises(pulumi.RunError, match=f"{PLANES[2]} .*because its instance type"):
        run(cluster, unplanned(three, PLANES[0]))
    assert cluster.done == []


@pytest.mark.parametrize("status", ["Starting", "Stopping", "Stopped"])
def test_a_machine_that_serves_again_is_emptied_before_the_provider_stops_it(
    three: Rollout, status: str
) -> None:
    cluster = serving(3)
    run(cluster, unplanned(three, FIRST, status=status, instance_type="ecs.planned"))
    assert cluster.done == [f"cordon {FIRST}"]


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(serving(3, objects={}), id="no Node"),
        pytest.param(serving(3, objects={FIRST: a_node(FIRST, ready=False)}), id="not ready"),
    ],
)
def test_a_stopped_machine_is_started_at_once(three: Rollout, cluster: FakeCluster) -> None:
    run(cluster, unplanned(three, FIRST, status="Stopped"))
    assert cluster.done == []
    assert three._changed == set()


def test_a_machine_that_changes_in_its_turn_is_prepared_once(three: Rollout) -> None:
    cluster = serving(3)
    run(cluster, changes(three, FIRST, RESTART))
    run(cluster, unplanned(three, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]


def test_another_update_of_an_instance_asks_nobody(three: Rollout) -> None:
    cluster = serving(3)
    run(cluster, unplanned(three, FIRST, instance_type="ecs.planned"))
    assert cluster.done == []


def back(**node: Any) -> KubernetesNode:  # noqa: ANN401 - as a_node
    return a_node(FIRST, instance="i-new", **node)


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
    roll: Rollout, cluster: FakeCluster, lacks: str
) -> None:
    with pytest.raises(pulumi.RunError, match=lacks):
        run(cluster, roll._until_back(roll._plan.nodes[FIRST], "i-new", _RESOURCE))


def test_a_machine_that_was_made_without_an_api_server_gets_a_node_of_its_own(
    roll: Rollout,
) -> None:
    node, cluster = roll._plan.nodes[FIRST], serving(failures=1)
    run(cluster, roll._prepare_machine(args(FIRST)))
    assert FIRST in cluster.objects
    run(cluster, ask_for_missing(roll, node))
    assert FIRST not in cluster.objects
    cluster.objects[FIRST] = back()
    run(cluster, ask_for_missing(roll, node))
    assert FIRST in cluster.objects


async def ask_for_missing(roll: Rollout, node: NodePlan) -> None:
    await roll._missing_conditions(node, "cn-hangzhou.i-new")


def test_the_next_turn_waits_for_a_control_planes_etcd(three: Rollout) -> None:
    cluster = serving(3, planes={**dict.fromkeys(PLANES, True), PLANES[1]: False})
    with pytest.raises(pulumi.RunError, match="etcd, kube-apiserver not ready"):
        run(cluster, three._until_back(three._plan.nodes[PLANES[1]], "i-old", _RESOURCE))


def test_static_pods_of_the_machine_before_do_not_count(three: Rollout) -> None:
    cluster = serving(3, mirrors_of={PLANES[1]: "the Node that was deleted"})
    with pytest.raises(pulumi.RunError, match="etcd, kube-apiserver not ready"):
        run(cluster, three._until_back(three._plan.nodes[PLANES[1]], "i-old", _RESOURCE))


def test_a_node_that_is_back_is_opened_and_has_its_settings_written_down(roll: Rollout) -> None:
    cluster = FakeCluster(objects={FIRST: back()})
    asyncio.run(cluster.cordon(FIRST))
    run(cluster, roll._until_back(roll._plan.nodes[FIRST], "i-new", _RESOURCE))
    assert cluster.done == [f"cordon {FIRST}", f"uncordon {FIRST}", f"change {FIRST}"]
    assert SETTINGS in cluster.objects[FIRST].annotations


class Silent(FakeCluster):
    """A cluster that nobody reaches."""

    async def version(self) -> str:
        raise ClusterError("no route to host")


def waited_for(roll: Rollout, cluster: FakeCluster) -> list[str]:
    """The control planes that a run waits for."""
    nodes = [roll._plan.nodes[name] for name in PLANES]
    names: list[str] = []

    async def ask() -> None:
        names.extend([node.name for node in nodes if await roll._is_waited_for(node)])

    run(cluster, ask())
    return names


def test_a_stopped_machine_is_started_although_no_api_server_answers(three: Rollout) -> None:
    run(Silent(), unplanned(three, PLANES[0], status="Stopped"))
    assert three._changed == set()


def test_a_worker_waits_for_a_control_plane_that_was_started_a_moment_ago(roll: Rollout) -> None:
    cluster = serving(failures=3)
    run(cluster, unplanned(roll, PLANES[0], status="Stopped"))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]


def test_a_control_plane_that_does_not_answer_after_its_start_keeps_the_workers(
    roll: Rollout,
) -> None:
    cluster = serving(failures=10**6)
    run(cluster, unplanned(roll, PLANES[0], status="Stopped"))
    with pytest.raises(pulumi.RunError, match="not touched while no control plane serves"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_a_running_machine_is_kept_while_no_api_server_answers(three: Rollout) -> None:
    with pytest.raises(pulumi.RunError, match="its machine has not been touched"):
        run(Silent(), unplanned(three, PLANES[0]))


def test_a_control_plane_that_joins_others_is_waited_for(three: Rollout) -> None:
    three._new.update(PLANES[1:])
    assert waited_for(three, serving(3)) == [*PLANES[1:]]


def test_in_a_creation_no_control_plane_waits_for_another(three: Rollout) -> None:
    three.note_creation()
    three._new.add(PLANES[0])
    assert waited_for(three, serving(3)) == []


def test_in_a_run_that_finishes_a_creation_no_control_plane_waits_for_another(
    three: Rollout,
) -> None:
    three._new.update(PLANES[1:])
    assert waited_for(three, Silent()) == []


def test_behind_a_new_load_balancer_everybody_waits_for_the_control_plane_that_was_there(
    three: Rollout,
) -> None:
    def awaited() -> dict[str, list[str]]:
        nodes = three._plan.nodes
        return {n: three._awaited_at_load_balancer(nodes[n]) for n in (*PLANES, FIRST)}

    three._new.update(PLANES[1:])
    assert not any(awaited().values())
    run(serving(1), three.evict_leaving(members(1, FIRST), members(3, FIRST)))
    later = (*PLANES[1:], FIRST)
    assert awaited() == {PLANES[0]: []} | {name: [PLANES[0]] for name in later}


def test_control_planes_that_were_there_have_the_first_turns_whatever_their_names(
    three: Rollout,
) -> None:
    def turns() -> dict[str, list[str]]:
        return {n: three._turns_before(three._plan.nodes[n]) for n in (*PLANES, FIRST)}

    first, second, last = PLANES
    assert turns() == {first: [], second: [first], last: [first, second], FIRST: [*PLANES]}
    old = Membership(control_planes={last: "10.0.0.48"}, workers=(FIRST,), protected=False)
    run(serving(3), three.evict_leaving(old, members(3, FIRST)))
    assert turns() == {
        last: [],
        first: [last],
        second: [last, first],
        FIRST: [last, first, second],
    }
    three._new.update((first, second))
    awaited = three._awaited_at_load_balancer
    assert [awaited(three._plan.nodes[n]) for n in (last, first, second, FIRST)] == [
        [],
        *([[last]] * 3),
    ]


NODE = "urn:pulumi:dev::p::spiderpool-alicloud:nodes:Node"
ENI = f"{NODE}$alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface"
PROVIDER = "urn:pulumi:dev::p::control_plane:ControlPlane$pulumi:providers:kubernetes"


def environment_of(node: str, state: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """The settings of a control plane's boot program, made over this state."""
    stash = {"small-creation-ends": {"output": 9_999_999_999}}
    deployed = deploy(document(3), cloud=Cloud(state=state, lies=stash))
    encoded = deployed.of("Instance")[f"small-{node}"].inputs["userData"]
    assert isinstance(encoded, Secret)
    files = json.loads(base64.b64decode(str(encoded.value)).decode().partition("\n")[2])
    text = next(f["content"] for f in files["write_files"] if f["path"].endswith("node.env"))
    return dict(shlex.split(line)[0].split("=", 1) for line in text.splitlines())


def test_a_control_plane_finds_the_others_at_their_addresses_of_before() -> None:
    state = {f"{ENI}::small-masters-{n}-eth0": {"primaryIpAddress": f"10.9.0.{n}"} for n in (0, 1)}
    peers = environment_of(PLANES[0], state)["PEERS"].split()
    assert peers[0] == "10.9.0.1"
    assert "10.9.0.0" not in peers
    assert "10.9.0.1" not in environment_of(PLANES[2], state)["PEERS"].split()


def test_no_machine_may_create_a_cluster_once_one_has_served() -> None:
    assert environment_of(PLANES[0], {})["CREATION_ENDS"] == "9999999999"
    served = environment_of(PLANES[0], {f"{PROVIDER}::small": {}})
    assert served["CREATION_ENDS"] == ""


def test_control_planes_of_an_earlier_release_are_not_new(three: Rollout) -> None:
    accepted = read_record(record(plan_from(document(3))))
    assert isinstance(accepted, Record)
    before = EarlierRelease(workers=(FIRST, SECOND), kubernetes="1.36.3")
    run(serving(3), three.before_changes(before, accepted, None))
    for name in (*PLANES, FIRST):
        three._note_new(args(name))
    assert three._new == {FIRST}


def test_every_machine_has_a_generation_that_other_machines_do_not_change() -> None:
    def generations(count: int) -> dict[str, Any]:
        resources = deploy(small({"nodePools": {"workers": {"count": count}}})).resources
        return {r.name: r.inputs for r in resources if r.kind == "MachineGeneration"}

    two, more = generations(2), generations(3)
    assert set(two) == {f"small-{name}" for name in (PLANES[0], FIRST, SECOND)}
    assert {name: more[name] for name in two} == two


def test_a_label_changes_the_generation_of_its_pool_only_and_no_identity() -> None:
    def generations(document: dict[str, Any]) -> dict[str, Any]:
        resources = deploy(document).resources
        return {r.name: r.inputs for r in resources if r.kind == "MachineGeneration"}

    spare = {**small()["nodePools"]["workers"], "firstBlock": 65}
    before = generations(small({"nodePools": {"spare": spare}}))
    after = generations(small({"nodePools": {"spare": spare, "workers": {"labels": {"a": "b"}}}}))
    assert {name for name in before if before[name] != after[name]} == {f"small-{FIRST}"}
    assert {k for k, v in before[f"small-{FIRST}"].items() if after[f"small-{FIRST}"][k] != v} == {
        "labels"
    }


def test_membership_is_that_of_the_accepted_plan() -> None:
    accepted = read_record(record(plan_from(document(3))))
    assert isinstance(accepted, Record)
    membership = Membership.of(accepted)
    assert membership.nodes == (*PLANES, FIRST, SECOND)
    assert membership.control_planes[PLANES[0]] == "10.0.0.16"


def test_an_earlier_release_wrote_workers_down_and_no_control_planes(three: Rollout) -> None:
    accepted = read_record(record(plan_from(document(3))))
    assert isinstance(accepted, Record)
    cluster = serving(3, pods={})
    cluster.objects["gone"] = a_node("gone")
    before = EarlierRelease(workers=(FIRST, SECOND, "gone"), kubernetes="1.36.3")
    run(cluster, three.before_changes(before, accepted, None))
    assert cluster.done == ["cordon gone", "taint gone", "delete gone"]


_RESOURCE: Any = None
"""What a line is logged against; nobody listens here."""
