"""A snapshot on demand: etcd's own first, then the cloud's; and the list of what there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from config.facts.tags import TAG_ETCD_CA
from operations.backup.command import Backup, snapshot_table
from operations.backup.origins import Marks
from operations.backup.snapshots import etcd_disks, snapshots_of
from operations.engine.running import Finished, Runner
from operations.engine.steps import Progress
from operations.failure import OperationError
from operations.sweep.cloud import CloudError
from planning.model import ClusterPlan
from planning.names import own_tags
from planning.nodes.machine import BACK_UP, BACKED_UP
from tests.clusters import three_control_planes
from tests.planning.documents import planned

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def plan_with_disks() -> ClusterPlan:
    document = three_control_planes()
    document["nodePools"]["masters"]["etcdDisk"] = {}
    return planned(document)


MARKS = Marks(plan=plan_with_disks(), ca="c0ffee")


def marked(item: dict[str, Any], ca: str) -> dict[str, Any]:
    pair = {"TagKey": TAG_ETCD_CA, "TagValue": ca}
    return {**item, "Tags": {"Tag": [*item["Tags"]["Tag"], pair]}}


def disk(id_: str, name: str, **more: object) -> dict[str, Any]:
    plan = plan_with_disks()
    tags = own_tags(plan.name, plan.profile)
    pairs = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
    return {"DiskId": id_, "DiskName": name, "Tags": {"Tag": pairs}, **more}


def snapshot(id_: str, *, hours: float, **more: object) -> dict[str, Any]:
    taken = NOW - timedelta(hours=hours)
    return {
        "SnapshotId": id_,
        "CreationTime": f"{taken:%Y-%m-%dT%H:%M:%SZ}",
        "SourceDiskSize": "20",
        "Status": "accomplished",
        "SnapshotType": "auto",
        **more,
    }


@dataclass
class Disks:
    """A cloud with disks and their snapshots, which makes one more when it is asked."""

    disks: list[dict[str, Any]] = field(default_factory=list)
    snapshots: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    refused: str = ""

    def call(self, product: str, action: str, **parameters: object) -> Mapping[str, Any]:
        assert product == "ecs"
        if self.refused:
            raise CloudError(action, self.refused, "as asked")
        self.calls.append((action, parameters))
        taken = snapshot("s-new", hours=0, SnapshotType="user")
        self.snapshots.setdefault(str(parameters["DiskId"]), []).append(taken)
        return {"SnapshotId": "s-new"}

    def every(
        self,
        product: str,  # noqa: ARG002 - as `Api`
        action: str,
        *path: str,  # noqa: ARG002 - as `Api`
        **parameters: object,
    ) -> list[Mapping[str, Any]]:
        if action == "DescribeDisks":
            assert parameters == {"DiskType": "data"}
            return list(self.disks)
        if parameters == {"SourceDiskType": "data"}:
            return list(self.snapshots.get("", ()))
        if "DiskId" in parameters:
            return list(self.snapshots.get(str(parameters["DiskId"]), ()))
        return [s for each in self.snapshots.values() for s in each if s["SnapshotId"] == "s-new"]


@dataclass(frozen=True)
class Units(Runner):
    """kubectl at a cluster whose units write etcd's snapshot, except for the silent ones."""

    silent: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    """Control planes whose Nodes are deleted."""
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, argv: Any, **_: object) -> Finished:  # noqa: ANN401
        name = argv[argv.index("node") + 1]
        own = self.annotations.setdefault(name, {})
        if name in self.absent:
            return Finished(status=1, out="", err=f'nodes "{name}" not found')
        if "annotate" in argv:
            key, _, text = argv[-1].partition("=")
            own[key] = text
        elif name not in self.silent and BACK_UP in own:
            own[BACKED_UP] = own[BACK_UP]
        return Finished(status=0, out=json.dumps({"metadata": {"annotations": own}}), err="")


def backup(cloud: Disks) -> Backup:
    ticks = iter(range(0, 100_000, 20))
    return Backup(
        marks=MARKS,
        api=cloud,
        disks=dict(etcd_disks(cloud, MARKS)),
        clock=lambda: float(next(ticks)),
        pause=lambda _: None,
    )


QUIET = Progress(console=Console(quiet=True))


def test_only_the_stacks_own_disks_for_etcd_count() -> None:
    cloud = Disks(
        disks=[
            disk("d-0", "small-masters-0-etcd"),
            disk("d-9", "small-masters-9-etcd"),
            disk("d-1", "small-masters-1-etcd", Tags={"Tag": []}),
            marked(disk("d-2", "small-masters-2-etcd"), "deadbeef"),
        ]
    )
    assert etcd_disks(cloud, MARKS) == {"masters-0": "d-0"}


