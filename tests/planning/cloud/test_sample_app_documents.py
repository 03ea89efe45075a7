"""The guide's sample apps as documents."""

from __future__ import annotations

from typing import Any

import pytest

from planning.cloud.sample_apps import manifests
from planning.read import plan_from
from tests.clusters import existing_kubernetes, small

pytestmark = pytest.mark.unit

_ON: dict[str, Any] = {"sampleApps": {"enabled": True}}


def _manifests(changes: dict[str, Any]) -> dict[str, Any]:
    return dict(manifests(plan_from(small(changes))))


def _pod(manifest: Any) -> Any:  # noqa: ANN401 - a manifest is JSON
    return manifest["spec"]["template"]


def test_there_are_no_sample_apps_by_default() -> None:
    assert manifests(plan_from(small())) == {}


def test_each_app_is_on_its_own_nic() -> None:
    objects = _manifests(_ON)
    networks = {
        name: _pod(objects[name])["metadata"]["annotations"]
        for name in ("test-app-1", "test-app-2")
    }
    assert networks == {
        "test-app-1": {"v1.multus-cni.io/default-network": "kube-system/ipvlan-eth0"},
        "test-app-2": {"v1.multus-cni.io/default-network": "kube-system/ipvlan-eth1"},
    }


def test_the_service_finds_the_second_app() -> None:
    objects = _manifests(_ON)
    assert objects["test-svc"]["spec"]["type"] == "ClusterIP"
    assert (
        objects["test-svc"]["spec"]["selector"] == _pod(objects["test-app-2"])["metadata"]["labels"]
    )


def test_pods_tolerate_no_taint_and_choose_no_node_where_all_have_both_nics() -> None:
    for name in ("test-app-1", "test-app-2"):
        assert set(_pod(_manifests(_ON)[name])["spec"]) == {"containers"}


def test_images_come_from_another_registry_where_one_is_set() -> None:
    apps = {"enabled": True, "registry": "registry.example.com/m", "serverImage": "web:1"}
    objects = _manifests({"sampleApps": apps})
    images = [
        _pod(objects[name])["spec"]["containers"][0]["image"]
        for name in ("test-app-1", "test-app-2")
    ]
    assert images == [
        "registry.example.com/m/library/busybox:1.37.0",
        "registry.example.com/m/web:1",
    ]


def test_an_app_keeps_to_nodes_with_pod_addresses_on_its_nic() -> None:
    changes = _ON | {"nodePools": {"workers": {"interfaces": {"eth1": {"podAddresses": 0}}}}}
    objects = _manifests(changes)
    assert "affinity" not in _pod(objects["test-app-1"])["spec"]
    assert _nodes(objects["test-app-2"]) == [["masters-0"]]


def test_in_an_existing_cluster_an_app_keeps_to_the_nodes_of_the_plan() -> None:
    objects = manifests(plan_from(existing_kubernetes() | _ON))
    assert _nodes(objects["test-app-1"]) == [["their-master"], ["their-worker"]]


def test_tolerations_are_written_as_kubernetes_has_them() -> None:
    tolerations = [{"key": "a"}, {"key": "b", "value": "c", "effect": "NoSchedule"}, {}]
    objects = _manifests({"sampleApps": {"enabled": True, "tolerations": tolerations}})
    assert _pod(objects["test-app-1"])["spec"]["tolerations"] == [
        {"operator": "Exists", "key": "a"},
        {"operator": "Equal", "key": "b", "value": "c", "effect": "NoSchedule"},
        {"operator": "Exists"},
    ]


def _nodes(manifest: Any) -> list[list[str]]:  # noqa: ANN401
    affinity = _pod(manifest)["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return [term["matchFields"][0]["values"] for term in terms]
