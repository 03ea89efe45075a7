"""Attachments of disks that the cloud has and the state lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.engine.places import LOCAL_STACK, Places
from operations.engine.pulumi_stack import Lock, PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import OperationError
from operations.sweep.cloud import Account, Answer, Api, CloudError
from operations.sweep.cluster import Finding
from operations.sweep.command import SweptStack
from operations.sweep.disk_attachments import has_disks, unrecorded_attachments
from operations.sweep.interrupted import Object, settled
from operations.sweep.owned_names import OwnedNames
from operations.sweep.recovery import recover_stack

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[2] / "program" / "golden"
NODE = "urn:pulumi:prod::spiderpool-alicloud::a:cluster:Cluster$a:nodes:Node"
DISK = "alicloud:ecs/ecsDisk:EcsDisk"
ATTACHMENT = "alicloud:ecs/ecsDiskAttachment:EcsDiskAttachment"
INSTANCE = "alicloud:ecs/instance:Instance"


def resource(type_: str, name: str, id_: str, **more: object) -> dict[str, Any]:
    return {
        "urn": f"{NODE}${type_}::{name}",
        "type": type_,
        "id": id_,
        "custom": True,
        "parent": f"{NODE}::cluster-m-0",
        "provider": "urn:provider::1",
        **more,
    }


MACHINE = resource(INSTANCE, "cluster-m-0", "i-1")
ETCD = resource(DISK, "cluster-m-0-etcd", "d-1")
RECORDED = resource(
    ATTACHMENT,
    "cluster-m-0-etcd",
    "d-1:i-1",
    inputs={"__defaults": [], "diskId": "d-1", "instanceId": "i-1"},
    outputs={"id": "d-1:i-1", "diskId": "d-1", "instanceId": "i-1"},
    dependencies=[ETCD["urn"], MACHINE["urn"]],
    propertyDependencies={"diskId": [ETCD["urn"]], "instanceId": [MACHINE["urn"]]},
    deletedWith=MACHINE["urn"],
)


def state(*resources: Object) -> Object:
    return {"resources": list(resources)}


def attached(machine: str) -> list[dict[str, str]]:
    return [{"DiskId": "d-1", "InstanceId": machine}, {"DiskId": "d-2", "InstanceId": machine}]


def test_an_attachment_that_a_dead_run_made_is_as_if_that_run_had_recorded_it() -> None:
    assert unrecorded_attachments(state(MACHINE, ETCD), attached("i-1")) == (RECORDED,)


def test_a_recorded_attachment_stays_as_it_is() -> None:
    assert unrecorded_attachments(state(MACHINE, ETCD, RECORDED), attached("i-1")) == ()


@pytest.mark.parametrize("machine", ["", "i-of-nobody"])
def test_a_disk_on_no_machine_of_the_state_is_left_to_the_next_run(machine: str) -> None:
    assert unrecorded_attachments(state(MACHINE, ETCD), attached(machine)) == ()


def test_a_disk_that_the_state_does_not_have_is_left_alone() -> None:
    assert not has_disks(state(MACHINE))
    assert unrecorded_attachments(state(MACHINE), attached("i-1")) == ()


def test_the_attachment_to_a_new_machine_takes_the_place_of_the_deleted_one() -> None:
    """A replacement deletes the attachment to the machine before, which stays in the state."""
    before = {**RECORDED, "id": "d-1:i-0", "pendingReplacement": True}
    deployment = state(MACHINE, ETCD, before)
    attachments = unrecorded_attachments(deployment, attached("i-1"))
    assert settled(deployment, attachments)["resources"] == [MACHINE, ETCD, RECORDED]


@pytest.mark.parametrize("plan", ["dev", "prod"])
def test_the_program_gives_a_disk_and_its_attachment_one_name_and_one_parent(plan: str) -> None:
    resources = yaml.safe_load((GOLDEN / f"{plan}.yaml").read_text())["resources"]
    places = {
        type_: {(item["name"], item["parent"]) for item in resources if item["type"] == type_}
        for type_ in (DISK, ATTACHMENT)
    }
    assert places[DISK] == places[ATTACHMENT] != set()


@dataclass(frozen=True, kw_only=True)
class WrittenStack(PulumiStack):
    """A stack whose state is in memory."""

    states: list[Object]

    def lock(self) -> Lock | None:
        return None

    def is_busy(self) -> bool:
        return False

    def deployment(self) -> Object | None:
        return self.states[-1]

    def write_deployment(self, deployment: Object) -> None:
        self.states.append(deployment)


class AttachedDisks:
    """A cloud with disks alone."""

    def call(self, product: str, action: str, **parameters: object) -> Answer:
        raise CloudError(action, "EntityNotExist", f"{product} has nothing for {parameters}")

    def every(self, product: str, action: str, *path: str, **parameters: object) -> list[Answer]:
        disks = attached("i-1") if (product, action, *path) == DISKS else []
        assert not disks or parameters == {"DiskType": "data"}
        return list(disks)


DISKS = ("ecs", "DescribeDisks", "Disks", "Disk")


@dataclass(frozen=True, kw_only=True)
class SweptDisks(SweptStack):
    """The stack of a test on a cloud with disks alone."""

    def api(self) -> Api:
        return AttachedDisks()


def recovered(tmp_path: Path, *, agrees: bool) -> tuple[list[Object], list[str]]:
    """The states before and after a recovery, and what was shown before it."""
    states: list[Object] = [state(MACHINE, ETCD)]
    shown: list[str] = []
    plan = Stack.read(path_of_stack(LOCAL_STACK)).plan()

    def agree(findings: Sequence[Finding]) -> bool:
        shown.extend(str(finding) for finding in findings)
        return agrees

    swept = SweptDisks(
        name="prod",
        stack=WrittenStack(name="prod", runner=Runner(env={}), backend=tmp_path, states=states),
        owned=OwnedNames.of(plan),
        account=Account(region="cn-hangzhou"),
        places=Places.of(tmp_path),
    )
    try:
        recover_stack(swept, ask=lambda _: True, agree=agree, say=lambda _: None)
    except OperationError as refusal:
        shown.append(str(refusal))
    return states, shown


def test_a_recovery_writes_the_attachment_into_the_state(tmp_path: Path) -> None:
    states, shown = recovered(tmp_path, agrees=True)
    assert shown == ["disk d-1 on machine i-1: taken into the state"]
    assert [after["resources"] for after in states[1:]] == [[MACHINE, ETCD, RECORDED]]


def test_a_recovery_that_is_refused_leaves_the_state_as_it_is(tmp_path: Path) -> None:
    states, shown = recovered(tmp_path, agrees=False)
    assert len(states) == 1
    assert shown[1] == (
        "Nothing was changed. The next `pulumi up` of stack prod would stop at disk d-1 on machine "
        "i-1. Run this again and agree, or add --yes."
    )
