"""A disk of etcd that is gone: whether a run may create an empty one in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import nullcontext
from typing import cast

import pulumi
import pytest

from components.machines.control_planes.lost_disk import LostDisks
from planning.nodes.etcd_disk import RESTORE
from planning.transitions.earlier import ClusterInState, DiskInState
from tests.components.machines.rollout.rolling import PLANES, args, plan_of

pytestmark = pytest.mark.unit


def disks(
    planes: int,
    *,
    with_disks: int,
    new: bool,
    left: dict[str, DiskInState] | None = None,
    deleted: Collection[str] = (),
) -> LostDisks:
    """The check of a run on a cluster whose first planes had a disk in the last one.

    The state has the disks in `left`; by default those of every plane but the second one. The cloud
    has these but for the disks of the planes in `deleted`.
    """
    named = {node.name: node for node in plan_of(planes).control_planes}
    if left is None:
        left = {name: in_state(name) for name in PLANES[:with_disks] if name != PLANES[1]}
        left = left if planes > 1 else {}

    async def state() -> ClusterInState:
        return ClusterInState(disks=frozenset(PLANES[:with_disks]), present_disks=left)

    async def existing(ids: Collection[str], _: pulumi.Resource | None) -> set[str]:
        return {id_ for id_ in ids if id_ not in {f"d-{name}" for name in deleted}}

    lost_disks = LostDisks.__new__(LostDisks)
    lost_disks._nodes = {f"small-{name}-etcd": node for name, node in named.items()}
    lost_disks._state = state
    lost_disks._has_new_machine = lambda _: new
    lost_disks._existing_disks = existing
    lost_disks._new_disks = set()
    lost_disks._accepted_disks = set()
    lost_disks._nics = {}
    lost_disks._resource = None
    return lost_disks


def in_state(node: str = "", *, zone: str = "cn-hangzhou-i", snapshot: str = "") -> DiskInState:
    """A disk as the stack file has it."""
    return DiskInState(
        id=f"d-{node}", zone=zone, is_encrypted=False, kms_key_id="", snapshot=snapshot
    )


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


@pytest.mark.parametrize("left", [PLANES[2:], ()], ids=["two of three", "all"])
def test_blank_disks_never_take_the_place_of_a_majority(left: tuple[str, ...]) -> None:
    lost_disks = disks(3, with_disks=3, new=True, left={name: in_state() for name in left})
    with pytest.raises(pulumi.RunError, match=r"masters-0, masters-1.* are gone.*restore --stack"):
        asyncio.run(lost_disks.check_disk(disk(PLANES[0])))


def test_a_run_that_has_made_the_first_blank_disk_before_the_next_was_deleted_says_so() -> None:
    unwritten = {name: in_state(name) for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=True, left=unwritten)
    asyncio.run(lost_disks.check_disk(disk(PLANES[0])))
    with pytest.raises(
        pulumi.RunError, match=r"are gone.*Of masters-0 this run may have made.*restore"
    ) as refused:
        asyncio.run(lost_disks.check_disk(disk(PLANES[1])))
    assert "Nothing has been changed" not in str(refused.value)


@pytest.mark.parametrize("deleted", [PLANES[:2], PLANES], ids=["two of three", "all"])
def test_a_run_refuses_the_first_blank_disk_although_its_state_still_has_the_others(
    deleted: tuple[str, ...],
) -> None:
    unwritten = {name: in_state(name) for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=True, left=unwritten, deleted=deleted)
    with pytest.raises(
        pulumi.RunError, match=r"masters-0, masters-1.* are gone.*Nothing.*restore --stack"
    ):
        asyncio.run(lost_disks.check_disk(disk(PLANES[0])))


@pytest.mark.parametrize("order", [PLANES, PLANES[::-1]], ids=["first to last", "last to first"])
def test_each_disk_of_a_refused_run_is_refused_without_a_change(order: tuple[str, ...]) -> None:
    unwritten = {name: in_state(name) for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=True, left=unwritten, deleted=PLANES)
    for plane in order:
        with pytest.raises(pulumi.RunError, match=r"are gone.*Nothing has been changed"):
            asyncio.run(lost_disks.check_disk(disk(plane)))


def test_a_preview_asks_the_cloud_as_a_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    unwritten = {name: in_state(name) for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=True, left=unwritten, deleted=PLANES[1:])
    with pytest.raises(pulumi.RunError, match=r"masters-1, masters-2 are gone"):
        asyncio.run(lost_disks.check_disk(disk(PLANES[1])))


@pytest.mark.parametrize(
    ("planes", "with_disks", "restored"),
    [(1, 1, False), (3, 0, False), (3, 3, True)],
    ids=["the only plane", "no disk before", "a restore"],
)
def test_the_cloud_is_asked_only_before_an_empty_disk_of_an_existing_cluster(
    planes: int, with_disks: int, monkeypatch: pytest.MonkeyPatch, *, restored: bool
) -> None:
    if restored:
        monkeypatch.setenv(RESTORE, "s-bp1a")
    left = {name: in_state(name) for name in PLANES[:with_disks]}
    lost_disks = disks(planes, with_disks=with_disks, new=True, left=left)

    async def asked(_: Collection[str], __: pulumi.Resource | None) -> set[str]:
        raise AssertionError

    lost_disks._existing_disks = asked
    refused = pytest.raises(pulumi.RunError) if planes == 1 else nullcontext()
    with refused:
        asyncio.run(lost_disks.check_disk(disk(PLANES[0])))


def test_one_lost_disk_of_three_may_be_made_again_while_the_cloud_has_the_others() -> None:
    unwritten = {name: in_state(name) for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=True, left=unwritten, deleted=PLANES[:1])
    asyncio.run(lost_disks.check_disk(disk(PLANES[0])))


def test_a_preview_refuses_it_once_it_has_seen_the_second_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    # The cluster was restored before, and its first disk is not left, either.
    before_its_refresh = {name: in_state(snapshot="s-bp1a") for name in PLANES[:1]}
    before_its_refresh |= {name: in_state() for name in PLANES[1:]}
    lost_disks = disks(3, with_disks=3, new=True, left=before_its_refresh)
    asyncio.run(lost_disks.check_disk(disk(PLANES[0])))
    with pytest.raises(pulumi.RunError, match="masters-0, masters-2 are gone"):
        asyncio.run(lost_disks.check_disk(disk(PLANES[2])))


def test_a_preview_reports_no_disk_as_lost_that_an_edit_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    elsewhere = {name: in_state(zone="cn-hangzhou-j") for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=True, left=elsewhere)
    for plane in PLANES:
        asyncio.run(lost_disks.check_disk(disk(plane)))
        asyncio.run(lost_disks.check_attachment(disk(plane)))


def test_a_restore_and_the_run_after_an_interrupted_one_may_create_blank_disks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupted = {PLANES[0]: in_state(snapshot="s-bp1a")}
    asyncio.run(disks(3, with_disks=3, new=True, left=interrupted).check_disk(disk(PLANES[1])))
    monkeypatch.setenv(RESTORE, "s-bp1a")
    asyncio.run(disks(3, with_disks=3, new=True, left={}).check_disk(disk(PLANES[1])))


@pytest.mark.parametrize("planes", [1, 3])
def test_a_lost_disk_that_the_state_still_has_is_lost(planes: int) -> None:
    unwritten = {name: in_state() for name in PLANES[:planes]}
    lost_disks = disks(planes, with_disks=planes, new=False, left=unwritten)
    with pytest.raises(pulumi.RunError, match="masters-0 is gone"):
        asyncio.run(lost_disks.check_disk(disk(PLANES[0])))


@pytest.mark.parametrize(("status", "refused"), [("InUse", True), ("Available", False)])
def test_a_machine_that_the_state_still_has_is_gone_once_its_eni_is_free(
    status: str, *, refused: bool
) -> None:
    unwritten = {name: in_state() for name in PLANES}
    lost_disks = disks(3, with_disks=3, new=False, left=unwritten)

    async def check() -> None:
        nic = pulumi.Output.from_input(status)
        lost_disks.watch(PLANES[1], nic, resource=cast("pulumi.Resource", None))
        await lost_disks.check_disk(disk(PLANES[1]))

    if refused:
        with pytest.raises(pulumi.RunError, match="Delete the machine, too"):
            asyncio.run(check())
    else:
        asyncio.run(check())
