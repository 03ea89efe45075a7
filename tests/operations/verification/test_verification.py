"""Verdicts on a cluster: from a snapshot, from a shell that is played, and as reports."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from operations.engine.running import Finished
from operations.verification.checks import Needs
from operations.verification.cluster_objects import Cluster, Pod, carries_packets, read_cluster
from operations.verification.objects import OBJECT_CHECKS
from operations.verification.packets import packet_checks
from operations.verification.reports import junit_text, summary, verdict_document
from operations.verification.run import Outcome, Verdict, verify
from planning.nodes.machine import METADATA_FOR_PODS, UNIT_SCHEMA, UNIT_VERSION

pytestmark = pytest.mark.unit

REAL = "containerd://2.2.1"
NAT = "47.98.0.9"
CHECKS = (*OBJECT_CHECKS, *packet_checks("http://seen.example.com"))
NODES = {"master": ("172.31.0.3", "172.31.0.10"), "worker": ("172.31.0.4", "172.31.0.20")}
_NOT_IN_POOL = "which is not in a pool of worker and eth0 (worker-eth0)"
_IPV6 = {"ip": "fd00::20"}
PROTOCOL_PORT = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-protocol-port"


class Played:
    """A shell that answers as a healthy cluster does, but for what a test breaks."""

    def __init__(self, *, fails: str = "", sees: str = "203.0.113.5") -> None:
        self.ran: list[tuple[str, ...]] = []
        self.connected: list[str] = []
        self.requested: list[str] = []
        self._fails = fails
        self._sees = sees
        self._asked: list[str] = []

    def execute(self, pod: Pod, *argv: str) -> Finished:
        self.ran.append((pod.name, *argv))
        if "100.100.100.200" in argv[-1]:
            err = "HTTP/1.1 403 Forbidden\n" if self._fails == argv[-1] else "timed out\n"
            return Finished(status=1, out="", err=err)
        if self._fails and any(self._fails in word for word in argv):
            return Finished(status=1, out="", err="no route\n")
        return Finished(status=0, out=f"Address: 10.233.0.9\n{NAT}\n", err="")

    def logs(self, pod: Pod) -> str:
        return "\n".join(f'{self._sees} - - "GET {path}" "{pod.name}"' for path in self._asked)

    def connect(self, host: str, port: int) -> str | None:
        self.connected.append(f"{host}:{port}")
        return "refused" if self._fails == f"{host}:{port}" else None

    def get(self, host: str, port: int, path: str) -> str | None:
        self.requested.append(f"{host}:{port}")
        self._asked.append(path)
        return "refused" if self._fails == f"{host}:{port}" else None


def _items() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for node, (host, pod) in NODES.items():
        items += [
            {
                "kind": "Node",
                "metadata": {
                    "name": node,
                    "annotations": {METADATA_FOR_PODS: "blocked", UNIT_SCHEMA: str(UNIT_VERSION)},
                },
                "spec": {"providerID": f"cn-hangzhou.i-{node}"},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": host}],
                    "allocatable": {_resource(nic): "10" for nic in ("eth0", "eth1")},
                },
            },
            _pod("test-app-1", node, "eth0", pod),
            _pod("test-app-2", node, "eth1", pod.replace("172.31", "192.168")),
        ]
        for nic in ("eth0", "eth1"):
            address = pod if nic == "eth0" else pod.replace("172.31", "192.168")
            app = "test-app-1" if nic == "eth0" else "test-app-2"
            holder = {address: {"podUid": f"{app}-{node}"}}
            status = {"allocatedIPs": json.dumps(holder), "allocatedIPCount": 1}
            spec = _pool(node, nic)
            spec |= {key: [spec[key]] for key in ("nodeName", "multusName")}
            items.append(
                {
                    "kind": "SpiderIPPool",
                    "metadata": {"name": f"{node}-{nic}"},
                    "spec": spec,
                    "status": status,
                }
            )
    items.append(
        {
            "kind": "SpiderCoordinator",
            "metadata": {"name": "default"},
            "spec": {"hijackCIDR": ["169.254.0.0/16", "100.100.100.200/32"]},
        }
    )
    items.append(_kube_proxy(mode="iptables", iptables={"masqueradeAll": True}))
    items.append(_service("test-svc", {"type": "ClusterIP", "clusterIP": "10.233.0.9"}))
    balanced = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": {"app": "test-app-2"},
    }
    items.append(_service("tcp-service", balanced | {"ports": [{"port": 999}]}, "47.0.0.1"))
    http = _service("http-service", balanced | {"ports": [{"port": 80}]}, "47.0.0.2")
    http["metadata"]["annotations"] = {PROTOCOL_PORT: "http:80"}
    return [*items, http]


def _kube_proxy(**settings: object) -> dict[str, Any]:
    text = yaml.safe_dump({"kind": "KubeProxyConfiguration", **settings})
    return {"kind": "ConfigMap", "metadata": {"name": "kube-proxy"}, "data": {"config.conf": text}}


def _pod(app: str, node: str, nic: str, address: str) -> dict[str, Any]:
    network = {"v1.multus-cni.io/default-network": f"kube-system/ipvlan-{nic}"}
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"{app}-{node}",
            "namespace": "default",
            "uid": f"{app}-{node}",
            "labels": {"app": app},
            "annotations": network,
        },
        "spec": {
            "nodeName": node,
            "containers": [{"resources": {"requests": {"cpu": "100m", _resource(nic): "1"}}}, {}],
        },
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _resource(nic: str) -> str:
    return f"spiderpool-alicloud.io/{nic}-addresses"


def _pool(node: str, nic: str) -> dict[str, Any]:
    net, last = ("172.31", "9") if nic == "eth0" else ("192.168", "9")
    begin = "1" if node == "master" else "2"
    return {
        "ips": [f"{net}.0.{begin}0-{net}.0.{begin}{last}"],
        "subnet": f"{net}.0.0/24",
        "gateway": f"{net}.0.253",
        "nodeName": node,
        "multusName": f"kube-system/ipvlan-{nic}",
    }


def _service(name: str, spec: dict[str, Any], address: str | None = None) -> dict[str, Any]:
    ingress = [] if address is None else [{"ip": address}]
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def _outputs() -> dict[str, Any]:
    return {
        "metadataForPods": "blocked",
        "natAddress": NAT,
        "nodes": {
            node: {
                "providerId": f"cn-hangzhou.i-{node}",
                "interfaces": {"eth0": {"primary": host}, "eth1": {"primary": f"192.168.0.24{i}"}},
            }
            for i, (node, (host, _)) in enumerate(NODES.items(), 1)
        },
        "ipPools": {f"{n}-{nic}": _pool(n, nic) for n in NODES for nic in ("eth0", "eth1")},
        "advertised": {n: {_resource(nic): 10 for nic in ("eth0", "eth1")} for n in NODES},
        "services": {
            "tcp-service": {"address": "47.0.0.1"},
            "http-service": {"address": "47.0.0.2"},
        },
    }


def _cluster(
    change: Callable[[dict[str, dict[str, Any]]], object] | None = None, *, simulated: bool = False
) -> Cluster:
    items = {f"{i['kind']}/{i['metadata']['name']}": i for i in _items()}
    if change is not None:
        change(items)
    return read_cluster(list(items.values()), _outputs(), local=simulated)


def _verdicts(cluster: Cluster, shell: Played | None = None) -> dict[str, Verdict]:
    verdicts = verify(CHECKS, cluster, shell or Played(), done=lambda: None)
    return {verdict.check.name: verdict for verdict in verdicts}


def _failed(verdicts: dict[str, Verdict]) -> set[str]:
    return {name for name, v in verdicts.items() if v.outcome is Outcome.FAILED}


def test_a_healthy_cluster_passes_all_that_it_can_be_asked() -> None:
    verdicts = _verdicts(_cluster())
    assert not _failed(verdicts)
    others = {name: v.details for name, v in verdicts.items() if v.outcome is not Outcome.PASSED}
    assert others == {"egress-ipv6": ("no pod of test-app-2 has an IPv6 address",)}


class Busy(Played):
    """A shell that knows how many commands have run at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()

    def execute(self, pod: Pod, *argv: str) -> Finished:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            return super().execute(pod, *argv)
        finally:
            with self._lock:
                self._running -= 1


