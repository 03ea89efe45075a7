"""This release on stacks that the release before the transitions deployed.

`earlier/` has their states and emulated clouds, recorded with that release's own program and local
cloud. Each test puts one into a cloud of its own: the first `up` does what the change log announces
under **Required action** and nothing else, and an edit in the same run is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.lifecycle.clouds.light_cloud import Edit, LightCloud, Step
from tests.engine.lifecycle.clouds.ready_server import ready_server
from tests.engine.lifecycle.earlier.recorded import read, restore

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

READS = ("Describe", "Get", "List")
IMAGE = "ubuntu_24_04_x64_20G_alibase_20270101.vhd"

Restored = Callable[[str], "contextlib.AbstractContextManager[LightCloud]"]

THREE_PLANES: list[Step] = [
    ("create", "AnnotationGuard", "zones"),
    *(("create", "MachineGeneration", f"zones-m-{n}") for n in range(3)),
    ("create", "Stash", "zones-creation-ends"),
    ("create", "Stash", "zones-first-identities"),
    ("create", "ValidatingAdmissionPolicy", "zones-annotations-ValidatingAdmissionPolicy"),
    (
        "create",
        "ValidatingAdmissionPolicyBinding",
        "zones-annotations-ValidatingAdmissionPolicyBinding",
    ),
    ("delete", "Ipv6Gateway", "zones"),
    ("delete", "SecurityGroupRule", "zones-api-load-balancer"),
    ("delete", "SecurityGroupRule", "zones-members"),
    *(("update", "MachineGeneration", f"zones-w-{n}") for n in range(2)),
    ("update", "kubernetes", "zones"),
]
"""A stack whose NAT gateway has a subnet of its own. The two rules were from the group itself and
from the addresses of load balancers; the IPv6 gateway was made for nobody. The policy keeps the
annotations of Nodes with administrators."""

ONE_PLANE: list[Step] = [
    ("create", "AnnotationGuard", "guide"),
    ("create", "MachineGeneration", "guide-master"),
    ("create", "Stash", "guide-creation-ends"),
    ("create", "Stash", "guide-first-identities"),
    ("create", "Switch", "guide-gateways-cn-hangzhou-i"),
    ("create", "ValidatingAdmissionPolicy", "guide-annotations-ValidatingAdmissionPolicy"),
    (
        "create",
        "ValidatingAdmissionPolicyBinding",
        "guide-annotations-ValidatingAdmissionPolicyBinding",
    ),
    ("delete", "Ipv6Gateway", "guide"),
    ("delete", "SecurityGroupRule", "guide-members"),
    ("update", "MachineGeneration", "guide-worker"),
    ("update", "kubernetes", "guide"),
]
"""A stack that leaves `network.nat.subnet` out: the vSwitch is added, and the gateway stays."""

EXISTING: list[Step] = [
    ("create", "Switch", "guide-gateways-cn-hangzhou-i"),
    ("delete", "Ipv6Gateway", "guide"),
    ("delete", "SecurityGroupRule", "guide-members"),
    ("delete", "SecurityGroupRule", "guide-services-tcp"),
    ("delete", "SecurityGroupRule", "guide-services-udp"),
]
"""Machines of a cluster that somebody else has built."""

CALLS = {
    "three-planes": ["DeleteIpv6Gateway", "RevokeSecurityGroup", "RevokeSecurityGroup"],
    "one-plane": [
        "CreateVSwitch",
        "DeleteIpv6Gateway",
        "RevokeSecurityGroup",
        "TagResources",
    ],
    "existing": [
        "CreateVSwitch",
        "DeleteIpv6Gateway",
        "RevokeSecurityGroup",
        "RevokeSecurityGroup",
        "RevokeSecurityGroup",
        "TagResources",
    ],
}
"""All that the first run asks the cloud to change."""


@pytest.fixture
def restored(tmp_path_factory: pytest.TempPathFactory) -> Restored:
    @contextlib.contextmanager
    def restoring(name: str) -> Iterator[LightCloud]:
        # A short path: the control socket below it has 108 bytes for its name.
        light = restore(tmp_path_factory.mktemp("er") / name, read(name))
        try:
            with ready_server(light):
                yield light
        finally:
            light.stop()
            light.cloud.kill_everything()

    return restoring


@pytest.mark.parametrize(
    ("name", "announced"),
    [("three-planes", THREE_PLANES), ("one-plane", ONE_PLANE), ("existing", EXISTING)],
)
def test_the_first_run_does_what_the_change_log_says_and_nothing_else(
    restored: Restored, name: str, announced: list[Step]
) -> None:
    with restored(name) as light:
        assert light.steps() == announced
        before, last = light.alive(), light.last_call()
        done = light.up()
        assert done.status == 0, light.cloud.explain(done)
        assert ": replaced" not in done.out
        changes = sorted(call["action"] for call in light.calls(after=last) if not reads(call))
        assert changes == CALLS[name]
        assert kept(light.alive(), before) == set(before) - {"Ipv6Gateway"}
        empty = light.pulumi("preview", "--expect-no-changes")
        assert empty.status == 0, empty.transcript


@pytest.mark.parametrize("name", ["three-planes", "one-plane"])
def test_no_machine_gets_the_permission_to_make_a_cluster(restored: Restored, name: str) -> None:
    with restored(name) as light:
        done = light.up()
        assert done.status == 0, light.cloud.explain(done)
        (ends,) = (
            resource
            for resource in light.state()["resources"]
            if resource["urn"].endswith("-creation-ends")
        )
        assert ends["outputs"]["output"] == 0


def gateways_as_they_are(cluster: dict[str, Any]) -> None:
    """The **Required action** of a stack that leaves these two keys out."""
    cluster["network"]["nat"] = {"subnet": "primary", "zone": "cn-hangzhou-i"}
    cluster["network"]["ipv6"] = {"gateway": True}


def test_a_stack_file_with_the_required_actions_keeps_both_gateways(restored: Restored) -> None:
    with restored("one-plane") as light:
        assert light.edited(gateways_as_they_are).steps() == [
            step for step in ONE_PLANE if step[1] not in {"Switch", "Ipv6Gateway"}
        ]


def another_image(cluster: dict[str, Any]) -> None:
    for pool in cluster["nodePools"].values():
        pool["image"] = IMAGE


def another_type_of_the_control_planes(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["masters"]["instanceType"] = "ecs.g7.2xlarge"


def control_planes_less(cluster: dict[str, Any]) -> None:
    nodes = cluster["nodePools"]["masters"]["nodes"]
    cluster["nodePools"]["masters"]["nodes"] = {"m-0": nodes["m-0"]}


def a_worker_less(cluster: dict[str, Any]) -> None:
    del cluster["nodePools"]["workers"]["nodes"]["w-1"]


REFUSED: dict[str, tuple[Edit, str]] = {
    "another image": (another_image, f"would become {IMAGE}"),
    "another type": (another_type_of_the_control_planes, "would become ecs.g7.2xlarge"),
    "control planes less": (control_planes_less, "No control plane comes or goes in the first run"),
    "a worker less": (a_worker_less, "No node leaves in the first run"),
}


def test_an_edit_in_the_first_run_is_refused_and_nothing_is_changed(restored: Restored) -> None:
    """One restored cloud for all: none of these runs may change it.

    Only this release's own, empty component gets into the state.
    """
    with restored("three-planes") as light:
        before, last = light.alive(), light.last_call()
        for name, (edit, reason) in REFUSED.items():
            edited = light.edited(edit)
            for done in (edited.pulumi("preview", "--refresh=false"), edited.up("--refresh=false")):
                assert done.status != 0, (name, done.transcript)
                assert reason in done.transcript, (name, done.transcript)
                assert "Traceback" not in done.transcript, (name, done.transcript)
        assert [call for call in light.calls(after=last) if not reads(call)] == []
        assert light.alive() == before
        component = ("create", "AnnotationGuard", "zones")
        assert light.steps() == [step for step in THREE_PLANES if step != component]


def test_a_cluster_of_somebody_elses_keeps_its_machines_in_the_first_run(
    restored: Restored,
) -> None:
    with restored("existing") as light:
        before, edited = light.alive(), light.edited(another_image)
        for done in (edited.pulumi("preview", "--refresh=false"), edited.up("--refresh=false")):
            assert done.status != 0, done.transcript
            assert f"would become {IMAGE}" in done.transcript, done.transcript
        assert light.alive() == before


def another_name(cluster: dict[str, Any]) -> None:
    cluster["name"] = "other"


def test_another_name_is_refused_and_every_resource_stays(restored: Restored) -> None:
    """Only the new name's own, empty components get into the state; the next run drops them."""
    with restored("three-planes") as light:
        before, renamed = light.alive(), light.edited(another_name)
        for done in (renamed.pulumi("preview"), renamed.up()):
            assert done.status != 0, done.transcript
            assert "Write name: zones" in done.transcript
        assert light.alive() == before
        dropped = [("delete", kind, "other") for kind in ("AnnotationGuard", "Cluster")]
        assert light.steps() == sorted([*THREE_PLANES, *dropped])


def reads(call: dict[str, Any]) -> bool:
    return str(call["action"]).startswith(READS)


def kept(after: dict[str, list[str]], before: dict[str, list[str]]) -> set[str]:
    """Kinds whose resources all still exist, with the same ids."""
    return {kind for kind, ids in before.items() if set(ids) <= set(after.get(kind, ()))}
