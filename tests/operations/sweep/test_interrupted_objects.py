"""What a recovery does about Kubernetes objects and releases whose creation was cut off."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.sweep.cluster import ClusterRecovery, has_work, plan_recovery
from operations.sweep.interrupted import Creation, Object, interrupted_creations, settled
from operations.sweep.releases import (
    PENDING,
    Adopt,
    NoWay,
    Revision,
    RollBack,
    Uninstall,
    release_step,
)
from operations.sweep.unrecorded_objects import unrecorded_creations

pytestmark = pytest.mark.unit

SERVICE = "kubernetes:core/v1:Service"
RELEASE = "kubernetes:helm.sh/v3:Release"
HIDDEN = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    "ciphertext": "v1:",
}


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:local::spiderpool-alicloud::{type_}::{name}"


def service_inputs(**metadata: object) -> dict[str, Any]:
    """Inputs of a Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default", **metadata},
        "spec": {"ports": [{"port": 80}]},
    }


def resource(type_: str, name: str, inputs: Object, **more: object) -> dict[str, Any]:
    return {"type": type_, "urn": urn(type_, name), "inputs": inputs, "custom": True, **more}


def cut_off(*pending: Object, resources: Sequence[Object] = ()) -> dict[str, Any]:
    """A state whose run was killed during these creations."""
    return {
        "resources": list(resources),
        "pending_operations": [{"type": "creating", "resource": item} for item in pending],
    }


def by(*managers: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A live Service that these managers have written."""
    fields = [{"manager": manager, "operation": "Update"} for manager in managers]
    metadata = {**more.pop("metadata", {}), "managedFields": fields}
    return {"kind": "Service", "metadata": metadata, **more}


@dataclass
class ListedCluster:
    """Has these objects and releases by title, and writes down what is done to them."""

    objects: Mapping[str, Object] = field(default_factory=dict)
    releases: Mapping[str, Sequence[Revision]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Name of a token's Secret → its end; those without an end are left out."""

    def live(self, creation: Creation) -> Object | None:
        return self.objects.get(creation.title)

    def history(self, release: Creation) -> Sequence[Revision]:
        return self.releases.get(release.identity, ())

    def roll_back(self, release: Creation, revision: int) -> None:
        self.changes.append(f"{release.identity} to {revision}")

    def uninstall(self, release: Creation) -> None:
        self.changes.append(f"{release.identity} away")

    def token_end(self, name: str) -> str | None:
        return self.tokens.get(name)

    def revoke_token(self, name: str) -> None:
        self.changes.append(f"{name} away")


def recovery_of(deployment: Object, cluster: ListedCluster) -> ClusterRecovery:
    ticks = itertools.count(step=10)
    return plan_recovery(
        deployment,
        cluster,
        field_manager=lambda: "pulumi-kubernetes-12345678",
        clock=lambda: float(next(ticks)),
        pause=lambda _: None,
    )


def texts(recovery: ClusterRecovery) -> list[str]:
    return [str(finding) for finding in recovery.findings]


def test_an_object_that_the_killed_run_created_is_taken_into_the_state() -> None:
    service = resource(
        SERVICE, "web", service_inputs(), parent="urn:parent", provider="urn:provider::id"
    )
    live = by("pulumi-kubernetes", "cloud-controller-manager", status={"loadBalancer": {}})
    state = cut_off(service, resources=[resource("pulumi:pulumi:Stack", "stack", {})])
    recovery = recovery_of(state, ListedCluster({"Service default/web": live}))
    assert texts(recovery) == ["Service default/web: taken into the state"]
    after = settled(state, recovery.resources)
    assert after["pending_operations"] == []
    assert [item["urn"] for item in after["resources"]] == [
        urn("pulumi:pulumi:Stack", "stack"),
        urn(SERVICE, "web"),
    ]
    adopted = after["resources"][1]
    assert (adopted["id"], adopted["parent"]) == ("default/web", "urn:parent")
    assert adopted["outputs"]["__inputs"] == service["inputs"]
    assert adopted["outputs"]["__initialApiVersion"] == "v1"
    assert adopted["outputs"]["__fieldManager"] == "pulumi-kubernetes-12345678"
    assert adopted["outputs"]["status"] == {"loadBalancer": {}}


def test_an_object_keeps_the_manager_that_has_applied_it_already() -> None:
    live = by("pulumi-kubernetes-0a0b0c0d")
    recovery = recovery_of(
        cut_off(resource(SERVICE, "web", service_inputs())),
        ListedCluster({"Service default/web": live}),
    )
    (adopted,) = recovery.resources
    assert adopted["outputs"]["__fieldManager"] == "pulumi-kubernetes-0a0b0c0d"


def test_no_live_value_but_the_status_comes_into_the_state() -> None:
    """The value may be one that the inputs have encrypted."""
    inputs = {**service_inputs(), "kind": "Secret", "stringData": HIDDEN}
    live = by("pulumi-kubernetes", data={"key": "c2VjcmV0"})
    recovery = recovery_of(
        cut_off(resource("kubernetes:core/v1:Secret", "web", inputs)),
        ListedCluster({"Secret default/web": live}),
    )
    (adopted,) = recovery.resources
    assert "c2VjcmV0" not in str(adopted)
    assert adopted["outputs"]["stringData"] == HIDDEN


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (by("kubectl-create"), "it was created by kubectl-create, and not by Pulumi"),
        (by(), "it was created by nobody that the API server recorded, and not by Pulumi"),
        (
            by("pulumi-kubernetes", metadata={"labels": {"app": "other"}}),
            "it does not have label app as this stack writes it",
        ),
        (
            by("pulumi-kubernetes", metadata={"deletionTimestamp": "2026-11-27T12:00:00Z"}),
            "it is being deleted",
        ),
    ],
)
def test_an_object_of_somebody_else_is_left_alone_and_named(live: Object, reason: str) -> None:
    state = cut_off(resource(SERVICE, "web", service_inputs(labels={"app": "web"})))
    recovery = recovery_of(state, ListedCluster({"Service default/web": live}))
    assert texts(recovery) == [f"Service default/web: left alone, because {reason}"]
    assert not recovery.findings[0].is_mended
    assert recovery.resources == ()


