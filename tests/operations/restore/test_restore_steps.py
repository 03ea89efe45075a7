"""The steps of a restore against a cloud, a Pulumi and a kubectl that write down what they do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from operations.backup.origins import Marks, Origin
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Finished, Runner
from operations.engine.steps import Progress
from operations.failure import OperationError
from operations.restore.command import restore_table
from operations.restore.control_plane_resources import RESTORE_BEGAN, ControlPlaneResources
from operations.restore.decision import plan_restore
from operations.restore.steps import RestoreSteps
from operations.sweep.cloud import CloudError
from planning.model import ClusterPlan
from planning.names import own_tags
from planning.nodes.etcd_disk import RESTORE
from planning.nodes.machine import ENCRYPTION_KEYS, SETTINGS, UNIT_SCHEMA
from tests.clusters import three_control_planes
from tests.planning.documents import planned

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
QUIET = Progress(console=Console(quiet=True))


def the_plan() -> ClusterPlan:
    document = three_control_planes()
    document["nodePools"]["masters"]["etcdDisk"] = {}
    return planned(document)


def tagged(**item: object) -> dict[str, Any]:
    plan = the_plan()
    tags = own_tags(plan.name, plan.profile)
    return {**item, "Tags": {"Tag": [{"TagKey": k, "TagValue": v} for k, v in tags.items()]}}


@dataclass
class Cloud:
    """Machines, disks and one snapshot, which calls change."""

    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    disks: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Action → code."""

    def call(self, product: str, action: str, **parameters: object) -> Mapping[str, Any]:
        assert product == "ecs"
        self.calls.append((action, parameters))
        if action in self.refused:
            raise CloudError(action, self.refused[action], "as asked")
        match action:
            case "DeleteInstance":
                if self.machines.pop(str(parameters["InstanceId"]), None) is None:
                    raise CloudError(action, "InvalidInstanceId.NotFound", "gone")
            case "DeleteDisk":
                del self.disks[str(parameters["DiskId"])]
            case "TagResources":
                self.tags[str(parameters["Tag.1.Key"])] = str(parameters["Tag.1.Value"])
            case "UntagResources":
                del self.tags[str(parameters["TagKey.1"])]
            case "StartInstance":
                self.machines[str(parameters["InstanceId"])]["Status"] = "Running"
            case "CreateSnapshot":
                return {"SnapshotId": "s-kept"}
        return {}

    def every(
        self,
        product: str,  # noqa: ARG002 - as `Api`
        action: str,
        *path: str,  # noqa: ARG002 - as `Api`
        **parameters: object,  # noqa: ARG002 - as `Api`
    ) -> list[Mapping[str, Any]]:
        match action:
            case "DescribeInstances":
                return list(self.machines.values())
            case "DescribeDisks":
                return list(self.disks.values())
        pairs = [{"TagKey": key, "TagValue": value} for key, value in self.tags.items()]
        snapshot = {
            "SnapshotId": "s-1",
            "SnapshotName": "auto2.0_20261127_sp-1",
            "CreationTime": "2026-11-27T10:00:00Z",
            "SourceDiskId": "d-0",
            "SourceDiskType": "data",
            "SourceDiskSize": "20",
            "Status": "accomplished",
            "Tags": {"Tag": pairs},
        }
        return [snapshot, {**snapshot, "SnapshotId": "s-kept"}]

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.calls]


@dataclass(frozen=True)
class Commands(Runner):
    """kubectl and pulumi: answers by what is asked, the last one for all later questions."""

    answers: Mapping[str, list[object]] = field(default_factory=dict)
    ran: list[Sequence[str]] = field(default_factory=list)
    runs: list[str | None] = field(default_factory=list)
    """What RESTORE was in each `pulumi up`."""

    def run(self, argv: Any, **_: object) -> Finished:  # noqa: ANN401
        self.ran.append(argv)
        if argv[:2] == ["pulumi", "up"]:
            self.runs.append(self.env.get(RESTORE))
        words = [word for word in argv[1:] if not word.startswith("--")]
        answers = self.answers.get(" ".join(words[:2]), [{"items": []}])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return Finished(status=0, out=json.dumps(answer), err="")


def left() -> Cloud:
    return Cloud(
        machines={
            "i-2": tagged(InstanceId="i-2", InstanceName="small-masters-2", Status="Running"),
            "i-9": tagged(InstanceId="i-9", InstanceName="small-workers-0", Status="Running"),
        },
        disks={
            "d-1": tagged(DiskId="d-1", DiskName="small-masters-1-etcd", AttachedTime="x"),
            "d-2": tagged(DiskId="d-2", DiskName="small-masters-2-etcd", InstanceId="i-2"),
            "d-7": {"DiskId": "d-7", "DiskName": "small-masters-0-etcd", "Tags": {"Tag": []}},
        },
    )