def test_a_slow_machine_may_be_asked_one_thing_at_a_time() -> None:
    shell = Busy()
    verdicts = verify(CHECKS, _cluster(), shell, done=lambda: None, at_once=1)
    assert shell.most == 1
    assert len(verdicts) == len(CHECKS)


def _on_machines(**runtimes: str) -> Cluster:
    """The healthy cluster on a local cloud: node → its container runtime."""

    def change(items: dict[str, dict[str, Any]]) -> None:
        for node, runtime in runtimes.items():
            items[f"Node/{node}"]["status"]["nodeInfo"] = {"containerRuntimeVersion": runtime}

    return _cluster(change, simulated=True)


def test_packets_between_pods_of_virtual_machines_are_tried() -> None:
    cluster = _on_machines(**dict.fromkeys(NODES, REAL))
    assert not cluster.simulated
    assert not _failed(_verdicts(cluster))


def test_a_pod_on_a_set_of_namespaces_has_no_packets_to_try() -> None:
    [first, *others] = NODES
    cluster = _on_machines(**{first: f"{REAL}-simulated"}, **dict.fromkeys(others, REAL))
    assert cluster.simulated


def test_a_control_plane_without_pods_may_be_a_set_of_namespaces() -> None:
    [first, *others] = NODES
    cluster = _on_machines(**{first: f"{REAL}-simulated"}, **dict.fromkeys(others, REAL))
    elsewhere = [pod for pod in cluster.pods if pod.node != first]
    assert carries_packets(cluster.nodes, elsewhere)


