"""The first run over an earlier release: its machines, read from the state, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planning.transitions.earlier import (
    ClusterInState,
    StateResource,
    cluster_in_state,
    clusters,
    earlier_machines,
    has_machines,
    planned_settings,
)
from planning.transitions.edits import check_edit
from planning.transitions.holders import NotAsked
from planning.transitions.reading import EarlierRelease, Record, read_record
from planning.transitions.record import record
from planning.transitions.steps import Accepted, Refused
from tests.clusters import existing_kubernetes
from tests.planning.documents import planned
from tests.planning.edited import Edit, at, clustered, edited

pytestmark = pytest.mark.unit

CLUSTER = "spiderpool-alicloud:cluster:Cluster"
NODE = f"{CLUSTER}$spiderpool-alicloud:nodes:Node"
IMAGE = "ubuntu_24_04_x64_20G_alibase_20270101.vhd"
SILENT = NotAsked(reason="a test")


def resource(types: str, name: str, **outputs: Any) -> StateResource:  # noqa: ANN401 - JSON
    return StateResource(urn=f"urn:pulumi:dev::project::{types}::{name}", outputs=outputs)


STATE = (
    resource(CLUSTER, "zones"),
    resource(NODE, "zones-m-0"),
    resource(
        f"{NODE}$alicloud:ecs/instance:Instance",
        "zones-m-0",
        imageId="ubuntu",
        instanceType="ecs.g7.xlarge",
        keyName="",
        systemDiskCategory="cloud_essd",
        systemDiskEncrypted=False,
        spotStrategy="NoSpot",
        spotPriceLimit=0,
    ),
    resource(
        f"{NODE}$alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface",
        "zones-m-0-eth0",
        primaryIpAddress="10.64.0.16",
    ),
    resource("alicloud:ecs/instance:Instance", "zones-somebody-elses"),
)


def test_machines_are_read_from_instances_and_their_interfaces() -> None:
    assert earlier_machines("zones", STATE) == {
        "m-0": {
            "image": "ubuntu",
            "instanceType": "ecs.g7.xlarge",
            "keyPair": "",
            "disk": ("cloud_essd", False, ""),
            "spot": ("NoSpot", 0.0),
            "addresses": {"eth0": "10.64.0.16"},
        }
    }


def test_a_cluster_in_the_state_has_the_primary_addresses_of_its_first_nics() -> None:
    secondary = resource(
        f"{NODE}$alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface",
        "zones-m-0-eth1",
        primaryIpAddress="10.64.128.16",
    )
    assert cluster_in_state("zones", (*STATE, secondary)) == ClusterInState(
        has_served=False, addresses={"m-0": "10.64.0.16"}
    )
    assert cluster_in_state("another", STATE) == ClusterInState()


def test_a_cluster_has_served_once_the_state_has_the_provider_of_its_objects() -> None:
    provider = resource(
        f"{CLUSTER}$spiderpool-alicloud:control_plane:ControlPlane$pulumi:providers:kubernetes",
        "zones",
    )
    assert cluster_in_state("zones", (*STATE, provider)).has_served


def test_first_identities_are_those_that_a_stash_of_each_node_has() -> None:
    stash = f"{NODE}$pulumi:index:Stash"
    state = (
        *STATE,
        resource(stash, "zones-m-0-first-identity", input="b", output="a"),
        resource(stash, "zones-w-0-first-identity", input="d", output="c"),
        resource(f"{CLUSTER}$pulumi:index:Stash", "zones-creation-ends", input=1, output=1),
    )
    assert cluster_in_state("zones", state).first_identities == {"m-0": "a", "w-0": "c"}
    assert cluster_in_state("zones", STATE).first_identities == {}


def test_a_state_says_which_clusters_it_has_and_whether_there_are_machines() -> None:
    assert clusters(STATE) == {"zones"}
    assert has_machines(STATE)
    assert not has_machines(STATE[:2])
    assert earlier_machines("other", STATE) == {}


def recorded(document: Any) -> Record:  # noqa: ANN401 - a document
    plan_record = read_record(record(planned(document)))
    assert isinstance(plan_record, Record)
    return plan_record


def before(document: Any) -> EarlierRelease:  # noqa: ANN401 - a document
    """What an earlier release left that deployed this document."""
    plan = recorded(document)
    return EarlierRelease(
        workers=plan.workers,
        kubernetes=str(plan.section("kubernetes", "version")),
        machines={
            name: planned_settings(node.identity, node.restart) for name, node in plan.nodes.items()
        },
    )


def test_the_stack_file_as_it_was_is_accepted() -> None:
    document = clustered(planes=3)
    assert isinstance(check_edit(before(document), recorded(document), SILENT), Accepted)


EDITS: dict[str, Callable[[Any], Any]] = {
    "image": at("nodePools/masters/image", "ubuntu_24_04_x64_20G_alibase_20270101.vhd"),
    "instanceType": at("nodePools/masters/instanceType", "ecs.g7.2xlarge"),
    "disk": at("nodePools/workers/disk", {"category": "cloud_auto"}),
    "keyPair": at("nodePools/workers/keyPair", "another"),
}


@pytest.mark.parametrize("key", EDITS)
def test_an_edit_that_would_take_a_machine_away_is_refused(key: str) -> None:
    document = clustered(planes=3)
    outcome = check_edit(before(document), recorded(edited(document, EDITS[key])), SILENT)
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert f"Their {key} is" in refusal.reason
    assert "Revert the edit, run `pulumi up`" in refusal.remedy


@pytest.mark.parametrize(("old", "new"), [(3, 1), (1, 3)])
def test_no_control_plane_comes_or_goes_although_the_cluster_was_not_asked(
    old: int, new: int
) -> None:
    outcome = check_edit(before(clustered(planes=old)), recorded(clustered(planes=new)), SILENT)
    assert isinstance(outcome, Refused)
    assert any("No control plane comes or goes" in each.rule for each in outcome.refusals)


def test_kubernetes_is_not_upgraded_in_the_first_run() -> None:
    document = edited(clustered(planes=3), at("kubernetes/version", "1.34.4"))
    after = edited(document, at("kubernetes/version", "1.35.4"))
    outcome = check_edit(before(document), recorded(after), SILENT)
    assert isinstance(outcome, Refused)
    [refusal] = outcome.refusals
    assert refusal.path == "kubernetes.version"
    assert refusal.remedy.startswith("Write kubernetes.version: 1.34.4, ")


def bare(document: Any) -> EarlierRelease:  # noqa: ANN401 - a document
    """What an earlier release left of a cluster that somebody else has built: machines alone."""
    return EarlierRelease(machines=before(document).machines)


def test_a_cluster_of_somebody_elses_is_accepted_as_it_was() -> None:
    document = existing_kubernetes()
    assert isinstance(check_edit(bare(document), recorded(document), SILENT), Accepted)


@pytest.mark.parametrize(
    ("edits", "rule"),
    [
        ((at("nodePools/workers/image", IMAGE),), "No machine changes"),
        ((at("nodePools/workers/instanceType", "ecs.g7.2xlarge"),), "No machine changes"),
        ((at("nodePools/workers/firstBlock", 65),), "No machine changes"),
        (
            (at("nodePools/workers/count", 1), at("kubernetes/nodeNames/workers-1", None)),
            "No node leaves",
        ),
    ],
    ids=["image", "type", "addresses", "a node less"],
)
def test_a_cluster_of_somebody_elses_keeps_its_machines_in_the_first_run(
    edits: tuple[Edit, ...], rule: str
) -> None:
    document = edited(
        existing_kubernetes(),
        at("nodePools/workers/count", 2),
        at("kubernetes/nodeNames/workers-1", "their-second-worker"),
    )
    outcome = check_edit(bare(document), recorded(edited(document, *edits)), SILENT)
    assert isinstance(outcome, Refused)
    assert {refusal.rule.partition(" in the first")[0] for refusal in outcome.refusals} == {rule}