def restoring(cloud: Cloud, runner: Runner) -> RestoreSteps:
    ticks = count(step=20)
    stack = PulumiStack(name="dev", runner=runner, backend=Path("/nowhere"))
    return RestoreSteps(
        stack=stack,
        cloud=ControlPlaneResources(
            marks=Marks(plan=the_plan(), ca="c0ffee", policies=frozenset({"sp-1"})),
            api=cloud,
            clock=lambda: float(next(ticks)),
            pause=lambda _: None,
        ),
        snapshot="s-1",
        keys=("key2",),
        clock=lambda: float(next(ticks)),
        pause=lambda _: None,
    )


def state(*resources: Mapping[str, object]) -> Commands:
    document = {"deployment": {"resources": list(resources)}}
    return Commands(env={}, answers={"stack export": [document]})


def test_what_is_left_is_recognised_by_names_and_tags() -> None:
    disk = {"type": "alicloud:ecs/ecsDisk:EcsDisk", "id": "d-0"}
    situation = restoring(left(), state(disk)).situation(api_server_is_ready=False)
    assert {name: m.id for name, m in situation.machines.items()} == {"masters-2": "i-2"}
    assert {name: d.id for name, d in situation.disks.items()} == {
        "masters-1": "d-1",
        "masters-2": "d-2",
    }
    assert situation.disks_in_state == {"d-0"}
    # By the policy in its name.
    assert situation.snapshot.origin is Origin.OWN


def test_every_disk_is_kept_as_a_snapshot_before_anything_is_deleted() -> None:
    cloud = left()
    it = restoring(cloud, state())
    it.delete_remains(
        plan_restore(it.situation(api_server_is_ready=False), NOW, starts_over=False), QUIET
    )
    assert cloud.actions == [
        "CreateSnapshot",
        "CreateSnapshot",
        "DeleteInstance",
        "DeleteDisk",
        "DeleteDisk",
        "TagResources",
    ]
    assert set(cloud.machines) == {"i-9"}
    assert set(cloud.disks) == {"d-7"}
    assert RESTORE_BEGAN in cloud.tags


def test_a_second_run_removes_nothing_more() -> None:
    cloud = left()
    it = restoring(cloud, state())
    it.delete_remains(
        plan_restore(it.situation(api_server_is_ready=False), NOW, starts_over=False), QUIET
    )
    cloud.calls.clear()
    again = plan_restore(
        it.situation(api_server_is_ready=False), datetime.now(UTC), starts_over=False
    )
    assert again.continues is not None
    it.delete_remains(again, QUIET)
    assert cloud.calls == []
    assert "continues" in str(restore_table(the_plan(), "s-1", again).title)
    it.finish()
    assert cloud.tags == {}


@pytest.mark.parametrize("action", ["CreateSnapshot", "DeleteInstance", "DeleteDisk"])
def test_a_removal_that_is_refused_is_not_marked_as_done(action: str) -> None:
    cloud = left()
    cloud.refused = {action: "OperationDenied"}
    it = restoring(cloud, state())
    with pytest.raises(OperationError, match=r"rights.*it continues"):
        it.delete_remains(
            plan_restore(it.situation(api_server_is_ready=False), NOW, starts_over=False), QUIET
        )
    assert cloud.tags == {}
    cloud.refused = {}
    it.delete_remains(
        plan_restore(it.situation(api_server_is_ready=False), NOW, starts_over=False), QUIET
    )
    assert set(cloud.disks) == {"d-7"}


def test_only_the_first_run_makes_machines_of_the_snapshot() -> None:
    runner = state()
    it = restoring(Cloud(), runner)
    it.create_cluster(QUIET)
    it.create_younger_objects(QUIET)
    assert runner.runs == ["s-1", None]


def test_a_machine_that_loses_its_power_is_started_while_the_nodes_are_awaited() -> None:
    cloud = left()
    cloud.machines["i-9"]["Status"] = "Stopped"
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    worker = {"metadata": {"name": "workers-0"}, "spec": {"providerID": "cn.i-9"}, **ready}

    def lease(renewed: str) -> dict[str, Any]:
        item = {"metadata": {"name": "workers-0"}, "spec": {"renewTime": renewed}}
        return {"items": [item]}

    outputs = {"nodes": {"workers-0": {"instanceId": "i-9", "providerId": "cn.i-9"}}}
    answers: dict[str, list[object]] = {
        "stack output": [outputs],
        "get nodes": [{"items": [worker]}],
        "get leases": [lease("1"), lease("1"), lease("2")],
    }
    runner = Commands(env={}, answers=answers)
    restoring(cloud, runner).bring_nodes_back(runner, QUIET)
    assert cloud.actions == ["StartInstance"]


def node(name: str, *, settings: str = "of-the-snapshot", keys: str = "") -> dict[str, Any]:
    annotations = {UNIT_SCHEMA: "9", SETTINGS: settings}
    if keys:
        annotations[ENCRYPTION_KEYS] = keys
    labels = {"kept": "by-a-person", "tier": "old"}
    taint = {"key": "a-persons", "effect": "NoSchedule"}
    metadata = {"name": name, "annotations": annotations, "labels": labels}
    return {"metadata": metadata, "spec": {"taints": [taint]}}


