"""A disk of etcd that is gone: whether a run may create an empty one in its place."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from components.machines.control_planes.lost_disk import LostDisks
from planning.transitions.earlier import ClusterInState
from tests.components.machines.rollout.rolling import PLANES, args

pytestmark = pytest.mark.unit


def disks(planes: int, *, with_disks: int, new: bool) -> LostDisks:
    """The check of a run on a cluster whose first planes had a disk in the last one."""

    async def state() -> ClusterInState:
        return ClusterInState(disks=frozenset(PLANES[:with_disks]))

    lost_disks = LostDisks.__new__(LostDisks)
    lost_disks._nodes = {f"small-{name}-etcd": name for name in PLANES[:planes]}
    lost_disks._state = state
    lost_disks._has_new_machine = lambda _: new
    lost_disks._new_disks = set()
    return lost_disks


def disk(node: str) -> pulumi.ResourceHookArgs:
    return args(f"{node}-etcd")


def test_a_new_disk_for_a_machine_that_lives_is_refused_with_the_way() -> None:
    lost_disks = disks(3, with_disks=3, new=False)
    with pytest.raises(pulumi.RunError, match=r"masters-1 is gone.*Delete the machine, too"):
        asyncio.run(lost_disks.check_disk(disk(PLANES[1])))


def test_a_preview_refuses_it_when_it_knows_that_the_machine_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    lost_disks = disks(3, with_disks=3, new=False)
    asyncio.run(lost_disks.check_disk(disk(PLANES[1])))
    with pytest.raises(pulumi.RunError, match="masters-1 is gone"):
        asyncio.run(lost_disks.check_attachment(disk(PLANES[1])))


def test_a_disk_and_its_machine_may_both_be_new() -> None:
    lost_disks = disks(3, with_disks=3, new=True)
    asyncio.run(lost_disks.check_disk(disk(PLANES[1])))
    asyncio.run(lost_disks.check_attachment(disk(PLANES[1])))


@pytest.mark.parametrize("new", [False, True], ids=["machine lives", "machine lost"])
def test_an_empty_disk_never_takes_the_place_of_the_only_one(*, new: bool) -> None:
    lost_disks = disks(1, with_disks=1, new=new)
    with pytest.raises(pulumi.RunError, match="objects are gone with it"):
        asyncio.run(lost_disks.check_disk(disk(PLANES[0])))


def test_a_control_plane_that_had_no_disk_may_get_one() -> None:
    asyncio.run(disks(3, with_disks=0, new=False).check_disk(disk(PLANES[1])))
    asyncio.run(disks(1, with_disks=0, new=False).check_disk(disk(PLANES[0])))


def test_a_disk_with_the_data_of_a_snapshot_may_take_the_place_of_the_only_one() -> None:
    hook = args(f"{PLANES[0]}-etcd", new_inputs={"snapshotId": "s-bp1a"})
    asyncio.run(disks(1, with_disks=1, new=True).check_disk(hook))
