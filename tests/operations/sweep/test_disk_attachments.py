"""Attachments of disks that the cloud has and the state lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.sweep.disk_attachments import has_disks, unrecorded_attachments
from operations.sweep.interrupted import Object, settled

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