def test_a_creation_that_never_reached_the_api_server_is_only_forgotten() -> None:
    state = cut_off(resource(SERVICE, "web", service_inputs()))
    recovery = recovery_of(state, ListedCluster())
    assert recovery == ClusterRecovery()
    assert settled(state, recovery.resources) == {"resources": [], "pending_operations": []}


def test_patches_clouds_and_providers_are_no_objects() -> None:
    state = cut_off(
        resource("kubernetes:core/v1:NodePatch", "a", service_inputs()),
        resource("alicloud:vpc/network:Network", "b", {}),
        resource("pulumi:providers:kubernetes", "c", {}),
    )
    assert interrupted_creations(state) == ()
    assert not has_work(state)


def test_a_replacement_comes_in_the_place_of_what_it_replaces() -> None:
    before = resource(SERVICE, "web", service_inputs(), id="default/web", pendingReplacement=True)
    last = resource("pulumi:pulumi:Stack", "last", {})
    state = cut_off(resource(SERVICE, "web", service_inputs()), resources=[before, last])
    recovery = recovery_of(state, ListedCluster({"Service default/web": by("pulumi-kubernetes")}))
    after = settled(state, recovery.resources)
    assert [item["urn"] for item in after["resources"]] == [urn(SERVICE, "web"), last["urn"]]
    assert "pendingReplacement" not in after["resources"][0]


def test_nothing_is_adopted_while_the_state_has_its_predecessor() -> None:
    before = resource(SERVICE, "web", service_inputs(), id="default/old")
    state = cut_off(resource(SERVICE, "web", service_inputs()), resources=[before])
    recovery = recovery_of(state, ListedCluster({"Service default/web": by("pulumi-kubernetes")}))
    assert texts(recovery) == [
        "Service default/web: left alone, because the state has its predecessor still"
    ]


