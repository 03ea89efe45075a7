"""The provider over real gRPC against the API server in memory."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from tests.toolchain.kubernetes_provider.engine_side import (
    Deployment,
    EngineSide,
    InitFailed,
    Refused,
    StateEntry,
)
from tests.toolchain.kubernetes_provider.servers.fake_api_server import (
    FakeApiServer,
    Fault,
    StatusError,
    kubeconfig_for,
    later,
)
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Secret,
    at,
    object_at,
    plain,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.toolchain.kubernetes_provider.servers.fake_api_server import Json

pytestmark = pytest.mark.unit

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"  # noqa: S105 - a type token
SERVICE = "kubernetes:core/v1:Service"
NODE_PATCH = "kubernetes:core/v1:NodePatch"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
POOL = "kubernetes:example.com/v1:Pool"

POOL_DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "pools.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"kind": "Pool", "plural": "pools"},
        "versions": [{"name": "v1", "served": True, "storage": True}],
    },
}


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as running:
        yield running


@pytest.fixture
def engine(server: FakeApiServer) -> Iterator[EngineSide]:
    with EngineSide() as side:
        side.configure({"kubeconfig": server.kubeconfig})
        yield side


@pytest.fixture
def pools(server: FakeApiServer) -> FakeApiServer:
    server.kinds["example.com/v1"] = [("pools", "Pool", False)]
    return server


def config_map(data: Object, *, name: str = "c", annotations: Object | None = None) -> Object:
    metadata: Object = {"name": name}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pool(spec: Object, *, annotations: Object | None = None) -> Object:
    metadata: Object = {"name": "p"}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "example.com/v1", "kind": "Pool", "metadata": metadata, "spec": spec}


POOL_PATH = "/apis/example.com/v1/pools/p"
MAP_PATH = "/api/v1/namespaces/default/configmaps/c"


def managers(live: Json) -> list[tuple[str, str]]:
    return [(entry["manager"], entry["operation"]) for entry in live["metadata"]["managedFields"]]


# -- the process


def test_the_provider_says_that_it_is_a_stand_in(engine: EngineSide) -> None:
    messages = engine.messages("INFO")
    assert len(messages) == 1
    assert "stand-in for pulumi-kubernetes 4.32.0" in messages[0]


def test_the_provider_keeps_secrets_marked(engine: EngineSide) -> None:
    assert engine.handshake().accept_secrets


def test_a_cluster_off_this_machine_is_refused_at_configure() -> None:
    with EngineSide() as side, pytest.raises(Refused, match="not on loopback"):
        side.configure({"kubeconfig": kubeconfig_for("https://203.0.113.1:6443")})


def test_functions_and_components_are_refused_in_words(engine: EngineSide) -> None:
    with pytest.raises(Refused, match=r"no resource kubernetes:helm\.sh/v4:Chart"):
        engine.create("kubernetes:helm.sh/v4:Chart", "c", {})


# -- inputs


def test_an_object_without_a_name_is_named_once_and_for_all(engine: EngineSide) -> None:
    nameless: Object = {"apiVersion": "v1", "kind": "ConfigMap"}
    first, _ = engine.check(CONFIG_MAP, "settings", nameless)
    name = text_at(first, "metadata", "name")
    assert name.startswith("settings-")
    assert object_at(first, "metadata", "annotations") == {"pulumi.com/autonamed": "true"}
    again, _ = engine.check(CONFIG_MAP, "settings", nameless, first)
    assert text_at(again, "metadata", "name") == name


def test_a_namespaced_object_goes_to_the_default_namespace(engine: EngineSide) -> None:
    checked, _ = engine.check(CONFIG_MAP, "c", config_map({}))
    assert text_at(checked, "metadata", "namespace") == "default"


@pytest.mark.usefixtures("pools")
def test_a_cluster_scoped_custom_kind_gets_no_namespace(engine: EngineSide) -> None:
    checked, _ = engine.check(POOL, "p", pool({}))
    assert "namespace" not in object_at(checked, "metadata")


def test_a_patch_resource_needs_a_name(engine: EngineSide) -> None:
    _, failures = engine.check(NODE_PATCH, "n", {"apiVersion": "v1", "kind": "Node"})
    assert [text.partition(": ")[0] for text in failures] == ["metadata.name"]


def test_the_data_of_a_secret_comes_back_marked(engine: EngineSide) -> None:
    inputs: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"token": "hush"},
    }
    checked, _ = engine.check(SECRET, "s", inputs)
    assert checked["data"] == Secret(value={"token": "aHVzaA=="})
    assert "stringData" not in checked


# -- previews


def test_a_preview_of_a_new_object_asks_the_server_and_keeps_nothing(
    server: FakeApiServer, engine: EngineSide
) -> None:
    entry = engine.create(CONFIG_MAP, "c", config_map({"a": "1"}), preview=True)
    assert entry.resource_id == ""
    assert at(entry.state, "metadata", "uid") is UNKNOWN
    assert server.objects == {}
    assert ("POST", {"fieldManager": "pulumi-kubernetes", "dryRun": "All"}) in [
        (method, query) for method, _, query in server.requests
    ]


@pytest.mark.usefixtures("server")
def test_what_a_dry_run_makes_up_is_unknown(engine: EngineSide) -> None:
    inputs: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"type": "ExternalName"},
    }
    entry = engine.create(SERVICE, "s", inputs, preview=True)
    assert at(entry.state, "spec", "clusterIP") is UNKNOWN
    assert entry.state["status"] is UNKNOWN


def refuse(_: Json) -> None:
    message = 'admission webhook "pool" denied the request: overlaps with another'
    raise StatusError(403, "Forbidden", message)


def test_a_webhooks_refusal_shows_in_the_preview(pools: FakeApiServer, engine: EngineSide) -> None:
    pools.admit = refuse
    with pytest.raises(Refused, match="overlaps with another"):
        engine.create(POOL, "p", pool({"ips": []}), preview=True)


def test_a_webhooks_refusal_of_a_change_shows_in_the_preview(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    entry = engine.create(POOL, "p", pool({"n": 1}))
    pools.admit = refuse
    with pytest.raises(Refused, match="overlaps with another"):
        engine.update(POOL, "p", entry, pool({"n": 2}), preview=True)


def test_a_preview_without_the_right_to_write_shows_the_inputs(
    server: FakeApiServer, engine: EngineSide
) -> None:
    server.faults = [Fault(status=403, message="user may not create", method="POST")]
    inputs = config_map({"a": "1"})
    assert engine.create(CONFIG_MAP, "c", inputs, preview=True).state == inputs


def test_a_preview_of_a_planned_kind_shows_the_inputs(
    engine: EngineSide,
) -> None:
    assert engine.create(POOL, "p", pool({"n": 1}), preview=True).state == pool({"n": 1})


def test_a_preview_into_a_planned_namespace_shows_the_inputs(
    engine: EngineSide,
) -> None:
    inputs = config_map({})
    inputs["metadata"] = {"name": "c", "namespace": "later"}
    assert engine.create(CONFIG_MAP, "c", inputs, preview=True).state == inputs


def test_a_preview_with_unknown_values_does_not_ask_the_server(
    server: FakeApiServer, engine: EngineSide
) -> None:
    inputs = config_map({"a": UNKNOWN})
    assert engine.create(CONFIG_MAP, "c", inputs, preview=True).state == inputs
    assert server.count("POST") == 0


def test_a_preview_of_an_update_changes_nothing(server: FakeApiServer, engine: EngineSide) -> None:
    entry = engine.create(CONFIG_MAP, "c", config_map({"a": "1"}))
    seen = engine.update(CONFIG_MAP, "c", entry, config_map({"a": "2"}), preview=True)
    assert at(seen.state, "data", "a") == "2"
    assert server.objects[MAP_PATH]["data"] == {"a": "1"}


# -- the life of an object


def test_an_unchanged_program_changes_nothing(pools: FakeApiServer, engine: EngineSide) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    assert [stack.up(pool({"n": 1})), stack.up(pool({"n": 1}))] == ["created", "same"]
    assert pools.objects[POOL_PATH]["spec"] == {"n": 1}


def test_a_change_is_applied_and_what_was_left_out_is_removed(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1, "old": True}))
    assert stack.up(pool({"n": 2})) == "updated"
    assert pools.objects[POOL_PATH]["spec"] == {"n": 2}


def test_the_first_update_takes_over_what_creation_and_kubectl_own(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    live = pools.objects[POOL_PATH]
    assert managers(live) == [("pulumi-kubernetes", "Update")]
    live["spec"]["edited"] = "by hand"
    live["metadata"]["managedFields"].append(
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:edited": {}}}}
    )
    stack.up(pool({"n": 2}))
    [(manager, operation)] = managers(pools.objects[POOL_PATH])
    assert manager.startswith("pulumi-kubernetes-")
    assert operation == "Apply"
    assert pools.objects[POOL_PATH]["spec"] == {"n": 2}


def test_drift_shows_after_a_refresh_and_is_put_right(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    pools.objects[POOL_PATH]["spec"].update({"n": 7, "defaulted": True})
    stack.refresh()
    assert stack.entry is not None
    assert stack.entry.inputs["spec"] == {"n": 7}
    assert stack.diff(pool({"n": 1})).kinds == {"spec.n": "UPDATE"}
    assert stack.up(pool({"n": 1})) == "updated"
    assert pools.objects[POOL_PATH]["spec"] == {"n": 1, "defaulted": True}


def test_an_object_that_is_gone_is_gone_after_a_refresh(
    server: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=CONFIG_MAP, name="c")
    stack.up(config_map({}))
    server.objects.clear()
    stack.refresh()
    assert stack.entry is None


def test_an_update_of_what_is_gone_names_the_way_out(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    pools.objects.clear()
    with pytest.raises(Refused, match="pulumi refresh"):
        stack.up(pool({"n": 2}))


def test_new_data_of_an_autonamed_config_map_replaces_it_create_first(
    server: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=CONFIG_MAP, name="c")
    nameless: Object = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    stack.up(nameless)
    diff = stack.diff({**nameless, "data": {"a": "2"}})
    assert (diff.replaces, diff.delete_before_replace) == (("data.a",), False)
    assert stack.up({**nameless, "data": {"a": "2"}}) == "replaced"
    assert [live["data"] for live in server.objects.values()] == [{"a": "2"}]


def test_new_data_of_a_named_config_map_replaces_it_delete_first(
    server: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=CONFIG_MAP, name="c")
    stack.up(config_map({"a": "1"}))
    diff = stack.diff(config_map({"a": "2"}))
    assert (diff.replaces, diff.delete_before_replace) == (("data.a",), True)
    stack.up(config_map({"a": "2"}))
    assert server.objects[MAP_PATH]["data"] == {"a": "2"}


def test_a_new_name_replaces_create_first(server: FakeApiServer, engine: EngineSide) -> None:
    stack = Deployment(engine=engine, token=CONFIG_MAP, name="c")
    stack.up(config_map({}))
    diff = stack.diff(config_map({}, name="other"))
    assert (diff.replaces, diff.delete_before_replace) == (("metadata.name",), False)
    stack.up(config_map({}, name="other"))
    assert list(server.objects) == ["/api/v1/namespaces/default/configmaps/other"]


def test_an_object_that_exists_already_is_not_taken_over(
    server: FakeApiServer, engine: EngineSide
) -> None:
    engine.create(CONFIG_MAP, "c", config_map({"a": "theirs"}))
    with pytest.raises(Refused, match=r"already exists.*pulumi import"):
        engine.create(CONFIG_MAP, "c", config_map({"a": "ours"}))
    assert server.objects[MAP_PATH]["data"] == {"a": "theirs"}


def test_with_upsert_an_existing_object_is_applied_onto(server: FakeApiServer) -> None:
    with EngineSide() as side:
        side.configure({"kubeconfig": server.kubeconfig, "upsertExistingObjects": "true"})
        side.create(CONFIG_MAP, "c", config_map({"a": "1"}))
        side.create(
            CONFIG_MAP, "c", config_map({"b": "2"}, annotations={"pulumi.com/patchForce": "true"})
        )
    assert server.objects[MAP_PATH]["data"] == {"a": "1", "b": "2"}


def test_an_import_reads_every_input(server: FakeApiServer, engine: EngineSide) -> None:
    engine.create(CONFIG_MAP, "c", config_map({"a": "1"}))
    entry = engine.read(CONFIG_MAP, "c", StateEntry(resource_id="default/c"))
    assert entry is not None
    assert entry.inputs == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "default"},
        "data": {"a": "1"},
    }
    checked, _ = engine.check(CONFIG_MAP, "c", config_map({"a": "1"}), entry.inputs)
    assert not engine.diff(CONFIG_MAP, "c", entry, checked).changed
    del server


def test_a_definition_is_replaced_in_place_and_its_kind_can_be_used_at_once(
    server: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=DEFINITION, name="d")
    stack.up(POOL_DEFINITION)
    engine.create(POOL, "p", pool({"n": 1}))
    metadata: Object = {"name": "pools.example.com", "labels": {"a": "b"}}
    wider: Object = {**POOL_DEFINITION, "metadata": metadata}
    assert stack.up(wider) == "updated"
    assert server.count("PUT") == 1
    assert POOL_PATH in server.objects


def test_a_custom_resource_waits_for_its_definition(
    server: FakeApiServer, engine: EngineSide
) -> None:
    def define() -> None:
        server.kinds["example.com/v1"] = [("pools", "Pool", False)]

    later(1.0, define)
    engine.create(POOL, "p", pool({"n": 1}))
    assert server.objects[POOL_PATH]["spec"] == {"n": 1}
    assert any("does not serve kind" in line for line in engine.statuses())


# -- secrets


def test_secrets_stay_secret_in_state(server: FakeApiServer, engine: EngineSide) -> None:
    inputs: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"token": "aHVzaA=="},
    }
    stack = Deployment(engine=engine, token=SECRET, name="s")
    stack.up(inputs)
    stack.refresh()
    assert stack.entry is not None
    for bag in (stack.entry.state, stack.entry.inputs, object_at(stack.entry.state, "__inputs")):
        assert bag["data"] == Secret(value={"token": "aHVzaA=="})
    assert server.objects["/api/v1/namespaces/default/secrets/s"]["data"] == {"token": "aHVzaA=="}


def test_a_secret_value_in_another_kind_is_secret_in_state_and_plain_in_the_cluster(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"key": Secret(value="hush"), "n": 1}))
    assert stack.entry is not None
    assert object_at(stack.entry.state, "spec") == {"key": Secret(value="hush"), "n": 1}
    assert pools.objects[POOL_PATH]["spec"] == {"key": "hush", "n": 1}
    assert stack.up(pool({"key": Secret(value="hush"), "n": 1})) == "same"


def test_an_error_never_quotes_a_secret(pools: FakeApiServer, engine: EngineSide) -> None:
    def quote(written: Json) -> None:
        raise StatusError(422, "Invalid", f"spec.key: invalid value {written['spec']['key']!r}")

    pools.admit = quote
    with pytest.raises(Refused) as refused:
        engine.create(POOL, "p", pool({"key": Secret(value="swordfish")}))
    assert "swordfish" not in str(refused.value)
    assert "[secret]" in str(refused.value)


# -- conflicts


def claim(pools: FakeApiServer, manager: str) -> None:
    live = pools.objects[POOL_PATH]
    live["spec"]["n"] = 9
    for entry in live["metadata"]["managedFields"]:
        entry["fieldsV1"]["f:spec"].pop("f:n", None)
    live["metadata"]["managedFields"].append(
        {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:n": {}}}}
    )


def settled_pool(engine: EngineSide) -> Deployment:
    """Return a pool after its first update, when it is applied under a name of its own."""
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    stack.up(pool({"n": 2}))
    return stack


def test_a_conflict_names_the_manager_and_the_field(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = settled_pool(engine)
    claim(pools, "cloud-controller-manager")
    with pytest.raises(InitFailed) as refused:
        stack.up(pool({"n": 3}))
    for part in ("cloud-controller-manager", ".spec.n", "pulumi.com/patchForce", "ignore_changes"):
        assert part in str(refused.value)
    assert pools.objects[POOL_PATH]["spec"] == {"n": 9}


def test_a_refused_update_leaves_the_live_object_and_the_refused_inputs_in_state(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = settled_pool(engine)
    claim(pools, "cloud-controller-manager")
    with pytest.raises(InitFailed) as refused:
        stack.up(pool({"n": 3}))
    assert refused.value.resource_id == "p"
    assert at(refused.value.state, "spec") == {"n": 9}
    assert at(refused.value.state, "__inputs", "spec") == {"n": 3}
    assert refused.value.reasons == (refused.value.message,)


def test_a_program_that_goes_back_after_a_refusal_still_sees_what_others_changed(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = settled_pool(engine)
    assert stack.entry is not None
    claim(pools, "cloud-controller-manager")
    with pytest.raises(InitFailed) as refused:
        stack.up(pool({"n": 3}))
    stack.entry = replace(stack.entry, state=refused.value.state)
    assert stack.diff(pool({"n": 2})).kinds == {"spec.n": "UPDATE"}


def test_patch_force_takes_the_field_over(pools: FakeApiServer, engine: EngineSide) -> None:
    stack = settled_pool(engine)
    claim(pools, "cloud-controller-manager")
    stack.up(pool({"n": 3}, annotations={"pulumi.com/patchForce": "true"}))
    assert pools.objects[POOL_PATH]["spec"] == {"n": 3}


def test_an_ignored_field_of_another_manager_is_left_alone(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = settled_pool(engine)
    claim(pools, "cloud-controller-manager")
    assert stack.entry is not None
    requested = pool({"n": 2}, annotations={"new": "note"})
    engine.update(POOL, "p", stack.entry, requested, ignored=["spec.n"])
    live = pools.objects[POOL_PATH]
    assert (live["spec"], live["metadata"]["annotations"]) == ({"n": 9}, {"new": "note"})


@pytest.mark.usefixtures("pools")
def test_ignore_changes_hides_a_difference(engine: EngineSide) -> None:
    stack = settled_pool(engine)
    assert stack.entry is not None
    diff = engine.diff(POOL, "p", stack.entry, pool({"n": 5}), ignored=["spec.n"])
    assert not diff.changed


# -- patch resources


def node_patch(provider_id: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "master"},
        "spec": {"providerID": provider_id},
    }


def test_a_node_patch_owns_its_field_and_gives_it_up(
    server: FakeApiServer, engine: EngineSide
) -> None:
    server.objects["/api/v1/nodes/master"] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "master",
            "uid": "u",
            "generation": 1,
            "resourceVersion": "1",
            "managedFields": [
                {"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:spec": {"f:x": {}}}}
            ],
        },
        "spec": {"x": 1},
    }
    stack = Deployment(engine=engine, token=NODE_PATCH, name="n")
    stack.up(node_patch("cn-hangzhou.i-1"))
    assert server.objects["/api/v1/nodes/master"]["spec"] == {
        "x": 1,
        "providerID": "cn-hangzhou.i-1",
    }
    assert stack.up(node_patch("cn-hangzhou.i-1")) == "same"
    stack.down()
    assert server.objects["/api/v1/nodes/master"]["spec"] == {"x": 1}


def test_giving_up_a_patch_of_a_node_that_is_gone_does_not_make_it_again(
    server: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=NODE_PATCH, name="n")
    stack.up(node_patch("cn-hangzhou.i-1"))
    server.objects.clear()
    stack.down()
    assert server.objects == {}


# -- waiting


def deployment_inputs(**annotations: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "annotations": dict(annotations)},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}},
    }


def roll_out(server: FakeApiServer) -> None:
    live = server.objects["/apis/apps/v1/namespaces/default/deployments/d"]
    live["status"] = {
        "observedGeneration": live["metadata"]["generation"],
        "updatedReplicas": 1,
        "availableReplicas": 1,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            {"type": "Available", "status": "True"},
        ],
    }


def test_a_deployment_is_created_when_it_has_rolled_out(
    server: FakeApiServer, engine: EngineSide
) -> None:
    later(0.5, lambda: roll_out(server))
    entry = engine.create(DEPLOYMENT, "d", deployment_inputs())
    assert at(entry.state, "status", "availableReplicas") == 1


def test_a_wait_repeats_no_status_line(server: FakeApiServer, engine: EngineSide) -> None:
    later(0.8, lambda: roll_out(server))
    engine.create(DEPLOYMENT, "d", deployment_inputs())
    assert [line for line in engine.statuses() if line] == [
        "Waiting for Deployment default/d: its controller has not processed the latest change yet."
    ]


def test_a_deployment_that_does_not_come_up_stays_in_state_with_the_reason(
    server: FakeApiServer, engine: EngineSide
) -> None:
    server.objects["/api/v1/namespaces/default/pods/d-1"] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "d-1"},
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
            ],
        },
    }
    with pytest.raises(InitFailed) as failed:
        engine.create(DEPLOYMENT, "d", deployment_inputs(), timeout=1)
    assert failed.value.resource_id == "default/d"
    assert text_at(failed.value.state, "metadata", "name") == "d"
    assert failed.value.reasons == (
        failed.value.message,
        "Pod d-1 is not ready: 0/2 nodes are available.",
    )
    assert failed.value.message.startswith("Deployment default/d is not ready after 1 s: ")


@pytest.mark.usefixtures("server")
def test_the_annotation_sets_the_timeout(engine: EngineSide) -> None:
    started = time.monotonic()
    with pytest.raises(InitFailed, match="after 1 s"):
        engine.create(DEPLOYMENT, "d", deployment_inputs(**{"pulumi.com/timeoutSeconds": "1"}))
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("server")
def test_skip_await_does_not_wait(engine: EngineSide) -> None:
    entry = engine.create(DEPLOYMENT, "d", deployment_inputs(**{"pulumi.com/skipAwait": "true"}))
    assert entry.resource_id == "default/d"


def test_a_refresh_tells_that_a_deployment_is_not_ready(
    server: FakeApiServer, engine: EngineSide
) -> None:
    later(0.3, lambda: roll_out(server))
    stack = Deployment(engine=engine, token=DEPLOYMENT, name="d")
    stack.up(deployment_inputs())
    server.objects["/apis/apps/v1/namespaces/default/deployments/d"]["status"][
        "availableReplicas"
    ] = 0
    server.objects["/api/v1/namespaces/default/pods/d-1"] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "d-1"},
        "status": {"phase": "Pending"},
    }
    with pytest.raises(InitFailed, match="0 of 1 replicas") as unready:
        stack.refresh()
    assert unready.value.reasons == (
        unready.value.message,
        "Pod d-1 is not ready: its phase is Pending.",
    )


@pytest.mark.usefixtures("server")
def test_cancelling_keeps_created_objects_in_state(engine: EngineSide) -> None:
    threading.Timer(0.5, engine.cancel).start()
    with pytest.raises(InitFailed, match="cancelled") as failed:
        engine.create(DEPLOYMENT, "d", deployment_inputs())
    assert failed.value.resource_id == "default/d"


# -- deleting


def test_a_deletion_waits_for_finalizers(pools: FakeApiServer, engine: EngineSide) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    pools.objects[POOL_PATH]["metadata"]["finalizers"] = ["example.com/addresses"]
    later(0.6, pools.objects.clear)
    started = time.monotonic()
    stack.down()
    assert time.monotonic() - started >= 0.5
    assert any("example.com/addresses" in line for line in engine.statuses())


def test_a_deletion_that_hangs_names_the_finalizers(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    pools.objects[POOL_PATH]["metadata"]["finalizers"] = ["example.com/addresses"]
    with pytest.raises(Refused) as refused:
        stack.down(timeout=1)
    for part in ("Pool p", "after the request to delete it", "example.com/addresses", "controller"):
        assert part in str(refused.value)


def test_a_namesake_created_after_the_deletion_is_not_waited_for(
    pools: FakeApiServer, engine: EngineSide
) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    live = pools.objects[POOL_PATH]
    live["metadata"]["finalizers"] = ["example.com/addresses"]

    def recreate() -> None:
        pools.objects[POOL_PATH] = {**live, "metadata": {"name": "p", "uid": "another"}}

    later(0.5, recreate)
    stack.down(timeout=5)


def test_what_is_gone_already_is_deleted(server: FakeApiServer, engine: EngineSide) -> None:
    stack = Deployment(engine=engine, token=CONFIG_MAP, name="c")
    stack.up(config_map({}))
    server.objects.clear()
    stack.down()


def test_an_object_whose_kind_is_gone_is_deleted(pools: FakeApiServer, engine: EngineSide) -> None:
    stack = Deployment(engine=engine, token=POOL, name="p")
    stack.up(pool({"n": 1}))
    with EngineSide() as fresh:
        fresh.configure({"kubeconfig": pools.kubeconfig})
        del pools.kinds["example.com/v1"]
        assert stack.entry is not None
        fresh.delete(POOL, "p", stack.entry)


# -- a server that comes and goes


def test_a_restarting_api_server_is_waited_for(server: FakeApiServer, engine: EngineSide) -> None:
    server.faults = [Fault(status=503, message="starting", times=2)]
    engine.create(CONFIG_MAP, "c", config_map({"a": "1"}))
    assert server.objects[MAP_PATH]["data"] == {"a": "1"}


@pytest.mark.parametrize("breaks", ["before", "after"])
def test_a_connection_that_breaks_during_a_creation_loses_nothing(
    server: FakeApiServer, engine: EngineSide, breaks: Literal["before", "after"]
) -> None:
    server.faults = [Fault(status=0, message="", method="POST", breaks=breaks)]
    entry = engine.create(CONFIG_MAP, "c", config_map({"a": "1"}))
    assert entry.resource_id == "default/c"
    assert server.objects[MAP_PATH]["data"] == {"a": "1"}


def test_a_change_of_etcd_leaders_is_waited_for(server: FakeApiServer, engine: EngineSide) -> None:
    server.faults = [Fault(status=500, message="etcdserver: leader changed", method="POST")]
    engine.create(CONFIG_MAP, "c", config_map({"a": "1"}))
    assert server.count("POST") == 2


def test_a_webhook_that_does_not_answer_is_not_tried_again(
    server: FakeApiServer, engine: EngineSide
) -> None:
    server.faults = [Fault(status=500, message="failed calling webhook", method="POST", times=9)]
    with pytest.raises(Refused, match="failed calling webhook"):
        engine.create(CONFIG_MAP, "c", config_map({}))
    assert server.count("POST") == 1


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def unreachable() -> str:
    return kubeconfig_for(f"http://127.0.0.1:{closed_port()}")


@pytest.fixture
def lost(
    server: FakeApiServer,  # noqa: ARG001 - it must run while the object is created
    engine: EngineSide,
) -> StateEntry:
    """Return the state of an object whose cluster will not answer any more."""
    return engine.create(CONFIG_MAP, "c", config_map({"a": "1"}))


def test_without_a_cluster_previews_pass_with_a_warning(unreachable: str, lost: StateEntry) -> None:
    with EngineSide() as side:
        side.configure({"kubeconfig": unreachable})
        checked, failures = side.check(CONFIG_MAP, "c", config_map({"a": "2"}), lost.inputs)
        assert not failures
        assert side.diff(CONFIG_MAP, "c", lost, checked).kinds == {"data.a": "UPDATE_REPLACE"}
        assert side.create(CONFIG_MAP, "n", checked, preview=True).state == checked
        assert "unreachable" in side.messages("WARNING")[0]


def test_without_a_cluster_an_update_fails_and_says_why(unreachable: str) -> None:
    with EngineSide() as side:
        side.configure({"kubeconfig": unreachable})
        with pytest.raises(Refused, match=r"unreachable.*does not answer"):
            side.create(CONFIG_MAP, "c", config_map({}))


def test_without_a_cluster_a_refresh_names_the_switch(unreachable: str, lost: StateEntry) -> None:
    with EngineSide() as side:
        side.configure({"kubeconfig": unreachable})
        with pytest.raises(Refused, match="PULUMI_K8S_DELETE_UNREACHABLE"):
            side.read(CONFIG_MAP, "c", lost)
        with pytest.raises(Refused, match="PULUMI_K8S_DELETE_UNREACHABLE"):
            side.delete(CONFIG_MAP, "c", lost)


def test_with_delete_unreachable_objects_are_dropped_from_state(
    unreachable: str, lost: StateEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    with EngineSide() as side:
        side.configure({"kubeconfig": unreachable})
        assert side.read(CONFIG_MAP, "c", lost) is None
        side.delete(CONFIG_MAP, "c", lost)


def test_with_skip_update_unreachable_the_old_inputs_stay(
    unreachable: str, lost: StateEntry
) -> None:
    with EngineSide() as side:
        side.configure({"kubeconfig": unreachable, "skipUpdateUnreachable": "true"})
        checked, _ = side.check(CONFIG_MAP, "c", config_map({"a": "2"}), lost.inputs)
        assert plain(checked) == lost.inputs
        assert side.read(CONFIG_MAP, "c", lost) == lost


def test_wrong_credentials_make_the_cluster_unreachable(server: FakeApiServer) -> None:
    server.faults = []
    with EngineSide() as side:
        side.configure({"kubeconfig": "{}"})
        with pytest.raises(Refused, match="neither the path"):
            side.create(CONFIG_MAP, "c", config_map({}))
