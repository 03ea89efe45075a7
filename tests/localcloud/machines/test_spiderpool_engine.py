"""The real spiderpool-controller, from the local chart, judges pools; pods live on them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.charts.assemble import assemble
from localcloud.machines.guest.kubelet.client import Access, ApiError, Client
from tests.localcloud.machines import fake_cloud
from tests.localcloud.machines.fake_cloud import FakeCloud, Supervisor, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

LOCAL = fake_cloud.REPOSITORY / ".local"
GROUP = "/apis/spiderpool.spidernet.io/v2beta1"
POOLS = f"{GROUP}/spiderippools"


def post(client: Client, path: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return client.request(
        "POST",
        path,
        {
            "apiVersion": "spiderpool.spidernet.io/v2beta1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        },
    )


def pool(nic: str, subnet: str, ips: list[str]) -> dict[str, Any]:
    return {
        "subnet": subnet,
        "ips": ips,
        "default": True,
        "nodeName": ["master"],
        "multusName": [f"kube-system/ipvlan-{nic}"],
    }


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("spiderpool")
    cloud, pki, public = FakeCloud(home), fake_cloud.Pki(), fake_cloud.free_loopback_address()
    cloud.addresses = [
        {"id": "eip-1", "ip": public, "instance_id": "i-master", "instance_type": "EcsInstance"}
    ]
    nic = fake_cloud.interface(
        "eni-1", "00:16:3e:00:00:01", "172.31.199.183", "172.31.192.0/20", primary=True
    )
    text = fake_cloud.control_plane_user_data("master", pki, [nic], public)
    cloud.change(fake_cloud.instance("master", [nic], text))
    supervisor = Supervisor(home, LOCAL / "bin")
    kubeconfig = home / "kubeconfig"
    kubeconfig.write_text(pki.kubeconfig(f"https://{public}:6443"))
    built = Client(Access.read(kubeconfig))
    try:
        until("the node", 180, lambda: built.get("/api/v1/nodes/master"))
        until("bootstrap", 60, lambda: "bootstrap finished" in cloud.consoles["i-master"])
        install(home, kubeconfig, pki)
        post(built, f"{GROUP}/spidercoordinators", "SpiderCoordinator", "default", COORDINATOR)
        path = f"{GROUP}/namespaces/kube-system/spidermultusconfigs"
        post(built, path, "SpiderMultusConfig", "ipvlan-eth0", multus("eth0"))
        post(built, path, "SpiderMultusConfig", "ipvlan-eth1", multus("eth1"))
        post(built, POOLS, "SpiderIPPool", "master-eth0", FIRST)
        post(built, POOLS, "SpiderIPPool", "master-eth1", SECOND)
        yield built
    finally:
        supervisor.end()
        cloud.close()


COORDINATOR = {"podCIDRType": "none", "mode": "auto"}
FIRST = pool(
    "eth0",
    "172.31.192.0/20",
    ["172.31.199.187", "172.31.199.185", "172.31.199.186", "172.31.199.188-172.31.199.189"],
)
SECOND = pool("eth1", "192.168.0.0/24", ["192.168.0.156-192.168.0.160"])


def multus(nic: str) -> dict[str, Any]:
    return {"cniType": "ipvlan", "enableCoordinator": True, "ipvlan": {"master": [nic]}}


def install(home: Path, kubeconfig: Path, pki: fake_cloud.Pki) -> None:
    crds = home / "toolchain"
    crds.mkdir()
    (crds / "crds").symlink_to(LOCAL / "toolchain" / "crds")
    certificate, key = pki.serving("spiderpool-controller.kube-system.svc")
    encoded = {
        "tlsCa": base64.b64encode(pki.files["ca.crt"]).decode(),
        "tlsCert": base64.b64encode(certificate).decode(),
        "tlsKey": base64.b64encode(key).decode(),
    }
    off = {"spiderSubnet": {"enable": False, "autoPool": {"enable": False}}}
    values = {
        "ipam": {"enableIPv6": False, "enableStatefulSet": False, **off},
        "multus": {"multusCNI": {"defaultCniCRName": "ipvlan-eth0"}},
        "spiderpoolController": {"tls": {"method": "provided", "provided": encoded}},
    }
    (home / "values.json").write_text(json.dumps(values))
    done = subprocess.run(  # noqa: S603  (the toolchain's own helm)
        [
            LOCAL / "bin" / "helm",
            "install",
            "spiderpool",
            assemble(home),
            f"--kubeconfig={kubeconfig}",
            "--namespace=kube-system",
            f"--values={home / 'values.json'}",
            "--wait",
            "--timeout=120s",
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def deploy(client: Client, name: str, replicas: int, annotations: dict[str, str]) -> None:
    labels = {"app": name}
    client.request(
        "POST",
        "/apis/apps/v1/namespaces/default/deployments",
        {
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": {
                        "tolerations": [{"operator": "Exists"}],
                        "containers": [{"name": "c", "image": "docker.io/library/web:1"}],
                    },
                },
            },
        },
    )


def pods(client: Client, name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(
        f"/api/v1/namespaces/default/pods?labelSelector=app%3D{name}"
    )["items"]
    return items


def running(client: Client, name: str) -> set[str]:
    return {
        pod["status"]["podIP"] for pod in pods(client, name) if pod["status"]["phase"] == "Running"
    }


def test_the_webhook_writes_a_pool_canonically(client: Client) -> None:
    spec = client.get(f"{POOLS}/master-eth0")["spec"]
    assert (spec["ips"], spec["ipVersion"]) == (["172.31.199.185-172.31.199.189"], 4)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"subnet": "192.168.0.0/24", "ips": ["192.168.0.157"]}, "overlap"),
        ({"subnet": "192.168.0.5/24", "ips": ["192.168.0.9"]}, "192.168.0.0/24"),
        ({"subnet": "10.9.0.0/24", "ips": ["10.8.0.1"]}, "10.8.0.1"),
    ],
)
def test_the_webhook_refuses_a_bad_pool(client: Client, spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(ApiError, match=reason):
        post(client, POOLS, "SpiderIPPool", "bad", spec)


def test_networks_appear_and_the_coordinator_is_synced(client: Client) -> None:
    path = "/apis/k8s.cni.cncf.io/v1/namespaces/kube-system/network-attachment-definitions"
    until("both networks", 30, lambda: len(client.get(path)["items"]) == 2)
    until(
        "Synced",
        30,
        lambda: client.get(f"{GROUP}/spidercoordinators/default")["status"]["phase"] == "Synced",
    )


def test_the_node_is_ready_once_the_agent_brought_a_network(client: Client) -> None:
    conditions = client.get("/api/v1/nodes/master")["status"]["conditions"]
    assert {c["type"]: c["status"] for c in conditions}["Ready"] == "True"


def test_a_sixth_pod_waits_with_the_reason_and_takes_the_first_free_address(
    client: Client,
) -> None:
    deploy(client, "six", 6, {})
    until("five run", 60, lambda: len(running(client, "six")) == 5)
    assert running(client, "six") == {f"172.31.199.{n}" for n in range(185, 190)}

    def reasons() -> list[str]:
        events = client.get("/api/v1/namespaces/default/events")["items"]
        return [e["message"] for e in events if e["reason"] == "FailedCreatePodSandBox"]

    until("the reason", 30, lambda: any("all IP addresses used out" in r for r in reasons()))
    allocated = json.loads(client.get(f"{POOLS}/master-eth0")["status"]["allocatedIPs"])
    assert set(allocated) == running(client, "six")
    client.request("DELETE", "/apis/apps/v1/namespaces/default/deployments/six")
    until(
        "every address is back",
        60,
        lambda: not client.get(f"{POOLS}/master-eth0")["status"].get("allocatedIPs"),
    )


def test_a_pod_on_the_other_network_lives_on_the_other_pool(client: Client) -> None:
    deploy(client, "other", 1, {"v1.multus-cni.io/default-network": "kube-system/ipvlan-eth1"})
    until("it runs", 60, lambda: running(client, "other"))
    assert running(client, "other") <= {f"192.168.0.{n}" for n in range(156, 161)}


def test_a_pool_with_a_pod_stays_until_the_pod_is_gone(client: Client) -> None:
    until("it runs", 60, lambda: running(client, "other"))
    client.request("DELETE", f"{POOLS}/master-eth1")
    assert client.get(f"{POOLS}/master-eth1")["metadata"]["deletionTimestamp"]
    client.request("DELETE", "/apis/apps/v1/namespaces/default/deployments/other")
    until("the pool is gone", 60, lambda: client.find(f"{POOLS}/master-eth1") is None)
