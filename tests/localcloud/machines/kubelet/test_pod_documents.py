from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.machines.guest.kubelet.pods import static_pods, status, volumes
from localcloud.machines.guest.kubelet.services import ports

pytestmark = pytest.mark.unit

POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "default",
        "uid": "u",
        "labels": {"app": "web"},
    },
    "spec": {"nodeName": "worker", "containers": [{"name": "c", "image": "i"}]},
}


class Source:
    def config_map(self, namespace: str, name: str) -> dict[str, str] | None:
        return {"key": "from-config"} if (namespace, name) == ("default", "cm") else None

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        return {"key": b"from-secret"} if (namespace, name) == ("default", "s") else None

    def token(self, pod: object, audience: str | None, seconds: int) -> str:
        return f"token {audience} {seconds}" if pod else ""


def variables(*env: dict[str, Any]) -> dict[str, str]:
    return volumes.environment(POD, {"env": list(env)}, Source(), "10.0.0.1")


def test_variables_come_from_fields_config_and_secrets() -> None:
    values = variables(
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {"name": "CM", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "key"}}},
        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "BOTH", "value": "$(NAME)-$(UNKNOWN)-$$(NAME)"},
    )
    assert values == {
        "NAME": "p",
        "APP": "web",
        "HOST": "10.0.0.1",
        "CM": "from-config",
        "S": "from-secret",
        "BOTH": "p-$(UNKNOWN)-$(NAME)",
    }


def test_a_missing_config_map_keeps_the_container_waiting() -> None:
    with pytest.raises(volumes.VolumeError, match="'none' not found"):
        variables({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}})


def test_an_optional_reference_may_be_missing() -> None:
    reference = {"name": "none", "key": "k", "optional": True}
    assert variables({"name": "A", "valueFrom": {"secretKeyRef": reference}}) == {}


def test_volumes_become_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "_ROOT", tmp_path)
    projected = {
        "sources": [
            {"secret": {"name": "s", "items": [{"key": "key", "path": "tls.key"}]}},
            {"serviceAccountToken": {"path": "token", "audience": "api"}},
        ]
    }
    pod = POD | {
        "spec": {
            "volumes": [
                {"name": "config", "configMap": {"name": "cm"}},
                {"name": "tls", "projected": projected},
            ]
        }
    }
    container = {
        "volumeMounts": [
            {"name": "config", "mountPath": "/config"},
            {"name": "tls", "mountPath": "/etc/tls"},
        ]
    }
    binds = {
        target: Path(source) for source, target in volumes.mounts(pod, container, Source(), "")
    }
    assert (binds["/config"] / "key").read_text() == "from-config"
    assert (binds["/etc/tls"] / "tls.key").read_text() == "from-secret"
    assert (binds["/etc/tls"] / "token").read_text() == "token api 3600"


def test_a_running_pod_is_ready_when_its_containers_are() -> None:
    facts = {"c": status.ContainerFacts(ready=True)}
    running = status.running(POD, facts, "10.0.0.1", ["10.0.0.9"], "t")
    conditions = {c["type"]: c["status"] for c in running["conditions"]}
    assert (running["phase"], running["podIP"], conditions["Ready"]) == (
        "Running",
        "10.0.0.9",
        "True",
    )


def test_a_container_that_never_ran_keeps_the_pod_pending() -> None:
    facts = {"c": status.ContainerFacts(ready=False, waiting=("ErrImagePull", ""))}
    assert status.running(POD, facts, "10.0.0.1", [], "t")["phase"] == "Pending"


def test_a_status_is_written_only_when_it_says_something_new() -> None:
    facts = {"c": status.ContainerFacts(ready=True, started_at="t")}
    running = status.running(POD, facts, "10.0.0.1", ["10.0.0.9"], "t")
    written = POD | {"status": running}
    assert status.same(running, status.running(written, facts, "10.0.0.1", ["10.0.0.9"], "later"))
    assert not status.same(
        running, status.running(written, facts, "10.0.0.1", ["10.0.0.8"], "later")
    )


def test_a_manifest_becomes_a_pod_of_this_node_and_its_mirror(tmp_path: Path) -> None:
    manifest = {
        "metadata": {"name": "etcd", "namespace": "kube-system"},
        "spec": {"containers": [{"name": "etcd", "command": ["etcd"]}]},
    }
    (tmp_path / "etcd.yaml").write_text(yaml.safe_dump(manifest))
    (tmp_path / "broken.yaml").write_text("{")
    [pod] = static_pods.read(tmp_path, "master")
    mirror = static_pods.mirror(pod, "master", "node-uid")
    assert mirror["metadata"]["name"] == "etcd-master"
    assert mirror["metadata"]["ownerReferences"][0]["uid"] == "node-uid"
    assert static_pods.is_mirror_of(mirror, pod)


def test_a_changed_manifest_is_another_pod(tmp_path: Path) -> None:
    def uid(flag: str) -> str:
        containers = [{"name": "a", "command": ["a", flag]}]
        manifest = {"metadata": {"name": "a"}, "spec": {"containers": containers}}
        (tmp_path / "a.yaml").write_text(yaml.safe_dump(manifest))
        return str(static_pods.read(tmp_path, "master")[0]["metadata"]["uid"])

    assert uid("--v=1") != uid("--v=2")


def test_a_service_leads_to_its_ready_endpoints() -> None:
    service = {
        "metadata": {"name": "hook", "namespace": "kube-system"},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "webhook", "port": 5722}]},
    }
    part = {
        "metadata": {
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "hook"},
        },
        "ports": [{"name": "webhook", "port": 5722}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        ],
    }
    assert ports([service], [part])["10.96.0.9", 5722].backends == (("10.0.0.1", 5722),)


@pytest.mark.parametrize("address", ["None", "", "fd00::1"])
def test_a_service_without_an_ipv4_address_is_not_listened_for(address: str) -> None:
    service = {
        "metadata": {"name": "s", "namespace": "default"},
        "spec": {"clusterIP": address, "ports": [{"port": 80}]},
    }
    assert ports([service], []) == {}
