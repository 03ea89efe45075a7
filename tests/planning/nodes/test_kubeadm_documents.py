"""What kubeadm, the kubelets and kube-proxy are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from planning.model import ClusterPlan
from planning.nodes.kubeadm import KUBELET_SETTINGS, pause_image
from tests.clusters import fake_secrets, small, three_control_planes
from tests.planning.documents import (
    BALANCER_ADDRESS,
    PUBLIC_ADDRESS,
    Booted,
    booted,
    planned,
    stack_plan,
)

pytestmark = pytest.mark.unit


def arguments(registration: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in registration["kubeletExtraArgs"]}


def guide(node: str = "master") -> Booted:
    return booted(stack_plan("local"), node)


def highly_available() -> ClusterPlan:
    return planned(three_control_planes())


def test_a_control_plane_gets_the_documents_of_init_and_of_join() -> None:
    assert set(guide().kubeadm) == {
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
        "JoinConfiguration",
    }


def test_nodes_are_named_by_the_plan_and_not_by_the_cloud() -> None:
    assert guide().kubeadm["InitConfiguration"]["nodeRegistration"]["name"] == "master"
    assert guide("worker").kubeadm["JoinConfiguration"]["nodeRegistration"]["name"] == "worker"


def test_kubelets_wait_for_the_cloud_controller_and_say_their_provider_id() -> None:
    registration = guide("worker").kubeadm["JoinConfiguration"]["nodeRegistration"]
    assert arguments(registration) == {
        "cloud-provider": "external",
        "config-dir": "/etc/spiderpool-alicloud/kubelet.d",
        "node-ip": "0.0.0.0",  # noqa: S104 - what the kubelet is told, no bind
        "provider-id": "@PROVIDER_ID@",
    }


def test_labels_of_a_node_reach_its_kubelet_in_order() -> None:
    labels = {"zoo": "1", "example.com/disk": "essd"}
    plan = planned(small({"nodePools": {"workers": {"labels": labels}}}))
    registration = booted(plan, "workers-0").kubeadm["JoinConfiguration"]["nodeRegistration"]
    assert arguments(registration)["node-labels"] == "example.com/disk=essd,zoo=1"


def test_the_guides_master_takes_pods_and_says_so() -> None:
    assert guide().kubeadm["InitConfiguration"]["nodeRegistration"]["taints"] == []


def test_a_control_plane_is_tainted_unless_its_pool_says_otherwise() -> None:
    init = booted(planned(small()), "masters-0").kubeadm["InitConfiguration"]
    assert init["nodeRegistration"]["taints"] == [
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    ]


def test_max_pods_is_each_nodes_own() -> None:
    plan = stack_plan("local")
    for node in plan.nodes.values():
        own = json.loads(booted(plan, node.name).files[KUBELET_SETTINGS])
        assert own["kind"] == "KubeletConfiguration"
        assert own["maxPods"] == node.max_pods
    assert "maxPods" not in guide().kubeadm["KubeletConfiguration"]


def test_further_kubelet_settings_reach_every_node() -> None:
    plan = planned(small({"kubernetes": {"kubelet": {"serializeImagePulls": False}}}))
    for node in plan.nodes:
        assert (
            json.loads(booted(plan, node).files[KUBELET_SETTINGS])["serializeImagePulls"] is False
        )


@pytest.mark.parametrize("node", ["master", "worker"])
def test_the_kubelet_finds_its_own_settings_where_they_are_written(node: str) -> None:
    for kind, document in guide(node).kubeadm.items():
        if kind in {"InitConfiguration", "JoinConfiguration"}:
            folder = arguments(document["nodeRegistration"])["config-dir"]
            assert f"{folder}/50-settings.conf" == KUBELET_SETTINGS
    assert KUBELET_SETTINGS in guide(node).files


@pytest.mark.parametrize(
    ("plan", "node", "address"),
    [
        (stack_plan("local"), "master", "172.31.199.183"),
        (planned(three_control_planes()), "masters-0", BALANCER_ADDRESS),
    ],
    ids=["one", "three"],
)
def test_control_planes_are_reached_by_one_name_however_many_there_are(
    plan: ClusterPlan, node: str, address: str
) -> None:
    cluster = booted(plan, node).kubeadm["ClusterConfiguration"]
    name = f"api.{plan.name}.internal"
    assert cluster["controlPlaneEndpoint"] == f"{name}:6443"
    assert cluster["apiServer"]["certSANs"] == ["127.0.0.1", name, address, PUBLIC_ADDRESS]


def test_without_a_public_address_the_certificate_has_none() -> None:
    cluster = booted(stack_plan("prod"), "masters-0", public_address=None).kubeadm
    assert cluster["ClusterConfiguration"]["apiServer"]["certSANs"] == [
        "127.0.0.1",
        "api.prod.internal",
        BALANCER_ADDRESS,
    ]


def test_further_names_of_the_certificate_come_after_its_own() -> None:
    names = ["k8s.example.com", "203.0.113.9"]
    plan = planned(small({"kubernetes": {"endpoint": {"certSans": names}}}))
    cluster = booted(plan, "masters-0").kubeadm["ClusterConfiguration"]
    assert cluster["apiServer"]["certSANs"][-2:] == names


@pytest.mark.parametrize("node", ["master", "worker"])
def test_a_machine_joins_with_the_token_and_trusts_the_ca_alone(node: str) -> None:
    machine = guide(node)
    join = machine.kubeadm["JoinConfiguration"]
    discovery = yaml.safe_load(machine.files[join["discovery"]["file"]["kubeConfigPath"]])
    ((cluster,), (user,)) = discovery["clusters"], discovery["users"]
    assert cluster["cluster"]["server"] == f"https://api.{stack_plan('local').name}.internal:6443"
    ca = machine.files[cluster["cluster"]["certificate-authority"]]
    assert ca == fake_secrets().ca.certificate
    assert user["user"] == {"token": fake_secrets().bootstrap_token}
    assert "controlPlane" not in guide("worker").kubeadm["JoinConfiguration"]


def test_a_further_control_plane_joins_without_uploaded_certificates() -> None:
    plan = highly_available()
    join = booted(plan, "masters-1").kubeadm["JoinConfiguration"]
    address = str(plan.nodes["masters-1"].interfaces["eth0"].primary)
    assert join["controlPlane"] == {
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": 6443}
    }


def test_the_token_outlives_every_worker() -> None:
    (token,) = guide().kubeadm["InitConfiguration"]["bootstrapTokens"]
    assert token == {"token": "@TOKEN@", "ttl": "3600s"}


def test_service_traffic_is_masqueraded_by_a_pod_range_that_no_pod_is_in() -> None:
    documents = guide().kubeadm
    assert documents["KubeProxyConfiguration"] == {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": "10.244.0.0/16",
        "iptables": {"masqueradeAll": True},
    }
    assert documents["ClusterConfiguration"]["networking"] == {
        "dnsDomain": "cluster.local",
        "podSubnet": "10.244.0.0/16",
        "serviceSubnet": "10.233.0.0/18",
    }


def test_the_controller_manager_hands_out_no_part_of_it() -> None:
    extra = guide().kubeadm["ClusterConfiguration"]["controllerManager"]["extraArgs"]
    assert {"name": "allocate-node-cidrs", "value": "false"} in extra


def test_no_component_gets_the_removed_cloud_provider_flag() -> None:
    cluster = guide().kubeadm["ClusterConfiguration"]
    assert "cloud-provider" not in json.dumps(cluster)


def test_the_version_is_exact() -> None:
    assert guide().kubeadm["ClusterConfiguration"]["kubernetesVersion"] == "v1.36.3"
    assert "KUBERNETES_VERSION=1.36.3\n" in guide().files["/etc/spiderpool-alicloud/node.env"]


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("1.31.9", "3.10"),
        ("1.33.2", "3.10"),
        ("1.34.0", "3.10.1"),
        ("1.35.4", "3.10.1"),
        ("1.36.3", "3.10.2"),
        ("1.37.2", "3.10.2"),
    ],
)
def test_the_sandbox_image_is_the_versions_own(version: str, tag: str) -> None:
    plan = planned(small({"kubernetes": {"version": version, "mirrors": "global"}}))
    assert pause_image(plan) == f"registry.k8s.io/pause:{tag}"


def test_mainland_china_pulls_from_its_own_mirrors() -> None:
    machine = booted(planned(small({"kubernetes": {"mirrors": "china"}})), "masters-0")
    repository = "registry.aliyuncs.com/google_containers"
    assert machine.kubeadm["ClusterConfiguration"]["imageRepository"] == repository
    assert f"sandbox = '{repository}/pause:3.10.2'" in machine.files["/etc/containerd/config.toml"]
    sources = machine.files["/etc/apt/sources.list.d/spiderpool.sources"]
    assert "https://mirrors.aliyun.com/kubernetes-new/core/stable/v1.36/deb/" in sources
    assert "https://mirrors.aliyun.com/docker-ce/linux/ubuntu" in sources
    assert machine.files["/etc/containerd/certs.d/ghcr.io/hosts.toml"] == (
        '[host."https://ghcr.m.daocloud.io"]\n'
    )


def test_elsewhere_no_mirror_is_used() -> None:
    machine = guide()
    assert "imageRepository" not in machine.kubeadm["ClusterConfiguration"]
    assert not [path for path in machine.files if path.startswith("/etc/containerd/certs.d/")]
    assert (
        "https://pkgs.k8s.io/core:/stable:/v1.36/deb/"
        in (machine.files["/etc/apt/sources.list.d/spiderpool.sources"])
    )
