"""A machine that is gone while an edit is waiting: it comes back first, with the edit."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from components.machines.rollout.turns import turns_before
from planning.transitions.earlier import ClusterInState
from tests.components.machines.rollout.rolling import (
    ELSEWHERE,
    FIRST,
    IMAGE,
    PLANES,
    RESTART,
    SECOND,
    SETTINGS_EDIT,
    Rolling,
    changes,
    rolling,
    run,
    serving,
)
from tests.fake_cluster import FakeCluster, a_node

pytestmark = pytest.mark.unit


def without(*machines: str, planes: int) -> Rolling:
    """The roll-out of a cluster that has served and has lost these machines."""
    roll = rolling(planes)
    roll.progress.before = ClusterInState(
        has_served=True, lost_machines=frozenset(machines), is_balanced=planes > 1
    )
    return roll


def order(roll: Rolling) -> list[str]:
    """Nodes in the order of their turns."""
    return sorted(roll.plan.nodes, key=lambda node: len(turns_before(roll.progress, node)))


@pytest.mark.parametrize("edit", [SETTINGS_EDIT, RESTART], ids=["settings", "restart"])
def test_the_only_control_plane_takes_the_edit_with_its_new_machine(
    edit: dict[str, object],
) -> None:
    roll = without(PLANES[0], planes=1)
    nobody = FakeCluster(failures=10**6)
    run(nobody, changes(roll, PLANES[0], edit))
    assert nobody.done == []


def test_other_nodes_wait_for_the_only_control_plane() -> None:
    roll = without(PLANES[0], planes=1)
    plane = roll.plan.nodes[PLANES[0]]
    assert asyncio.run(roll.returning.is_waited_for(plane))
    never_served = rolling(1)
    never_served.progress.before = ClusterInState(lost_machines=frozenset({PLANES[0]}))
    assert not asyncio.run(never_served.returning.is_waited_for(plane))


def test_a_lost_worker_gets_no_settings_and_the_others_do() -> None:
    roll = without(SECOND, planes=1)
    cluster = serving()
    del cluster.objects[SECOND]
    run(cluster, changes(roll, SECOND, SETTINGS_EDIT))
    assert cluster.done == []


def test_a_lost_worker_comes_before_the_others_and_they_wait_for_it() -> None:
    roll = without(SECOND, planes=1)
    assert order(roll) == [PLANES[0], SECOND, FIRST]
    cluster = serving()
    del cluster.objects[SECOND]
    with pytest.raises(pulumi.RunError, match=f"not ready: {SECOND}"):
        run(cluster, changes(roll, FIRST, IMAGE))


def test_lost_workers_do_not_wait_for_each_other() -> None:
    roll = without(FIRST, SECOND, planes=1)
    cluster = serving()
    cluster.objects[FIRST] = a_node(FIRST, ready=False)
    cluster.objects[SECOND] = a_node(SECOND, ready=False)
    run(cluster, changes(roll, SECOND, IMAGE))
    assert f"cordon {SECOND}" in cluster.done


def test_a_lost_control_plane_comes_before_the_others() -> None:
    roll = without(PLANES[2], planes=3)
    assert order(roll)[:3] == [PLANES[2], PLANES[0], PLANES[1]]
    cluster = serving(3)
    cluster.objects[PLANES[2]] = a_node(PLANES[2], ready=False)
    with pytest.raises(pulumi.RunError, match=f"does not serve: {PLANES[2]}"):
        run(cluster, changes(roll, PLANES[0], RESTART))


def test_without_a_control_plane_at_the_load_balancer_the_first_one_comes_first() -> None:
    roll = without(PLANES[2], planes=3)
    roll.progress.before = ClusterInState(has_served=True, lost_machines=frozenset({PLANES[2]}))
    assert order(roll)[:3] == list(PLANES)


def test_a_lost_machine_that_moves_still_gives_its_addresses_up() -> None:
    roll = without(FIRST, planes=1)
    cluster = serving()
    run(cluster, changes(roll, FIRST, ELSEWHERE))
    assert cluster.done == [f"cordon {FIRST}", f"taint {FIRST}"]