def test_on_the_local_cloud_packets_are_never_tried_and_never_passed() -> None:
    shell = Played()
    verdicts = _verdicts(_cluster(simulated=True), shell)
    assert shell.ran == []
    for verdict in verdicts.values():
        simulated = verdict.check.needs is not Needs.PACKETS
        assert verdict.outcome is (Outcome.PASSED if simulated else Outcome.NOT_SIMULATED)


def _differing(advertised: int, uncounted: int, rest: str = "") -> str:
    return (
        f"worker advertises {advertised} {_resource('eth1')}; its pool has 10, of which "
        f"{uncounted} belong to pods that did not ask for one{rest}"
    )


def _reserve(items: dict[str, dict[str, Any]], *ips: str) -> None:
    items["SpiderReservedIP/leaving"] = {
        "kind": "SpiderReservedIP",
        "metadata": {"name": "leaving"},
        "spec": {"ips": list(ips)},
    }


def test_reserved_addresses_of_a_pool_are_not_advertised() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        # The first has a pod, which keeps it.
        _reserve(items, "192.168.0.20-192.168.0.21", "fd00::-fd00:ffff::")
        items["Node/worker"]["status"]["allocatable"].update({_resource("eth1"): "9"})

    assert not _failed(_verdicts(_cluster(change)))


def test_excluded_addresses_of_a_pool_are_not_advertised() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        # The first has a pod, which keeps it.
        pool = items["SpiderIPPool/worker-eth1"]
        pool["spec"]["excludeIPs"] = ["192.168.0.20-192.168.0.21"]
        items["Node/worker"]["status"]["allocatable"].update({_resource("eth1"): "9"})

    assert not _failed(_verdicts(_cluster(change)))


def test_a_pod_may_ask_for_other_resources_in_any_notation() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        pod = next(item for item in items.values() if item["kind"] == "Pod")
        requests = {"cpu": "100m", "example.com/seats": "2k"}
        pod["spec"]["containers"] = [{"resources": {"requests": requests}}]

    assert "addresses-advertised" in _verdicts(_cluster(change))


