"""What `operations backup --list` says about disks for etcd that are gone."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

import pytest

from operations.backup.lost_disks import advice, lost_disks
from operations.backup.snapshots import Snapshot
from planning.model import ClusterPlan
from planning.read import plan_from
from tests.clusters import small

pytestmark = pytest.mark.unit

MASTERS = ("masters-0", "masters-1", "masters-2")


def plan(planes: int) -> ClusterPlan:
    return plan_from(small({"nodePools": {"masters": {"count": planes, "etcdDisk": {}}}}))


def snapshot(id_: str, *, done: bool = True, certain: bool = True) -> Snapshot:
    return Snapshot(
        id=id_,
        node=MASTERS[0],
        taken=datetime(2026, 1, 1, tzinfo=UTC),
        gibibytes=20,
        automatic=True,
        done=done,
        certain=certain,
    )


def advised(planes: int, *lost: str, snapshots: tuple[Snapshot, ...] = ()) -> str:
    text = advice("prod", plan(planes), lost, snapshots)
    assert text is not None
    return text


def test_disks_of_the_plan_that_the_cloud_does_not_have_are_lost() -> None:
    assert lost_disks(plan(3), {MASTERS[0], MASTERS[2]}) == [MASTERS[1]]
    assert lost_disks(plan(3), set(MASTERS)) == []
    assert lost_disks(plan_from(small()), set()) == []
    assert advice("prod", plan(3), [], []) is None


def test_one_of_three_comes_back_by_up() -> None:
    text = advised(3, MASTERS[1], snapshots=(snapshot("s-1"),))
    assert "pulumi up --stack prod" in text
    assert "restore" not in text


@pytest.mark.parametrize(
    ("planes", "lost"),
    [(1, MASTERS[:1]), *((3, pair) for pair in combinations(MASTERS, 2)), (3, MASTERS)],
)
def test_a_majority_is_restored_from_the_youngest_snapshot_of_this_cluster(
    planes: int, lost: tuple[str, ...]
) -> None:
    snapshots = (
        snapshot("s-4", done=False),
        snapshot("s-3", certain=False),
        snapshot("s-2"),
        snapshot("s-1"),
    )
    text = advised(planes, *lost, snapshots=snapshots)
    assert "python -m operations restore --stack prod --from s-2`" in text
    assert ", ".join(lost) in text


def test_without_a_snapshot_it_promises_nothing() -> None:
    text = advised(1, MASTERS[0])
    assert "--from" not in text
    assert "docs/runbooks/dead-cluster.md" in text