def generation(name: str, settings: str = "of-the-stack") -> dict[str, Any]:
    taint = {"key": "only", "value": "web", "effect": "NoExecute"}
    inputs = {"settings": settings, "labels": {"tier": "web"}, "taints": [taint]}
    urn = f"urn:pulumi:dev::x::a$spiderpool-alicloud:machine_generation:MachineGeneration::{name}"
    kind = "spiderpool-alicloud:machine_generation:MachineGeneration"
    return {"urn": urn, "type": kind, "inputs": inputs}


def test_workers_get_back_what_was_edited_after_the_snapshot() -> None:
    runner = state(generation("small-workers-0"), generation("small-absent-0"))
    runner.answers["get nodes"] = [{"items": [node("workers-0"), node("strangers")]}]  # type: ignore[index]
    restoring(Cloud(), runner).give_nodes_their_state(runner, QUIET)
    patch, label, taint = (" ".join(c) for c in runner.ran if c[2] in {"patch", "label", "taint"})
    assert "patch node workers-0" in patch
    assert "of-the-stack" in patch
    assert label.endswith("label --overwrite node workers-0 tier=web")
    assert taint.endswith("taint --overwrite node workers-0 only=web:NoExecute")


def test_a_node_that_has_the_stacks_state_is_not_written() -> None:
    runner = state(generation("small-workers-0", settings="of-the-snapshot"))
    current = node("workers-0")
    current["metadata"]["labels"]["tier"] = "web"
    current["spec"]["taints"] += generation("x")["inputs"]["taints"]
    runner.answers["get nodes"] = [{"items": [current]}]  # type: ignore[index]
    restoring(Cloud(), runner).give_nodes_their_state(runner, QUIET)
    assert not [c for c in runner.ran if c[2] in {"patch", "label", "taint"}]


def planes(*keys: str) -> dict[str, Any]:
    return {"items": [node(f"masters-{at}", keys=names) for at, names in enumerate(keys)]}


def test_secrets_of_a_snapshot_with_an_older_key_are_written_again_until_it_is_forgotten() -> None:
    answers: dict[str, list[object]] = {
        "get nodes": [planes("key2 key1", "key2 key1"), planes("key2", "key2 key1"), planes("key2")]
    }
    runner = Commands(env={}, answers=answers)
    secret = {"metadata": {"name": "x", "uid": "1", "resourceVersion": "2"}}
    answers["get secrets"] = [{"items": [secret]}]
    restoring(Cloud(), runner).write_secrets_again(runner, QUIET)
    assert [c[1] for c in runner.ran] == ["get", "get", "replace", "get", "get"]


def test_secrets_with_the_stacks_keys_are_left_alone() -> None:
    runner = Commands(env={}, answers={"get nodes": [planes("key2", "key2")]})
    restoring(Cloud(), runner).write_secrets_again(runner, QUIET)
    assert len(runner.ran) == 1


def test_a_control_plane_that_keeps_an_older_key_stops_the_restore_with_the_reason() -> None:
    runner = Commands(env={}, answers={"get nodes": [planes("key2 key1")]})
    with pytest.raises(OperationError, match=r"masters-0 \(key2 key1\).*it continues"):
        restoring(Cloud(), runner).write_secrets_again(runner, QUIET)


def pool(taken: Mapping[str, str]) -> dict[str, Any]:
    records = {address: {"podUid": uid} for address, uid in taken.items()}
    return {
        "metadata": {"name": "workers-0-eth0"},
        "spec": {"ips": ["10.0.0.20-10.0.0.25"], "nodeName": ["workers-0"]},
        "status": {"allocatedIPs": json.dumps(records)},
    }


def pod(uid: str, address: str, *, owned: bool = True) -> dict[str, Any]:
    owners = [{"controller": True}] if owned else []
    return {
        "metadata": {"namespace": "x", "name": uid, "uid": uid, "ownerReferences": owners},
        "spec": {"nodeName": "workers-0"},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


def test_a_pod_that_its_pool_does_not_know_is_made_again() -> None:
    wrong, good = pod("a", "10.0.0.20"), pod("b", "10.0.0.21")
    runner = Commands(
        env={},
        answers={
            "get pods": [{"items": [wrong, good]}, {"items": [wrong, good]}, {"items": [good]}],
            "get spiderippools": [{"items": [pool({"10.0.0.21": "b"})]}],
        },
    )
    restoring(Cloud(), runner).wait_for_addresses(runner, QUIET)
    deleted = [argv for argv in runner.ran if "delete" in argv]
    assert ["a" in argv for argv in deleted] == [True]


def test_differences_that_stay_are_named() -> None:
    runner = Commands(
        env={},
        answers={
            "get pods": [{"items": [pod("a", "10.0.0.20", owned=False)]}],
            "get spiderippools": [{"items": [pool({"10.0.0.22": "gone"})]}],
        },
    )
    with pytest.raises(OperationError, match=r"x/a on 10.0.0.20; workers-0-eth0: 10.0.0.22"):
        restoring(Cloud(), runner).wait_for_addresses(runner, QUIET)
    assert not [argv for argv in runner.ran if "delete" in argv]