def test_a_pool_that_gives_no_address_is_not_advertised() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        items["SpiderIPPool/worker-eth1"]["spec"]["disable"] = True
        # The unit goes on advertising what pods have.
        items["Node/worker"]["status"]["allocatable"].update({_resource("eth1"): "1"})

    assert not _failed(_verdicts(_cluster(change)))


def _made_by_an_earlier_release(items: dict[str, dict[str, Any]], version: str) -> None:
    items["Node/worker"]["metadata"]["annotations"][UNIT_SCHEMA] = version


def test_an_earlier_unit_that_advertises_reserved_addresses_is_named() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        _reserve(items, "192.168.0.21-192.168.0.22")
        _made_by_an_earlier_release(items, "2")

    verdict = _verdicts(_cluster(change))["addresses-advertised"]
    sentence = (
        f"worker advertises 10 {_resource('eth1')}, of which 2 are reserved: pods beyond the other "
        "8 wait on the node. Its machine was made by an earlier release, whose unit (version 2) "
        "does not subtract reserved addresses. Delete the SpiderReservedIP or take out the pool's "
        "excludeIPs, or replace the machine"
    )
    assert verdict.details == (sentence,)


def test_an_earlier_unit_that_subtracts_reserved_addresses_is_right() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        _reserve(items, "192.168.0.21")
        _made_by_an_earlier_release(items, "2")
        items["Node/worker"]["status"]["allocatable"].update({_resource("eth1"): "9"})

    assert not _failed(_verdicts(_cluster(change)))


def test_an_earlier_unit_that_counts_otherwise_is_not_excused() -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        _reserve(items, "192.168.0.21")
        _made_by_an_earlier_release(items, "2")
        items["Node/worker"]["status"]["allocatable"].update({_resource("eth1"): "7"})

    verdict = _verdicts(_cluster(change))["addresses-advertised"]
    assert verdict.details == (_differing(7, 0, " and 1 are reserved or excluded"),)


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "", "iptables": {"masqueradeAll": True}},
        {"mode": "ipvs", "iptables": {"masqueradeAll": True}},
        {"mode": "nftables", "nftables": {"masqueradeAll": True}},
        {"mode": "nftables", "clusterCIDR": "10.244.0.0/16"},
        {"mode": "iptables", "clusterCIDR": "10.244.0.0/16", "detectLocalMode": "ClusterCIDR"},
    ],
    ids=str,
)
def test_kube_proxy_may_masquerade_in_each_mode(settings: dict[str, Any]) -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        items["ConfigMap/kube-proxy"] = _kube_proxy(**settings)

    assert not _failed(_verdicts(_cluster(change)))


_NO_WAY = "a pod does not reach a Service whose backend is on another node"


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        (
            # Somebody changed the mode, and nothing else.
            {"mode": "nftables", "iptables": {"masqueradeAll": True}},
            "kube-proxy's mode is nftables, and nftables.masqueradeAll is not true: ",
        ),
        (
            {"mode": "iptables", "clusterCIDR": "192.168.0.0/16"},
            "kube-proxy's mode is iptables, and iptables.masqueradeAll is not true: ",
        ),
        (
            {"clusterCIDR": "10.244.0.0/16", "detectLocalMode": "NodeCIDR"},
            "kube-proxy's mode is iptables, and iptables.masqueradeAll is not true: ",
        ),
    ],
    ids=["another mode", "a range that has pods", "another way to detect what is local"],
)
def test_kube_proxy_that_does_not_masquerade_is_named(
    settings: dict[str, Any], detail: str
) -> None:
    def change(items: dict[str, dict[str, Any]]) -> None:
        items["ConfigMap/kube-proxy"] = _kube_proxy(**settings)

    verdict = _verdicts(_cluster(change))["services-masqueraded"]
    assert verdict.details == (detail + _NO_WAY,)


def test_without_kube_proxy_nothing_is_asked_about_it() -> None:
    cluster = _cluster(lambda items: items.pop("ConfigMap/kube-proxy"))
    assert _verdicts(cluster)["services-masqueraded"].outcome is Outcome.NOT_RUN


_WAITS = "default/late is on worker and has no address: eth0 has none left there (worker-eth0)"


