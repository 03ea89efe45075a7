"""Scheduled pods get their addresses from the pool that Spiderpool's rules choose.

The webhooks, the controller, the scheduler and the API server are real; the agent is the local
machine's. Each case is one pod; all are started at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.engine.spiderpool.cluster import CONFIGS, NETWORKS, Judge, Spec, thing
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NAMESPACES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "plain": ({}, {}),
    "team": ({}, {}),
    "labelled": ({"tier": "gold"}, {}),
    "chosen": ({}, {"ipam.spidernet.io/default-ipv4-ippool": '["named-by-namespace"]'}),
}
"""Labels and annotations."""


def eth0(place: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    first = 10 * place
    return {
        "subnet": "172.31.192.0/20",
        "ips": [f"172.31.200.{first}-172.31.200.{first + 4}"],
        "gateway": "172.31.207.253",
        "multusName": ["kube-system/ipvlan-eth0"],
        **fields,
    }


def eth1(place: int, node: str) -> dict[str, Any]:
    return {
        "subnet": "192.168.0.0/24",
        "ips": [f"192.168.0.{10 * place}-192.168.0.{10 * place + 4}"],
        "gateway": "192.168.0.253",
        "default": True,
        "nodeName": [node],
        "multusName": ["ipvlan-eth1"],
    }


POOLS: Mapping[str, Spec] = {
    "master-eth0": eth0(1, default=True, nodeName=["master"]),
    "worker-eth0": eth0(2, default=True, nodeName=["worker"]),
    "master-eth1": eth1(1, "master"),
    "worker-eth1": eth1(2, "worker"),
    "for-team": eth0(
        3, default=True, namespaceName=["team"], podAffinity={"matchLabels": {"of": "team"}}
    ),
    "for-gold": eth0(
        4,
        default=True,
        nodeName=["worker"],
        namespaceAffinity={"matchLabels": {"tier": "gold"}},
    ),
    "for-web": eth0(5, default=True, podAffinity={"matchLabels": {"app": "web"}}),
    "named-by-pod": eth0(6),
    "named-by-namespace": eth0(7),
    "named-by-network": eth0(8, multusName=["kube-system/ipvlan-eth0-own"]),
    "disabled": eth0(9, default=True, disable=True, podAffinity={"matchLabels": {"app": "web"}}),
}

ETH1 = {"v1.multus-cni.io/default-network": "kube-system/ipvlan-eth1"}
OWN = {"v1.multus-cni.io/default-network": "kube-system/ipvlan-eth0-own"}
BY_POD = {"ipam.spidernet.io/ippool": '{"ipv4": ["named-by-p*"]}'}

CASES: Mapping[str, tuple[str, str, dict[str, str], dict[str, str], str]] = {
    "node-master": ("plain", "master", {}, {}, "master-eth0"),
    "node-worker": ("plain", "worker", {}, {}, "worker-eth0"),
    "network-master": ("plain", "master", {}, ETH1, "master-eth1"),
    "network-worker": (
        "plain",
        "worker",
        {},
        {"v1.multus-cni.io/default-network": "ipvlan-eth1"},
        "worker-eth1",
    ),
    "pod-label": ("plain", "worker", {"app": "web"}, {}, "for-web"),
    "namespace-name": ("team", "worker", {"of": "team"}, {}, "for-team"),
    "namespace-name-elsewhere": ("plain", "worker", {"of": "team"}, {}, "worker-eth0"),
    "namespace-label": ("labelled", "worker", {}, {}, "for-gold"),
    "pods-choice": ("chosen", "worker", {"app": "web"}, BY_POD, "named-by-pod"),
    "namespaces-choice": ("chosen", "worker", {"app": "web"}, {}, "named-by-namespace"),
    "networks-choice": ("plain", "worker", {"app": "web"}, OWN, "named-by-network"),
}
"""Namespace, node, labels, annotations, and the pool that serves."""


def pod(name: str) -> dict[str, Any]:
    namespace, node, labels, annotations, _ = CASES[name]
    here = {"key": "metadata.name", "operator": "In", "values": [node]}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "tolerations": [{"operator": "Exists"}],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchFields": [here]}]
                    }
                }
            },
            "containers": [{"name": "c", "image": "docker.io/library/web:1"}],
        },
    }


@pytest.fixture(scope="module")
def running(judge: Judge) -> Iterator[Judge]:
    """The pods of all cases, running. They and the pools are deleted afterwards."""
    client = judge.client
    for name, (labels, notes) in NAMESPACES.items():
        metadata = {"name": name, "labels": labels, "annotations": notes}
        client.request("POST", "/api/v1/namespaces", {"metadata": metadata})
    own = {
        "cniType": "ipvlan",
        "ipvlan": {"master": ["eth0"], "ippools": {"ipv4": ["named-by-network"]}},
    }
    client.request("POST", CONFIGS, thing("SpiderMultusConfig", "ipvlan-eth0-own", own))
    until("its network", 60, lambda: client.find(f"{NETWORKS}/ipvlan-eth0-own"))
    with judge.pools(POOLS):
        for namespace in NAMESPACES:
            accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
            until("the account", 30, lambda accounts=accounts: client.find(accounts))
        for name, (namespace, *_) in CASES.items():
            client.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod(name))
        yield judge
        for namespace in NAMESPACES:
            client.request("DELETE", f"/api/v1/namespaces/{namespace}")
        for name in POOLS:
            until(f"{name} is free", 60, lambda name=name: not judge.allocated(name))
        client.request("DELETE", f"{CONFIGS}/ipvlan-eth0-own")


@pytest.mark.parametrize("name", CASES)
def test_a_pod_gets_its_address_from_the_pool_that_the_rules_choose(
    running: Judge, name: str
) -> None:
    namespace, _, _, _, expected = CASES[name]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"

    def address() -> str | None:
        pod_ip = running.client.get(path)["status"].get("podIP")
        return None if pod_ip is None else str(pod_ip)

    pod_address = until(f"{name} has an address", 60, address)
    assert running.allocated(expected).get(pod_address) == f"{namespace}/{name}"
    for other in set(POOLS) - {expected}:
        assert f"{namespace}/{name}" not in running.allocated(other).values()


def test_a_pools_status_counts_what_it_gave(running: Judge) -> None:
    pool = running.pool("named-by-pod")
    assert pool is not None
    status = pool["status"]
    assert (status["totalIPCount"], status["allocatedIPCount"]) == (5, 1)
    assert list(json.loads(status["allocatedIPs"])) == ["172.31.200.60"]


def test_a_pod_that_asks_for_a_pool_of_another_node_waits_with_every_pools_reason(
    running: Judge,
) -> None:
    body = pod("node-worker")
    body["metadata"] |= {
        "name": "misled",
        "annotations": {"ipam.spidernet.io/ippool": '{"ipv4": ["master-eth0"]}'},
    }
    running.client.request("POST", "/api/v1/namespaces/plain/pods", body)

    def names_the_reason() -> bool:
        events = running.client.get("/api/v1/namespaces/plain/events")["items"]
        reasons = [e["message"] for e in events if e["involvedObject"]["name"] == "misled"]
        return any("master-eth0: unmatched nodeName" in reason for reason in reasons)

    until("the reason", 60, names_the_reason)
    status = running.client.get("/api/v1/namespaces/plain/pods/misled")["status"]
    assert status["phase"] == "Pending"