def test_the_youngest_snapshot_comes_first_with_its_age() -> None:
    cloud = Disks(
        snapshots={
            "d-0": [snapshot("s-old", hours=7), snapshot("s-young", hours=1.5)],
            "d-1": [snapshot("s-made", hours=2, Status="progressing", SnapshotType="user")],
        }
    )
    snapshots = snapshots_of(cloud, {"masters-0": "d-0", "masters-1": "d-1"})
    assert snapshots[0].as_document(NOW) == {
        "id": "s-young",
        "node": "masters-0",
        "taken": "2026-11-27T10:30:00+00:00",
        "age": 1.5,
        "gibibytes": 20,
        "automatic": True,
        "done": True,
        "certain": True,
    }
    shown = [(each.id, each.automatic, each.done) for each in snapshots]
    assert shown[1:] == [("s-made", False, False), ("s-old", True, True)]
    assert snapshot_table("small", snapshots, NOW).row_count == 3


def test_snapshots_of_a_disk_that_is_gone_are_recognised_by_mark_and_policy() -> None:
    tags = disk("d-9", "x")["Tags"]
    name = "small-masters-1-etcd"
    cloud = Disks(
        snapshots={
            "d-0": [snapshot("s-present", hours=5)],
            "": [
                marked(snapshot("s-command", hours=2, SnapshotName=name, Tags=tags), "c0ffee"),
                marked(snapshot("s-earlier", hours=2, SnapshotName=name, Tags=tags), "deadbeef"),
                snapshot("s-unmarked", hours=4, SnapshotName=name, Tags=tags),
                snapshot(
                    "s-policy",
                    hours=3,
                    SnapshotName="auto2.0_20261127_sp-1",
                    SourceDiskId="d-5",
                ),
                snapshot("s-other", hours=1, SnapshotName="auto2.0_20261127_sp-2"),
                snapshot("s-present", hours=5, Tags=tags),
            ],
        }
    )
    marks = replace(MARKS, policies=frozenset({"sp-1"}))
    listed = Backup(marks=marks, api=cloud, disks={"masters-0": "d-0"}).snapshots()
    assert [(each.id, each.node, each.certain) for each in listed] == [
        ("s-command", "masters-1", True),
        ("s-policy", "d-5", True),
        ("s-unmarked", "masters-1", False),
        ("s-present", "masters-0", True),
    ]


def test_etcds_own_snapshot_comes_before_that_of_its_disk() -> None:
    cloud = Disks(disks=[disk("d-0", "small-masters-0-etcd"), disk("d-1", "small-masters-1-etcd")])
    units = Units(env={})
    assert backup(cloud).take(units, QUIET) == "s-new"
    assert units.annotations["masters-0"][BACKED_UP] == units.annotations["masters-0"][BACK_UP]
    ((action, parameters),) = cloud.calls
    assert (action, parameters["DiskId"]) == ("CreateSnapshot", "d-0")
    tags = {parameters[f"Tag.{n}.Key"]: parameters[f"Tag.{n}.Value"] for n in (1, 2, 3)}
    assert tags == MARKS.tags
    assert tags[TAG_ETCD_CA] == "c0ffee"


def test_a_control_plane_that_does_not_answer_is_passed_over() -> None:
    cloud = Disks(disks=[disk("d-0", "small-masters-0-etcd"), disk("d-1", "small-masters-1-etcd")])
    backup(cloud).take(Units(env={}, silent=frozenset({"masters-0"})), QUIET)
    assert [parameters["DiskId"] for _, parameters in cloud.calls] == ["d-1"]


def test_a_control_plane_whose_node_is_gone_is_passed_over() -> None:
    cloud = Disks(disks=[disk("d-0", "small-masters-0-etcd"), disk("d-1", "small-masters-1-etcd")])
    backup(cloud).take(Units(env={}, absent=frozenset({"masters-0"})), QUIET)
    assert [parameters["DiskId"] for _, parameters in cloud.calls] == ["d-1"]


def test_no_disk_is_copied_when_no_etcd_has_written_its_snapshot() -> None:
    cloud = Disks(disks=[disk("d-0", "small-masters-0-etcd")])
    with pytest.raises(OperationError, match="no disk was copied"):
        backup(cloud).take(Units(env={}, silent=frozenset({"masters-0"})), QUIET)
    assert cloud.calls == []


def test_a_refusal_of_the_cloud_names_the_rights() -> None:
    cloud = Disks(disks=[disk("d-0", "small-masters-0-etcd")], refused="Forbidden.RAM")
    with pytest.raises(OperationError, match="ecs:CreateSnapshot"):
        backup(cloud).take(Units(env={}), QUIET)


def test_another_refusal_of_the_cloud_does_not_blame_the_rights() -> None:
    cloud = Disks(disks=[disk("d-0", "small-masters-0-etcd")], refused="QuotaExceed.Snapshot")
    with pytest.raises(OperationError, match="Correct the cause that it names"):
        backup(cloud).take(Units(env={}), QUIET)