def _fill_eth0_of_the_worker(items: dict[str, dict[str, Any]]) -> None:
    late = _pod("test-app-1", "worker", "eth0", "")
    late["metadata"] |= {"name": "late", "uid": "late"}
    late["status"] = {"phase": "Pending"}
    items["Pod/late"] = late
    items["SpiderIPPool/worker-eth0"]["spec"]["ips"] = ["172.31.0.20"]


def test_a_pod_that_is_about_to_get_an_address_waits_for_nothing() -> None:
    def start(items: dict[str, dict[str, Any]]) -> None:
        _fill_eth0_of_the_worker(items)
        items["SpiderIPPool/worker-eth0"]["spec"]["ips"] = ["172.31.0.20-172.31.0.21"]

    assert _verdicts(_cluster(start))["no-pod-waits-on-a-node"].outcome is Outcome.PASSED


def test_where_addresses_are_not_counted_nothing_has_to_be_advertised() -> None:
    outputs = {key: value for key, value in _outputs().items() if key != "advertised"}
    cluster = read_cluster(_items(), outputs, local=False)
    assert _verdicts(cluster)["addresses-advertised"].outcome is Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        (
            lambda i: i["Node/worker"]["status"].update(conditions=[]),
            "nodes-ready",
            "worker is not Ready",
        ),
        (lambda i: i.pop("Node/worker"), "nodes-ready", "worker is not in the cluster"),
        (
            lambda i: i["Node/worker"]["metadata"].update(annotations={}),
            "metadata-rules",
            (
                "worker does not report whether pods reach 100.100.100.200: its unit does not "
                "run, or comes from an earlier release; then replace the machine"
            ),
        ),
        (
            lambda i: i["Node/worker"]["metadata"]["annotations"].update(
                {METADATA_FOR_PODS: "failed: Error"}
            ),
            "metadata-rules",
            "worker: 100.100.100.200 is failed: Error for pods, the stack has blocked",
        ),
        (
            lambda i: i["SpiderCoordinator/default"]["spec"].update(hijackCIDR=[]),
            "metadata-rules",
            "SpiderCoordinator default does not route 100.100.100.200 to the host",
        ),
        (
            lambda i: i["Node/worker"]["spec"].update(providerID="cn-hangzhou.i-other"),
            "provider-ids",
            "worker has cn-hangzhou.i-other, its instance is cn-hangzhou.i-worker",
        ),
        (
            lambda i: i["Node/worker"]["spec"].update(
                taints=[{"key": "node.cloudprovider.kubernetes.io/uninitialized"}]
            ),
            "nodes-initialized",
            "worker still carries the taint node.cloudprovider.kubernetes.io/uninitialized",
        ),
        (
            lambda i: i["SpiderIPPool/worker-eth1"]["spec"].update(gateway="192.168.0.1"),
            "pools-as-planned",
            "worker-eth1: gateway is 192.168.0.1, the stack has 192.168.0.253",
        ),
        (
            lambda i: i.pop("SpiderIPPool/worker-eth1"),
            "pools-as-planned",
            "there is no SpiderIPPool worker-eth1",
        ),
        (
            lambda i: i["Pod/test-app-1-worker"]["status"].update(podIPs=[{"ip": "172.31.0.11"}]),
            "pod-addresses-in-pools",
            f"default/test-app-1-worker has 172.31.0.11, {_NOT_IN_POOL}",
        ),
        (
            lambda i: i["Pod/test-app-1-worker"]["status"].update(podIPs=[{"ip": "172.31.0.10"}]),
            "addresses-once",
            "172.31.0.10 belongs to default/test-app-1-master and default/test-app-1-worker",
        ),
        (
            lambda i: i["SpiderIPPool/worker-eth0"]["status"].update(
                allocatedIPs="{}", allocatedIPCount=0
            ),
            "pool-status",
            "worker-eth0: a pod runs on 172.31.0.20, which the pool counts as free",
        ),
        (
            lambda i: i.pop("Pod/test-app-2-worker"),
            "pool-status",
            "worker-eth1: 192.168.0.20 is taken, and no pod runs on it",
        ),
        (
            lambda i: i["Node/worker"]["status"]["allocatable"].update({_resource("eth1"): "9"}),
            "addresses-advertised",
            _differing(9, 0),
        ),
        (
            lambda i: i["Pod/test-app-2-worker"]["spec"].update(containers=[{}]),
            "addresses-advertised",
            _differing(10, 1),
        ),
        (
            lambda i: _reserve(i, "192.168.0.21"),
            "addresses-advertised",
            _differing(10, 0, " and 1 are reserved or excluded"),
        ),
        (
            lambda i: i["SpiderIPPool/worker-eth1"]["spec"].update(ips=["192.168.0.20"]),
            "addresses-advertised",
            "worker eth1: the stack plans 10 addresses, the pool has 1",
        ),
        (_fill_eth0_of_the_worker, "no-pod-waits-on-a-node", _WAITS),
        (
            lambda i: i["Service/tcp-service"]["status"].update(loadBalancer={}),
            "service-addresses",
            "service tcp-service has no address",
        ),
    ],
)
def test_a_wrong_object_fails_its_check(
    change: Callable[[dict[str, dict[str, Any]]], object], check: str, detail: str
) -> None:
    verdict = _verdicts(_cluster(change))[check]
    assert verdict.outcome is Outcome.FAILED
    assert detail in verdict.details


