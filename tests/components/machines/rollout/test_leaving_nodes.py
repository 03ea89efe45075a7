"""Nodes that an edit removes leave the cluster, control planes first."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pulumi
import pytest

from components.machines.rollout.leaving_nodes import Membership, evict_leaving, remove_nodes
from planning.transitions.reading import EarlierRelease, Record, read_record
from planning.transitions.record import record
from tests.components.machines.rollout.rolling import (
    FIRST,
    PLANES,
    SECOND,
    Rolling,
    args,
    members,
    plan_of,
    run,
    serving,
)
from tests.fake_cluster import a_node, a_pod

pytestmark = pytest.mark.unit


def test_workers_that_leave_are_all_cordoned_before_the_first_is_drained(roll: Rolling) -> None:
    cluster = serving(
        pods={FIRST: [a_pod("a")], SECOND: [a_pod("b"), a_pod("d", owner="DaemonSet")]}
    )
    run(cluster, evict_leaving(roll.cluster, members(1, FIRST, SECOND), members(1)))
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


def test_control_planes_that_leave_go_one_after_another_and_leave_etcd(three: Rolling) -> None:
    cluster = serving(3, pods={PLANES[2]: [a_pod("ccm")]})
    run(cluster, evict_leaving(three.cluster, members(3, FIRST), members(1, FIRST)))
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


def test_a_control_plane_that_stays_removes_the_member_of_a_dead_one(three: Rolling) -> None:
    cluster = serving(3, pods={PLANES[2]: [a_pod("ccm")]})
    cluster.objects[PLANES[2]] = a_node(PLANES[2], ready=False)
    run(cluster, evict_leaving(three.cluster, members(3), members(2)))
    assert cluster.done == [f"change {PLANES[0]}", f"change {PLANES[0]}", f"delete {PLANES[2]}"]
    assert set(cluster.planes) == set(PLANES[:2])


def test_no_control_plane_leaves_while_one_that_stays_does_not_serve(three: Rolling) -> None:
    cluster = serving(3, planes={**dict.fromkeys(PLANES, True), PLANES[0]: False})
    with pytest.raises(pulumi.RunError, match=r"masters-0 is not well \(etcd, kube-apiserver"):
        run(cluster, evict_leaving(three.cluster, members(3), members(1)))
    assert cluster.done == []


def test_a_machine_without_a_unit_does_not_leave_etcd(
    three: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = serving(3)
    cluster.objects[PLANES[2]] = a_node(PLANES[2], unit=False)
    monkeypatch.setattr("components.machines.control_planes.leaving_planes._FIRST_REPORT", 0.0)
    with pytest.raises(pulumi.RunError, match="made by an earlier release"):
        run(cluster, evict_leaving(three.cluster, members(3), members(1)))
    assert f"delete {PLANES[2]}" not in cluster.done


def test_protected_control_planes_do_not_leave(three: Rolling) -> None:
    cluster = serving(3)
    with pytest.raises(pulumi.RunError, match="Write protect: false"):
        run(cluster, evict_leaving(three.cluster, members(3, protected=True), members(1)))
    assert cluster.done == []


def test_not_all_control_planes_leave(three: Rolling) -> None:
    other = Membership(control_planes={"x": "10.0.0.99"}, workers=(), protected=False)
    with pytest.raises(pulumi.RunError, match="cannot all leave"):
        run(serving(3), evict_leaving(three.cluster, members(3), other))


def test_a_time_of_zero_for_drains_does_not_let_a_control_plane_skip_etcd(
    three: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0")
    cluster = serving(3)
    run(cluster, evict_leaving(three.cluster, members(3), members(1)))
    assert cluster.planes == {PLANES[0]: True}


def accepted() -> Record:
    """The plan with three control planes and two workers, as a run records it."""
    read = read_record(record(plan_of(3)))
    assert isinstance(read, Record)
    return read


def removal(three: Rolling, before: Record | EarlierRelease) -> Coroutine[Any, Any, None]:
    """The beginning of a run with this plan before."""
    return remove_nodes(three.cluster, three.progress, before, accepted(), kubeconfig=None)


def test_control_planes_of_an_earlier_release_are_not_new(three: Rolling) -> None:
    before = EarlierRelease(workers=(FIRST, SECOND), kubernetes="1.36.3")
    run(serving(3), removal(three, before))
    for name in (*PLANES, FIRST):
        three.changes.note_new(args(name))
    assert three.progress.new == {FIRST}


def test_an_earlier_release_recorded_workers_and_no_control_planes(three: Rolling) -> None:
    cluster = serving(3, pods={})
    cluster.objects["gone"] = a_node("gone")
    before = EarlierRelease(workers=(FIRST, SECOND, "gone"), kubernetes="1.36.3")
    run(cluster, removal(three, before))
    assert cluster.done == ["cordon gone", "taint gone", "delete gone"]


def test_membership_is_that_of_the_accepted_plan() -> None:
    membership = Membership.of(accepted())
    assert membership.nodes == (*PLANES, FIRST, SECOND)
    assert membership.control_planes[PLANES[0]] == "10.0.0.16"
