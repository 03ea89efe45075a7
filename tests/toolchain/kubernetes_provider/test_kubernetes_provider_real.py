"""The provider against etcd, kube-apiserver, kube-controller-manager and helm as they are."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.patience import end_of_wait
from tests.toolchain.kubernetes_provider.engine_side import (
    Deployment,
    EngineSide,
    InitFailed,
    Refused,
    StateEntry,
)
from tests.toolchain.kubernetes_provider.servers.fake_api_server import later
from tests.toolchain.kubernetes_provider.servers.real_cluster import RealCluster, find_binary
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Secret,
    at,
    object_at,
    text_at,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NAMESPACE = "kubernetes:core/v1:Namespace"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"  # noqa: S105 - a type token
NODE_PATCH = "kubernetes:core/v1:NodePatch"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
RELEASE = "kubernetes:helm.sh/v3:Release"

_numbers = itertools.count(1)

CONTAINER: Object = {
    "name": "agent",
    "image": "example.invalid/agent:1",
    "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "ports": [{"containerPort": 8080}],
    "resources": {
        "limits": {"cpu": "1000m", "memory": "1024Mi"},
        "requests": {"cpu": 0.5, "memory": "100Mi"},
    },
    "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN"]}},
    "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": False}],
}
TEMPLATE: Object = {
    "metadata": {"labels": {"app": "agent"}, "annotations": {}},
    "spec": {
        "hostNetwork": True,
        "hostPID": False,
        "containers": [CONTAINER],
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
    },
}
SELECTOR: Object = {"matchLabels": {"app": "agent"}}

# (kind, apiVersion, namespaced, the rest): what the program declares, written as people do.
DECLARED: list[tuple[str, str, bool, Object]] = [
    ("ServiceAccount", "v1", True, {"automountServiceAccountToken": False}),
    ("ConfigMap", "v1", True, {"data": {"a": "1"}}),
    ("Secret", "v1", True, {"stringData": {"token": "hush"}, "type": "Opaque"}),
    (
        "Service",
        "v1",
        True,
        {"spec": {"ports": [{"port": 80, "targetPort": "web", "protocol": "TCP"}]}},
    ),
    (
        "Deployment",
        "apps/v1",
        True,
        {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE}},
    ),
    ("DaemonSet", "apps/v1", True, {"spec": {"selector": SELECTOR, "template": TEMPLATE}}),
    (
        "ClusterRole",
        "rbac.authorization.k8s.io/v1",
        False,
        {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]},
    ),
    (
        "ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1",
        False,
        {
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "view",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "default"}],
        },
    ),
    (
        "Role",
        "rbac.authorization.k8s.io/v1",
        True,
        {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]},
    ),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        True,
        {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}],
        },
    ),
    (
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        False,
        {
            "webhooks": [
                {
                    "name": "pools.example.com",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Fail",
                    "clientConfig": {"service": {"name": "s", "namespace": "d", "path": "/p"}},
                    "rules": [
                        {
                            "apiGroups": ["nothing.example.com"],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["pools"],
                        }
                    ],
                }
            ]
        },
    ),
]


def fresh_name() -> str:
    return f"t{next(_numbers)}"


def declared(
    api_version: str, kind: str, name: str, rest: Object, *, namespace: str = ""
) -> Object:
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def config_map(name: str, data: Object) -> Object:
    return declared("v1", "ConfigMap", name, {"data": data}, namespace="default")


def stack_of(engine: EngineSide, inputs: Object) -> Deployment:
    version, kind = text_at(inputs, "apiVersion"), text_at(inputs, "kind")
    group = version if "/" in version else f"core/{version}"
    return Deployment(
        engine=engine, token=f"kubernetes:{group}:{kind}", name=text_at(inputs, "metadata", "name")
    )


@pytest.mark.parametrize(
    ("kind", "api_version", "namespaced", "rest"), DECLARED, ids=[entry[0] for entry in DECLARED]
)
def test_a_new_object_shows_no_difference(
    real: EngineSide, kind: str, api_version: str, *, namespaced: bool, rest: Object
) -> None:
    namespace = "default" if namespaced else ""
    inputs = declared(api_version, kind, fresh_name(), rest, namespace=namespace)
    stack = stack_of(real, inputs)
    preview = real.create(stack.token, "p", real.check(stack.token, "p", inputs)[0], preview=True)
    assert at(preview.state, "metadata", "uid") is UNKNOWN
    assert stack.up(inputs) == "created"
    assert stack.diff(inputs).kinds == {}
    stack.refresh()
    assert stack.diff(inputs).kinds == {}
    # The first update moves ownership; after it there is still nothing to do.
    labels: Object = {"a": "b"}
    labelled: Object = {**inputs, "metadata": {**object_at(inputs, "metadata"), "labels": labels}}
    assert stack.up(labelled) == "updated"
    stack.refresh()
    assert stack.diff(labelled).kinds == {}
    stack.down()


def test_an_update_removes_what_the_program_left_out(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    inputs = declared("rbac.authorization.k8s.io/v1", "ClusterRole", name, {})
    rule: Object = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    stack = stack_of(real, inputs)
    stack.up({**inputs, "rules": [rule], "metadata": {"name": name, "labels": {"a": "b"}}})
    stack.up({**inputs, "rules": [rule]})
    live = json.loads(cluster.kubectl("get", "clusterrole", name, "-o", "json"))
    assert "labels" not in live["metadata"]


def test_a_secret_is_plain_in_the_cluster_and_secret_in_state(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    inputs = declared("v1", "Secret", name, {"stringData": {"token": Secret(value="hush-hush")}})
    stack = stack_of(real, inputs)
    stack.up(inputs)
    assert stack.entry is not None
    assert isinstance(stack.entry.state["data"], Secret)
    live = json.loads(cluster.kubectl("get", "secret", name, "-o", "json"))
    assert live["data"] == {"token": "aHVzaC1odXNo"}


def test_a_namespace_is_gone_when_its_deletion_returns(
    cluster: RealCluster, real: EngineSide
) -> None:
    inputs = declared("v1", "Namespace", fresh_name(), {})
    stack = stack_of(real, inputs)
    stack.up(inputs)
    stack.down()
    assert text_at(inputs, "metadata", "name") not in cluster.kubectl("get", "ns", "-o", "name")


def definition(plural: str, kind: str) -> Object:
    schema: Object = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "ips": {"type": "array", "items": {"type": "string"}},
                    "size": {"type": "integer", "maximum": 50},
                },
            }
        },
    }
    return declared(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"{plural}.example.com",
        {
            "spec": {
                "group": "example.com",
                "scope": "Cluster",
                "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                    }
                ],
            }
        },
    )


@pytest.fixture(scope="module")
def pools(cluster: RealCluster) -> None:
    cluster.kubectl("apply", "-f", "-", standard_input=json.dumps(definition("pools", "Pool")))
    cluster.kubectl("wait", "--for=condition=Established", "crd/pools.example.com")


def pool(spec: Object, name: str) -> Object:
    return declared("example.com/v1", "Pool", name, {"spec": spec})


def test_a_kind_can_be_used_right_after_its_definition(real: EngineSide) -> None:
    kind = stack_of(real, definition("tanks", "Tank"))
    kind.up(definition("tanks", "Tank"))
    inputs = declared("example.com/v1", "Tank", fresh_name(), {"spec": {"size": 5}})
    tank = stack_of(real, inputs)
    tank.up(inputs)
    assert tank.diff(inputs).kinds == {}
    kind.down()
    tank.refresh()
    assert tank.entry is None


@pytest.mark.usefixtures("pools")
def test_what_the_api_server_refuses_shows_in_the_preview(real: EngineSide) -> None:
    inputs = pool({"size": 77}, fresh_name())
    with pytest.raises(Refused, match=r"spec\.size.*less than or equal to 50"):
        real.create("kubernetes:example.com/v1:Pool", "p", inputs, preview=True)


@pytest.mark.usefixtures("pools")
def test_what_an_admission_policy_refuses_shows_in_the_preview(
    cluster: RealCluster, real: EngineSide
) -> None:
    policy: Any = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "sizes"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["example.com"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["pools"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": "object.spec.size != 13",
                    "message": "13 is taken",
                    "reason": "Forbidden",
                }
            ],
        },
    }
    binding: Any = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "sizes"},
        "spec": {"policyName": "sizes", "validationActions": ["Deny"]},
    }
    for document in (policy, binding):
        cluster.kubectl("apply", "-f", "-", standard_input=json.dumps(document))
    inputs = pool({"size": 13}, fresh_name())
    end = end_of_wait(30)
    while time.monotonic() < end:
        try:
            real.create("kubernetes:example.com/v1:Pool", "p", inputs, preview=True)
        except Refused as refused:
            assert "13 is taken" in str(refused)  # noqa: PT017 - policies take a moment to act
            break
        time.sleep(0.2)
    else:
        pytest.fail("the policy never refused the preview")


@pytest.mark.usefixtures("pools")
def test_another_managers_field_is_a_conflict_until_it_is_forced(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    stack = stack_of(real, pool({}, name))
    stack.up(pool({"size": 1}, name))
    stack.up(pool({"size": 2}, name))
    patch = '{"spec":{"size":9}}'
    cluster.kubectl(
        "patch", "pool", name, "--type=merge", "-p", patch, "--field-manager=some-controller"
    )
    with pytest.raises(InitFailed) as refused:
        stack.up(pool({"size": 3}, name))
    for part in ("some-controller", ".spec.size", "pulumi.com/patchForce"):
        assert part in str(refused.value)
    forced = pool({"size": 3}, name)
    forced["metadata"] = {"name": name, "annotations": {"pulumi.com/patchForce": "true"}}
    stack.up(forced)
    live = json.loads(cluster.kubectl("get", "pool", name, "-o", "json"))
    assert live["spec"] == {"size": 3}


@pytest.mark.usefixtures("pools")
def test_an_edit_by_kubectl_is_drift_that_the_next_update_puts_right(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    requested = pool({"size": 1, "ips": ["10.0.0.1"]}, name)
    stack = stack_of(real, requested)
    stack.up(requested)
    cluster.kubectl("patch", "pool", name, "--type=merge", "-p", '{"spec":{"size":9}}')
    stack.refresh()
    assert stack.diff(requested).kinds == {"spec.size": "UPDATE"}
    stack.up(requested)
    live = json.loads(cluster.kubectl("get", "pool", name, "-o", "json", "--show-managed-fields"))
    assert live["spec"] == {"size": 1, "ips": ["10.0.0.1"]}
    assert [entry["operation"] for entry in live["metadata"]["managedFields"]] == ["Apply"]


@pytest.mark.usefixtures("pools")
def test_an_ignored_field_of_another_manager_is_left_alone(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    stack = stack_of(real, pool({}, name))
    stack.up(pool({"size": 1}, name))
    stack.up(pool({"size": 2}, name))
    patch = '{"spec":{"size":9}}'
    cluster.kubectl(
        "patch", "pool", name, "--type=merge", "-p", patch, "--field-manager=some-controller"
    )
    requested = pool({"size": 2, "ips": ["10.0.0.1"]}, name)
    assert stack.entry is not None
    real.update(stack.token, name, stack.entry, requested, ignored=["spec.size"])
    live = json.loads(cluster.kubectl("get", "pool", name, "-o", "json"))
    assert live["spec"] == {"size": 9, "ips": ["10.0.0.1"]}


@pytest.mark.usefixtures("pools")
def test_a_finalizer_holds_the_deletion_until_it_is_taken_off(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    inputs = pool({"size": 1}, name)
    inputs["metadata"] = {"name": name, "finalizers": ["example.com/addresses"]}
    stack = stack_of(real, inputs)
    stack.up(inputs)
    with pytest.raises(Refused, match=r"finalizers example\.com/addresses"):
        stack.down(timeout=1)
    free = '{"metadata":{"finalizers":null}}'

    def set_free() -> None:
        cluster.kubectl("patch", "pool", name, "--type=merge", "-p", free)

    later(1.0, set_free)
    stack.down(timeout=20)
    assert name not in cluster.kubectl("get", "pools", "-o", "name")


def test_a_deployment_without_nodes_fails_with_what_its_pods_say(real: EngineSide) -> None:
    name = fresh_name()
    inputs = declared(
        "apps/v1",
        "Deployment",
        name,
        {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
        namespace="default",
    )
    checked, _ = real.check(DEPLOYMENT, name, inputs)
    with pytest.raises(InitFailed, match="0 of 1 replicas") as failed:
        real.create(DEPLOYMENT, name, checked, timeout=4)
    assert failed.value.resource_id == f"default/{name}"
    assert any(reason.startswith(f"Pod {name}-") for reason in failed.value.reasons)
    entry = StateEntry(
        resource_id=failed.value.resource_id, state=failed.value.state, inputs=checked
    )
    real.delete(DEPLOYMENT, name, entry)


def test_a_node_patch_sets_the_provider_id_and_gives_it_up(
    cluster: RealCluster, real: EngineSide
) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}, "spec": {}}
    cluster.kubectl("create", "-f", "-", standard_input=json.dumps(node))
    inputs = declared("v1", "Node", "worker", {"metadata": {"name": "worker"}})
    inputs["metadata"] = {"name": "worker", "labels": {"example.com/by": "patch"}}
    stack = Deployment(engine=real, token=NODE_PATCH, name="worker")
    stack.up(inputs)
    assert stack.up(inputs) == "same"
    live = json.loads(cluster.kubectl("get", "node", "worker", "-o", "json"))
    assert live["metadata"]["labels"]["example.com/by"] == "patch"
    stack.down()
    live = json.loads(cluster.kubectl("get", "node", "worker", "-o", "json"))
    assert "example.com/by" not in live["metadata"].get("labels", {})


def test_an_object_of_somebody_else_is_imported_without_a_difference(
    cluster: RealCluster, real: EngineSide
) -> None:
    name = fresh_name()
    cluster.kubectl("create", "configmap", name, "--from-literal=a=1")
    entry = real.read(CONFIG_MAP, name, StateEntry(resource_id=f"default/{name}"))
    assert entry is not None
    checked, _ = real.check(CONFIG_MAP, name, config_map(name, {"a": "1"}), entry.inputs)
    assert not real.diff(CONFIG_MAP, name, entry, checked).changed


def test_a_restart_of_the_api_server_is_waited_for(
    real: EngineSide, restarted: threading.Thread
) -> None:
    name = fresh_name()
    stack = stack_of(real, config_map(name, {}))
    assert stack.up(config_map(name, {"a": "1"})) == "created"
    assert restarted.ident is not None


# -- releases


@pytest.fixture
def helm_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = find_binary("helm")
    assert binary is not None
    monkeypatch.setenv("PATH", f"{binary.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HELM_CACHE_HOME", str(tmp_path / "helm"))


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("greeting: hello\nreplicas: 0\nkey: ''\nunset: me\n")
    (folder / "templates" / "all.yaml").write_text(
        """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
  unset: {{ .Values.unset | default "nothing" | quote }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  key: {{ .Values.key | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: demo}}
  template:
    metadata: {labels: {app: demo}}
    spec: {containers: [{name: c, image: example.invalid/x}]}
""",
        encoding="utf-8",
    )
    return folder


def release(chart: Path, name: str, values: Object, **options: bool | float) -> Object:
    return {
        "chart": str(chart),
        "name": name,
        "namespace": "default",
        "values": values,
        "timeout": 20,
        **options,
    }


def greeting(cluster: RealCluster, name: str) -> str:
    return cluster.kubectl("get", "configmap", name, "-o", "jsonpath={.data.greeting}")


@pytest.mark.usefixtures("helm_on_path")
def test_a_release_lives_its_life(cluster: RealCluster, real: EngineSide, chart: Path) -> None:
    name = fresh_name()
    stack = Deployment(engine=real, token=RELEASE, name=name)
    first = release(
        chart, name, {"greeting": "hi", "key": Secret(value="s3cret-key"), "unset": None}
    )
    assert stack.up(first) == "created"
    assert stack.up(first) == "same"
    stack.refresh()
    assert stack.diff(first).kinds == {}
    assert stack.entry is not None
    assert at(stack.entry.state, "resourceNames") == {
        "ConfigMap/v1": [name],
        "Deployment.apps/apps/v1": [name],
        "Secret/v1": [name],
    }
    assert object_at(stack.entry.state, "values")["key"] == Secret(value="s3cret-key")
    data = json.loads(cluster.kubectl("get", "configmap", name, "-o", "json"))["data"]
    assert data == {"greeting": "hi", "unset": "nothing"}
    second = release(chart, name, {"greeting": "moin"})
    assert stack.diff(second).kinds == {
        "values.greeting": "UPDATE",
        "values.key": "DELETE",
        "values.unset": "DELETE",
    }
    assert stack.up(second) == "updated"
    assert greeting(cluster, name) == "moin"
    assert at(stack.entry.state, "status", "revision") == 2
    stack.down()
    assert name not in cluster.kubectl("get", "configmaps", "-o", "name")


@pytest.mark.usefixtures("helm_on_path")
def test_a_release_that_was_uninstalled_by_hand_is_deleted(
    cluster: RealCluster, real: EngineSide, chart: Path
) -> None:
    name = fresh_name()
    stack = Deployment(engine=real, token=RELEASE, name=name)
    stack.up(release(chart, name, {"greeting": "hi"}))
    cluster.kubectl("delete", "secret", "-l", f"owner=helm,name={name}")
    stack.down()
    assert stack.entry is None


@pytest.mark.usefixtures("helm_on_path")
def test_an_atomic_upgrade_that_fails_is_rolled_back(
    cluster: RealCluster, real: EngineSide, chart: Path
) -> None:
    name = fresh_name()
    stack = Deployment(engine=real, token=RELEASE, name=name)
    stack.up(release(chart, name, {"greeting": "hi"}, atomic=True))
    failing = release(chart, name, {"greeting": "no", "replicas": 1}, atomic=True, timeout=3)
    with pytest.raises(InitFailed, match="rolled it back to revision 3") as failed:
        stack.up(failing)
    assert greeting(cluster, name) == "hi"
    assert object_at(failed.value.state, "values") == {"greeting": "hi"}
    checked, _ = real.check(RELEASE, name, failing)
    left = StateEntry(resource_id=f"default/{name}", state=failed.value.state, inputs=checked)
    stack.entry = real.read(RELEASE, name, left)
    assert stack.diff(failing).kinds == {"values.greeting": "UPDATE", "values.replicas": "ADD"}
    stack.down()


@pytest.mark.usefixtures("helm_on_path")
def test_an_atomic_install_that_fails_leaves_nothing(
    cluster: RealCluster, real: EngineSide, chart: Path
) -> None:
    name = fresh_name()
    checked, _ = real.check(
        RELEASE, name, release(chart, name, {"replicas": 1}, atomic=True, timeout=3)
    )
    with pytest.raises(Refused):
        real.create(RELEASE, name, checked)
    assert name not in cluster.kubectl("get", "configmaps", "-o", "name")


@pytest.mark.usefixtures("helm_on_path")
def test_a_failed_install_is_kept_and_put_right(
    cluster: RealCluster, real: EngineSide, chart: Path
) -> None:
    name = fresh_name()
    inputs = release(chart, name, {"greeting": "hi", "replicas": 1}, timeout=3)
    checked, _ = real.check(RELEASE, name, inputs)
    with pytest.raises(InitFailed, match="status failed") as failed:
        real.create(RELEASE, name, checked)
    stack = Deployment(
        engine=real,
        token=RELEASE,
        name=name,
        entry=StateEntry(
            resource_id=failed.value.resource_id, state=failed.value.state, inputs=checked
        ),
    )
    assert stack.up(release(chart, name, {"greeting": "moin"})) == "updated"
    assert greeting(cluster, name) == "moin"
    stack.down()


@pytest.mark.usefixtures("helm_on_path")
def test_drift_of_a_release_shows_after_a_refresh(
    cluster: RealCluster, real: EngineSide, chart: Path
) -> None:
    name = fresh_name()
    stack = Deployment(engine=real, token=RELEASE, name=name)
    inputs = release(chart, name, {"greeting": "hi"})
    stack.up(inputs)
    subprocess.run(  # noqa: S603 - no shell
        [  # noqa: S607 - the fixture puts it on PATH
            "helm",
            "upgrade",
            name,
            chart,
            "--set",
            "greeting=other",
            "--kubeconfig",
            cluster.folder / "kubeconfig",
        ],
        check=True,
        capture_output=True,
    )
    stack.refresh()
    assert stack.diff(inputs).kinds == {"values.greeting": "UPDATE"}
    stack.down()