def release(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    inputs = {"name": "spiderpool", "namespace": "kube-system", "version": "1.2.2"}
    return resource(RELEASE, "guide", inputs, **more)


def revisions(*statuses: str, version: str = "1.2.2") -> tuple[Revision, ...]:
    return tuple(
        Revision(number=number, status=status, chart=f"spiderpool-{version}")
        for number, status in enumerate(statuses, start=1)
    )


def steps_of(*statuses: str, is_new: bool = False, version: str = "1.2.2") -> list[str]:
    """What is found and done about a release with this history, in words and in calls."""
    state = cut_off(release()) if is_new else {"resources": [release(id="kube-system/spiderpool")]}
    cluster = ListedCluster(
        releases={"kube-system/spiderpool": revisions(*statuses, version=version)}
    )
    recovery = recovery_of(state, cluster)
    for call in recovery.calls:
        call()
    return [*texts(recovery), *cluster.changes, *(item["id"] for item in recovery.resources)]


TITLE = "Release kube-system/spiderpool"


def test_an_upgrade_that_was_cut_off_is_rolled_back_to_the_deployed_revision() -> None:
    assert steps_of("superseded", "deployed", "pending-upgrade") == [
        f"{TITLE}: pending-upgrade, rolled back to revision 2 without hooks",
        "kube-system/spiderpool to 2",
    ]


def test_a_rollback_that_was_cut_off_is_done_again() -> None:
    """Helm marks what was deployed as superseded before the rollback is done."""
    assert steps_of("superseded", "failed", "pending-rollback") == [
        f"{TITLE}: pending-rollback, rolled back to revision 1 without hooks",
        "kube-system/spiderpool to 1",
    ]


def test_an_installation_that_was_cut_off_goes_without_hooks() -> None:
    words = [
        f"{TITLE}: pending-install, uninstalled without hooks; the next run installs it",
        "kube-system/spiderpool away",
    ]
    assert steps_of("pending-install", is_new=True) == words
    assert steps_of("pending-install") == words


def test_an_installation_that_ended_after_its_run_is_taken_into_the_state() -> None:
    assert steps_of("deployed", is_new=True) == [
        f"{TITLE}: deployed, taken into the state",
        "kube-system/spiderpool",
    ]


def test_an_adopted_release_has_no_inputs_that_the_official_plugin_could_not_read() -> None:
    state = cut_off(release())
    cluster = ListedCluster(releases={"kube-system/spiderpool": revisions("deployed")})
    (adopted,) = recovery_of(state, cluster).resources
    assert adopted["outputs"] == adopted["inputs"]
    assert "__inputs" not in adopted["outputs"]


def test_a_release_that_was_there_before_is_left_alone() -> None:
    (text,) = steps_of("deployed", is_new=True, version="1.0.0")
    assert "left alone, because it is revision 1 of spiderpool-1.0.0" in text
    (text,) = steps_of("superseded", "deployed", is_new=True)
    assert "left alone" in text


@pytest.mark.parametrize("own", ["bootstrap-token-abcdef", "bootstrap-token-other"])
def test_the_token_that_a_dead_run_wrote_is_revoked_and_no_other(own: str) -> None:
    cluster = ListedCluster(tokens={"bootstrap-token-abcdef": "2026-11-27T15:00:00Z"})
    recovery = plan_recovery({}, cluster, field_manager=str, token=own)
    for call in recovery.calls:
        call()
    is_own = own == "bootstrap-token-abcdef"
    assert cluster.changes == ([f"{own} away"] if is_own else [])
    assert len(texts(recovery)) == is_own


@pytest.mark.parametrize("status", ["deployed", "failed", "superseded", "uninstalling"])
def test_a_release_on_which_helm_goes_on_by_itself_is_not_touched(status: str) -> None:
    assert steps_of("superseded", status) == []


@given(
    statuses=st.lists(
        st.sampled_from(["deployed", "superseded", "failed", *sorted(PENDING)]), max_size=6
    ),
    is_new=st.booleans(),
)
def test_no_release_stays_pending_without_a_word(statuses: list[str], *, is_new: bool) -> None:
    history = revisions(*statuses)
    step = release_step(history, is_new=is_new, version="1.2.2")
    match step:
        case None:
            assert not history or history[-1].status not in PENDING
        case RollBack(revision=number):
            assert history[number - 1].status in {"deployed", "superseded"}
            assert number < history[-1].number
        case Uninstall():
            # Nothing that ever served goes away.
            assert not any(revision.status == "deployed" for revision in history)
        case Adopt():
            assert (is_new, len(history), history[-1].status) == (True, 1, "deployed")
        case NoWay(reason=reason):
            assert reason


@given(
    names=st.lists(st.sampled_from("abcdef"), unique=True),
    pending=st.lists(st.sampled_from("abcdef"), unique=True),
)
def test_settling_loses_no_resource_and_adds_none_twice(
    names: list[str], pending: list[str]
) -> None:
    state = cut_off(
        *(resource(SERVICE, name, service_inputs()) for name in pending),
        resources=[
            resource(SERVICE, name, service_inputs(), pendingReplacement=True) for name in names
        ],
    )
    before = copy.deepcopy(state)
    coming = [item["resource"] for item in state["pending_operations"]]
    after = [item["urn"] for item in settled(state, coming)["resources"]]
    assert sorted(after) == sorted({urn(SERVICE, name) for name in [*names, *pending]})
    assert state == before


PARENT = resource("spiderpool-alicloud:cluster:Cluster", "guide", {})
CLUSTER_PROVIDER = resource("pulumi:providers:kubernetes", "guide", {}, id="1")


def planned(**more: object) -> dict[str, Any]:
    """A Service that the next run would create, as a preview shows it."""
    inputs = service_inputs(labels={"app": "web"})
    places = {"parent": PARENT["urn"], "provider": f"{CLUSTER_PROVIDER['urn']}::1"}
    return resource(SERVICE, "guide-web", {**inputs, **more}, **places)


def created(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The same one in the cluster, with what the API server fills in."""
    spec = {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "10.0.0.1"}
    return by("pulumi-kubernetes", metadata={"labels": {"app": "web"}}, **{"spec": spec, **more})


def looked_ahead(live: Object, *steps: Object, state: Sequence[Object] = ()) -> ClusterRecovery:
    deployment = cut_off(resources=state or (PARENT, CLUSTER_PROVIDER))
    return plan_recovery(
        deployment,
        ListedCluster(objects={"Service default/web": live}),
        field_manager=lambda: "pulumi-kubernetes-12345678",
        unrecorded=unrecorded_creations(steps or (planned(),), deployment),
    )


def test_an_object_whose_creation_was_answered_by_an_error_is_taken_into_the_state() -> None:
    recovery = looked_ahead(created())
    assert texts(recovery) == ["Service default/web: created, taken into the state"]
    (taken,) = recovery.resources
    assert taken["id"] == "default/web"
    assert taken["parent"] == PARENT["urn"]
    assert taken["outputs"]["__inputs"] == planned()["inputs"]


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (by("kubectl-create", metadata={"labels": {"app": "web"}}), "created by kubectl-create"),
        (created(spec={"ports": [{"port": 81}]}), "its spec is not what this stack writes"),
        (created(spec={"ports": [{"port": 80}, {"port": 81}]}), "its spec is not what"),
    ],
    ids=["somebody-elses", "other-port", "more-ports"],
)
def test_an_object_that_is_not_what_the_program_asks_for_is_left_alone(
    live: Object, reason: str
) -> None:
    recovery = looked_ahead(live)
    assert reason in texts(recovery)[0]
    assert recovery.resources == ()


def test_an_object_with_a_secret_is_not_taken_from_a_preview() -> None:
    recovery = looked_ahead(created(), planned(data={"key": "[secret]"}))
    assert "which a preview does not show" in texts(recovery)[0]


def test_an_object_whose_parent_the_state_does_not_have_is_left_alone() -> None:
    recovery = looked_ahead(created(), state=(CLUSTER_PROVIDER,))
    assert "the state does not have guide yet" in texts(recovery)[0]


def test_an_object_that_is_not_in_the_cluster_is_left_to_the_next_run() -> None:
    deployment = cut_off(resources=(PARENT, CLUSTER_PROVIDER))
    recovery = plan_recovery(
        deployment,
        ListedCluster(),
        field_manager=lambda: "x",
        unrecorded=unrecorded_creations((planned(),), deployment),
    )
    assert texts(recovery) == []