@pytest.mark.parametrize(
    ("fails", "checks"),
    [
        ("172.31.0.20", {"pod-to-pod-same-network"}),
        ("172.31.0.4", {"pod-to-own-node", "pod-to-other-nodes"}),
        ("192.168.0.242", {"pod-to-own-node", "pod-to-other-nodes"}),
        (
            "192.168.0.20",
            {"pod-to-pod-other-network", "pod-to-pod-other-network-across-nodes"},
        ),
        ("10.233.0.9", {"cluster-ip"}),
        ("test-svc.default", {"dns"}),
        ("seen.example.com", {"egress"}),
        ("http://100.100.100.200/latest/meta-data/", {"metadata"}),
        ("47.0.0.1:999", {"load-balancer-tcp"}),
        ("47.0.0.2:80", {"load-balancer-tcp", "load-balancer-http"}),
    ],
)
def test_a_path_without_packets_fails_its_own_checks(fails: str, checks: set[str]) -> None:
    shell = Played(fails=fails)
    assert _failed(_verdicts(_cluster(), shell)) == checks


def test_a_load_balancer_before_the_sample_app_must_answer_a_request() -> None:
    shell = Played()
    _verdicts(_cluster(), shell)
    assert {"47.0.0.1:999", "47.0.0.2:80"} <= set(shell.requested)
    assert not shell.connected


@pytest.mark.parametrize(
    "change",
    [
        lambda service: service["spec"].update(selector={"app": "database"}),
        lambda service: service["metadata"].update(annotations={PROTOCOL_PORT: "https:999"}),
    ],
)
def test_before_another_app_or_with_https_a_connection_is_enough(
    change: Callable[[dict[str, Any]], object],
) -> None:
    shell = Played()
    _verdicts(_cluster(lambda items: change(items["Service/tcp-service"])), shell)
    assert "47.0.0.1:999" in shell.connected


def test_pods_with_ipv6_ping_pods_and_nodes_by_both_families() -> None:
    twins = {"172.31.0.4": "fd00::4", "172.31.0.20": "fd00::20", "192.168.0.20": "fd00:1::20"}

    def with_ipv6(items: dict[str, dict[str, Any]]) -> None:
        for key in ("Pod/test-app-1-master", "Pod/test-app-1-worker", "Pod/test-app-2-worker"):
            own = items[key]["status"]["podIPs"]
            own.append({"ip": twins.get(own[0]["ip"], "fd00::10")})

    items = {f"{i['kind']}/{i['metadata']['name']}": i for i in _items()}
    with_ipv6(items)
    outputs = _outputs()
    outputs["nodes"]["worker"]["interfaces"]["eth0"]["ipv6"] = twins
    shell = Played()
    _verdicts(read_cluster(list(items.values()), outputs, local=False), shell)
    pinged = {(pod, words[-1]) for pod, *words in shell.ran if words[0] == "ping"}
    assert {("test-app-1-master", address) for address in twins.values()} <= pinged
    assert ("test-app-1-worker", "fd00::4") in pinged


