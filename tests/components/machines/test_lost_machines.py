"""A machine that is gone while an edit is waiting: it comes back first, with the edit."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from components.machines.control_planes.lost_disk import LostDisks
from components.machines.rollout import Rollout
from planning.transitions.earlier import ClusterInState
from tests.components.machines.test_rollout import (
    ELSEWHERE,
    FIRST,
    IMAGE,
    PLANES,
    RESTART,
    SECOND,
    SETTINGS_EDIT,
    args,
    changes,
    fresh,
    run,
    serving,
)
from tests.fake_cluster import FakeCluster, a_node

pytestmark = pytest.mark.unit


def without(*machines: str, planes: int, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """The roll-out of a cluster that has served and has lost these machines."""
    rollout = fresh(planes, monkeypatch)
    rollout._before = ClusterInState(
        has_served=True, lost_machines=frozenset(machines), is_balanced=planes > 1
    )
    return rollout


def order(rollout: Rollout) -> list[str]:
    """Nodes in the order of their turns."""
    nodes = rollout._plan.nodes.values()
    return [n.name for n in sorted(nodes, key=lambda node: len(rollout._turns_before(node)))]


@pytest.mark.parametrize("edit", [SETTINGS_EDIT, RESTART], ids=["settings", "restart"])
def test_the_only_control_plane_takes_the_edit_with_its_new_machine(
    edit: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = without(PLANES[0], planes=1, monkeypatch=monkeypatch)
    nobody = FakeCluster(failures=10**6)
    run(nobody, changes(rollout, PLANES[0], edit))
    assert nobody.done == []


def test_other_nodes_wait_for_the_only_control_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = without(PLANES[0], planes=1, monkeypatch=monkeypatch)
    plane = rollout._plan.nodes[PLANES[0]]
    assert asyncio.run(rollout._is_waited_for(plane))
    never_served = fresh(1, monkeypatch)
    never_served._before = ClusterInState(lost_machines=frozenset({PLANES[0]}))
    assert not asyncio.run(never_served._is_waited_for(plane))


def test_a_lost_worker_gets_no_settings_and_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = without(SECOND, planes=1, monkeypatch=monkeypatch)
    cluster = serving()
    del cluster.objects[SECOND]
    run(cluster, changes(rollout, SECOND, SETTINGS_EDIT))
    assert cluster.done == []


def test_a_lost_worker_comes_before_the_others_and_they_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollout = without(SECOND, planes=1, monkeypatch=monkeypatch)
    assert order(rollout) == [PLANES[0], SECOND, FIRST]
    cluster = serving()
    del cluster.objects[SECOND]
    with pytest.raises(pulumi.RunError, match=f"not ready: {SECOND}"):
        run(cluster, changes(rollout, FIRST, IMAGE))


def test_lost_workers_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = without(FIRST, SECOND, planes=1, monkeypatch=monkeypatch)
    cluster = serving()
    cluster.objects[FIRST] = a_node(FIRST, ready=False)
    cluster.objects[SECOND] = a_node(SECOND, ready=False)
    run(cluster, changes(rollout, SECOND, IMAGE))
    assert f"cordon {SECOND}" in cluster.done


def test_a_lost_control_plane_comes_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rollout = without(PLANES[2], planes=3, monkeypatch=monkeypatch)
    assert order(rollout)[:3] == [PLANES[2], PLANES[0], PLANES[1]]
    cluster = serving(3)
    cluster.objects[PLANES[2]] = a_node(PLANES[2], ready=False)
    with pytest.raises(pulumi.RunError, match=f"does not serve: {PLANES[2]}"):
        run(cluster, changes(rollout, PLANES[0], RESTART))


def test_without_a_control_plane_at_the_load_balancer_the_first_one_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollout = without(PLANES[2], planes=3, monkeypatch=monkeypatch)
    rollout._before = ClusterInState(has_served=True, lost_machines=frozenset({PLANES[2]}))
    assert order(rollout)[:3] == list(PLANES)


def test_a_lost_machine_that_moves_still_gives_its_addresses_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollout = without(FIRST, planes=1, monkeypatch=monkeypatch)
    cluster = serving()
    run(cluster, changes(rollout, FIRST, ELSEWHERE))
    assert cluster.done == [f"cordon {FIRST}", f"taint {FIRST}"]


# --- disks of etcd ----------------------------------------------------------------------------


def disks(planes: int, *, with_disks: int, new: bool) -> LostDisks:
    """The judgement of a run on a cluster whose first planes had a disk in the last one."""

    async def state() -> ClusterInState:
        return ClusterInState(disks=frozenset(PLANES[:with_disks]))

    judgement = LostDisks.__new__(LostDisks)
    judgement._nodes = {f"small-{name}-etcd": name for name in PLANES[:planes]}
    judgement._state = state
    judgement._has_new_machine = lambda _: new
    judgement._new_disks = set()
    return judgement


def disk(node: str) -> pulumi.ResourceHookArgs:
    return args(f"{node}-etcd")


def test_a_new_disk_for_a_machine_that_lives_is_refused_with_the_way() -> None:
    judgement = disks(3, with_disks=3, new=False)
    with pytest.raises(pulumi.RunError, match=r"masters-1 is gone.*Delete the machine, too"):
        asyncio.run(judgement.judge_disk(disk(PLANES[1])))


def test_a_preview_refuses_it_when_it_knows_that_the_machine_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    judgement = disks(3, with_disks=3, new=False)
    asyncio.run(judgement.judge_disk(disk(PLANES[1])))
    with pytest.raises(pulumi.RunError, match="masters-1 is gone"):
        asyncio.run(judgement.judge_attachment(disk(PLANES[1])))


def test_a_disk_and_its_machine_may_both_be_new() -> None:
    judgement = disks(3, with_disks=3, new=True)
    asyncio.run(judgement.judge_disk(disk(PLANES[1])))
    asyncio.run(judgement.judge_attachment(disk(PLANES[1])))


@pytest.mark.parametrize("new", [False, True], ids=["machine lives", "machine lost"])
def test_an_empty_disk_never_takes_the_place_of_the_only_one(*, new: bool) -> None:
    judgement = disks(1, with_disks=1, new=new)
    with pytest.raises(pulumi.RunError, match="objects are gone with it"):
        asyncio.run(judgement.judge_disk(disk(PLANES[0])))


def test_a_control_plane_that_had_no_disk_may_get_one() -> None:
    asyncio.run(disks(3, with_disks=0, new=False).judge_disk(disk(PLANES[1])))
    asyncio.run(disks(1, with_disks=0, new=False).judge_disk(disk(PLANES[0])))


def test_a_disk_with_the_data_of_a_snapshot_may_take_the_place_of_the_only_one() -> None:
    hook = args(f"{PLANES[0]}-etcd", new_inputs={"snapshotId": "s-bp1a"})
    asyncio.run(disks(1, with_disks=1, new=True).judge_disk(hook))