def test_pods_without_ipv6_ping_no_ipv6_address() -> None:
    outputs = _outputs()
    outputs["nodes"]["worker"]["interfaces"]["eth0"]["ipv6"] = {"172.31.0.4": "fd00::4"}
    shell = Played()
    _verdicts(read_cluster(_items(), outputs, local=False), shell)
    assert not [words for words in shell.ran if ":" in words[-1] and words[1] == "ping"]


def test_egress_by_another_address_than_the_nats_fails() -> None:
    cluster = _cluster()
    other = read_cluster(_items(), {**_outputs(), "natAddress": "47.98.7.7"}, local=False)
    assert "egress" in _failed(_verdicts(other))
    assert "egress" not in _failed(_verdicts(cluster))


def test_a_pod_with_ipv6_asks_for_the_nats_address_by_ipv4() -> None:
    cluster = _cluster(lambda i: i["Pod/test-app-1-worker"]["status"]["podIPs"].append(_IPV6))
    shell = Played()
    verify(packet_checks("http://seen.example.com:8080/ip"), cluster, shell, done=lambda: None)
    [with_ipv6] = [words for words in shell.ran if words[-3:-1] == ("seen.example.com", ":8080")]
    assert (with_ipv6[0], with_ipv6[-1]) == ("test-app-1-worker", "/ip")
    assert "nslookup -type=a" in with_ipv6[3]
    without = [words for words in shell.ran if words[0] == "test-app-1-master"]
    assert any(words[-1] == "http://seen.example.com:8080/ip" for words in without)


@pytest.mark.parametrize("seen", ["172.31.0.4", "100.64.3.2"])
def test_a_client_that_is_seen_as_the_cluster_itself_fails(seen: str) -> None:
    assert _failed(_verdicts(_cluster(), Played(sees=seen))) == {"client-address-kept"}


def test_without_sample_apps_packets_are_not_run_and_not_passed() -> None:
    def without(items: dict[str, dict[str, Any]]) -> None:
        for key in [key for key in items if key.startswith("Pod/")]:
            items.pop(key)

    verdicts = _verdicts(_cluster(without))
    for name in ("pod-to-own-node", "cluster-ip", "dns", "egress"):
        assert verdicts[name].outcome is Outcome.NOT_RUN
        assert "sampleApps.enabled: true" in verdicts[name].details[0]


def test_junit_skips_what_was_not_simulated_and_names_causes_of_failures() -> None:
    broken = _cluster(lambda items: items.pop("Node/worker"), simulated=True)
    verdicts = list(_verdicts(broken).values())
    suite = ET.fromstring(junit_text("local", verdicts))  # noqa: S314 - our own text
    unasked = sum(v.outcome is Outcome.NOT_SIMULATED for v in verdicts)
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["skipped"] == str(unasked) == str(len(suite.findall("*/skipped")))
    text = suite.findtext("testcase/failure")
    assert text is not None
    assert "likely: its bootstrap failed" in text


def test_json_has_every_check_with_its_verdict() -> None:
    verdicts = list(_verdicts(_cluster(simulated=True)).values())
    document: Any = verdict_document("local", verdicts)
    assert [c["name"] for c in document["checks"]] == [check.name for check in CHECKS]
    assert {c["verdict"] for c in document["checks"]} == {"passed", "not simulated"}


def test_the_summary_counts_each_outcome_apart() -> None:
    verdicts = list(_verdicts(_cluster(simulated=True)).values())
    assert summary(verdicts) == "12 passed, 13 not simulated"


def test_every_check_says_what_it_does_why_it_fails_and_where_to_look() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.how
        assert check.cause
        assert check.look
