"""The scheduler counts addresses: on the guide's stack every address of every NIC runs a pod.

Shares the deployment of test_local_stack.py, and leaves it as it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from planning.spiderpool.network_annotations import DEFAULT_NETWORK, NETWORKS
from tests.engine.clouds.local_cloud import CLUSTER, SecondCloud, deployed, second_cloud
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

FILLING = "filling"
NICS = ("eth0", "eth1")
SIZE = 5
"""Pod addresses of each NIC in the guide."""
ADVERTISED_WITHIN = 60.0
MANY = 60
"""Enough pods to fill both NICs: a fair coin never puts fewer than 10 of 60 on one in practice."""


def resource(nic: str) -> str:
    return f"spiderpool-alicloud.io/{nic}-addresses"


@pytest.fixture
def stack(deployed: SecondCloud) -> Iterator[SecondCloud]:
    """The deployment with an empty namespace, once all nodes advertise what they have."""
    deployed.run("kubectl", "create", "namespace", FILLING, check=True)
    allowed = "pod-security.kubernetes.io/enforce=privileged"
    deployed.run("kubectl", "label", "namespace", FILLING, allowed, check=True)
    try:
        until("nodes advertise", ADVERTISED_WITHIN, lambda: advertised(deployed) == free(deployed))
        yield deployed
    finally:
        wait = ("--wait", "--timeout=120s")
        deployed.run("kubectl", "delete", "namespace", FILLING, *wait, deadline=150)


def advertised(stack: SecondCloud) -> dict[tuple[str, str], int]:
    """The addresses that the Node advertises to the scheduler, by node and NIC."""
    return {
        (node["metadata"]["name"], nic): int(node["status"]["allocatable"].get(resource(nic), -1))
        for node in stack.kubectl("get", "nodes")["items"]
        for nic in NICS
    }


def allocated(stack: SecondCloud) -> Counter[tuple[str, str]]:
    """The addresses that the pool has allocated, by node and NIC."""
    counts: Counter[tuple[str, str]] = Counter()
    for pool in stack.kubectl("get", "spiderippools")["items"]:
        node, _, nic = pool["metadata"]["name"].rpartition("-")
        counts[node, nic] += len(json.loads(pool["status"].get("allocatedIPs") or "{}"))
    return counts


def free(stack: SecondCloud) -> dict[tuple[str, str], int]:
    return {
        (node, nic): SIZE - allocated(stack)[node, nic]
        for node in ("master", "worker")
        for nic in NICS
    }


def deploy(
    stack: SecondCloud,
    name: str,
    replicas: int,
    node: str | None = None,
    kind: str = "Deployment",
    **annotations: str,
) -> None:
    template: dict[str, Any] = {
        "metadata": {"labels": {"app": name}, "annotations": annotations},
        "spec": {
            "containers": [{"name": "app", "image": "docker.io/library/busybox"}],
            "terminationGracePeriodSeconds": 0,
        },
    }
    if node is not None:
        template["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": template,
    }
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    create(stack, {"apiVersion": "apps/v1", "kind": kind, "spec": spec}, name)


def create(stack: SecondCloud, document: dict[str, Any], name: str, **annotations: str) -> None:
    metadata = {"name": name, "namespace": FILLING, "annotations": annotations}
    text = json.dumps(document | {"metadata": metadata})
    stack.run("kubectl", "create", "-f", "-", stdin=text, check=True)


def holders(stack: SecondCloud) -> set[str]:
    """Uids of the pods that have an address of a pool."""
    return {
        record["podUid"]
        for pool in stack.kubectl("get", "spiderippools")["items"]
        for record in json.loads(pool["status"].get("allocatedIPs") or "{}").values()
    }


def lone_pod(**spec: Any) -> dict[str, Any]:  # noqa: ANN401
    containers = [{"name": "app", "image": "docker.io/library/busybox"}]
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers, **spec}}


def pods(stack: SecondCloud) -> list[dict[str, Any]]:
    return [
        pod
        for pod in stack.kubectl("get", "pods", "-n", FILLING)["items"]
        if "deletionTimestamp" not in pod["metadata"]
    ]


def running(stack: SecondCloud) -> list[dict[str, Any]]:
    return [pod for pod in pods(stack) if pod["status"]["phase"] == "Running"]


def nic_of(pod: dict[str, Any]) -> str:
    (nic,) = (
        nic
        for nic in NICS
        if resource(nic) in pod["spec"]["containers"][0]["resources"].get("requests", {})
    )
    return nic


def by_place(on_nodes: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((pod["spec"]["nodeName"], nic_of(pod)) for pod in on_nodes)


def expect_waiting_at_the_scheduler(stack: SecondCloud) -> None:
    """Every pod that does not run has no node, and the scheduler names the NIC."""
    for pod in pods(stack):
        if pod["status"]["phase"] == "Running":
            continue
        assert pod["status"]["phase"] == "Pending", pod["status"]
        assert "nodeName" not in pod["spec"], pod["status"]
        (scheduled,) = (c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
        assert f"Insufficient {resource(nic_of(pod))}" in scheduled["message"]


def test_plain_pods_fill_both_nics_of_both_nodes_and_the_rest_waits(stack: SecondCloud) -> None:
    room = free(stack)
    deploy(stack, "plain", MANY)
    until(
        "every free address runs a pod",
        180,
        lambda: by_place(running(stack)) == Counter(room) and len(pods(stack)) == MANY,
    )
    expect_waiting_at_the_scheduler(stack)
    assert set(allocated(stack).values()) == {SIZE}
    for pod in running(stack):
        network = pod["metadata"].get("annotations", {}).get(DEFAULT_NETWORK)
        assert network == (None if nic_of(pod) == "eth0" else "kube-system/ipvlan-eth1")

    gone = next(pod for pod in running(stack) if nic_of(pod) == "eth1")
    place = (gone["spec"]["nodeName"], "eth1")
    before = {pod["metadata"]["name"] for pod in running(stack)}
    name = gone["metadata"]["name"]
    stack.run("kubectl", "delete", "pod", "-n", FILLING, name, "--wait", check=True)
    successors = until(
        "the next pod starts on the address",
        60,
        lambda: [p for p in running(stack) if p["metadata"]["name"] not in before],
    )
    assert by_place(successors) == {place: 1}
    assert all(pod["status"]["phase"] != "Failed" for pod in pods(stack))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_twenty_plain_pods_run_on_as_many_addresses_as_both_nics_have(
    stack: SecondCloud, kind: str
) -> None:
    """Pods of a Deployment draw until its namespace's quota agrees; numbered pods take turns."""
    if kind == "Deployment":
        share = {f"requests.{resource(nic)}": "10" for nic in NICS}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": share}}
        create(stack, quota, "shares")
    room = free(stack)
    deploy(stack, "plain", 20, kind=kind)
    until(
        "every free address runs a pod",
        120,
        lambda: by_place(running(stack)) == Counter(room) and len(pods(stack)) == 20,
    )
    expect_waiting_at_the_scheduler(stack)
    assert set(allocated(stack).values()) == {SIZE}

    (waiting, *_) = (pod for pod in pods(stack) if pod["status"]["phase"] == "Pending")
    ending = next(pod for pod in running(stack) if nic_of(pod) == nic_of(waiting))
    place = (ending["spec"]["nodeName"], nic_of(waiting))
    before = {pod["metadata"]["uid"] for pod in running(stack)}
    name = ending["metadata"]["name"]
    stack.run("kubectl", "delete", "pod", "-n", FILLING, name, "--wait", check=True)
    successors = until(
        "the next pod starts on the address",
        60,
        lambda: [p for p in running(stack) if p["metadata"]["uid"] not in before],
    )
    assert by_place(successors) == {place: 1}


def test_pods_on_one_nic_leave_the_other_alone_and_the_hosts_network_counts_nothing(
    stack: SecondCloud,
) -> None:
    room = free(stack)
    deploy(stack, "first", 20, **{DEFAULT_NETWORK: "kube-system/ipvlan-eth0"})
    expected = Counter({place: n for place, n in room.items() if place[1] == "eth0"})
    until("eth0 is full", 120, lambda: by_place(running(stack)) == expected)
    expect_waiting_at_the_scheduler(stack)
    assert {n for (_, nic), n in allocated(stack).items() if nic == "eth1"} == {
        SIZE - n for (_, nic), n in room.items() if nic == "eth1"
    }
    create(stack, lone_pod(hostNetwork=True), "host")
    create(stack, lone_pod(), "second", **{DEFAULT_NETWORK: "kube-system/ipvlan-eth1"})
    names = {"host", "second"}
    until(
        "eth1 and the host's network take pods",
        60,
        lambda: names <= {pod["metadata"]["name"] for pod in running(stack)},
    )


def test_a_pod_with_two_networks_takes_one_address_of_each(stack: SecondCloud) -> None:
    before = allocated(stack)
    create(stack, lone_pod(), "both", **{NETWORKS: "kube-system/ipvlan-eth1@net1"})
    (pod,) = until("it runs", 60, lambda: running(stack))
    resources = pod["spec"]["containers"][0]["resources"]
    asked = {resource(nic): "1" for nic in NICS}
    assert (resources["requests"], resources["limits"]) == (asked, asked)
    node = pod["spec"]["nodeName"]
    assert allocated(stack) - before == {(node, nic): 1 for nic in NICS}


def test_a_pod_that_has_ended_frees_its_address_before_the_scheduler_gives_it_away(
    stack: SecondCloud,
) -> None:
    """Twenty short pods use few addresses one after the other; none waits on a node or fails."""
    for n in range(20):
        create(
            stack,
            lone_pod(restartPolicy="Never"),
            f"short-{n}",
            **{DEFAULT_NETWORK: "kube-system/ipvlan-eth0"},
        )

    late: set[str] = set()

    def all_have_ended() -> bool:
        listed = pods(stack)
        ended = {p["metadata"]["uid"] for p in listed if p["status"]["phase"] == "Succeeded"}
        # The pools are read later: what the API server calls ended has no address any more.
        late.update(ended & holders(stack))
        return len(ended) == len(listed) == 20

    until("all of them have ended well", 120, all_have_ended)
    assert late == set()
    events = stack.kubectl("get", "events", "-n", FILLING)["items"]
    assert [e["message"] for e in events if e["reason"] == "FailedCreatePodSandBox"] == []


def test_a_pod_that_follows_one_deleted_by_force_starts_and_does_not_fail(
    stack: SecondCloud,
) -> None:
    """The API server forgets the pod at once, and its address is free only after the CNI's DEL."""
    room = free(stack)["worker", "eth0"]
    deploy(stack, "tight", room + 1, node="worker", **{DEFAULT_NETWORK: "kube-system/ipvlan-eth0"})
    until("eth0 of the worker is full", 60, lambda: len(running(stack)) == room)
    seen = {pod["metadata"]["uid"] for pod in running(stack)}
    name = running(stack)[0]["metadata"]["name"]
    stack.run(
        "kubectl",
        "delete",
        "pod",
        "-n",
        FILLING,
        name,
        "--grace-period=0",
        "--force",
        check=True,
    )

    phases: set[str] = set()

    def successors() -> list[dict[str, Any]]:
        phases.update(pod["status"]["phase"] for pod in pods(stack))
        return [pod for pod in running(stack) if pod["metadata"]["uid"] not in seen]

    (successor,) = until("the pod that waited starts", 60, successors)
    assert phases <= {"Pending", "Running"}
    assert by_place([successor]) == {("worker", "eth0"): 1}


@pytest.fixture
def dense(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    """The guide's stack whose worker has 10 addresses on eth0, and three prefixes on eth1."""
    cloud = second_cloud(tmp_path_factory.mktemp("dense") / "home")
    document = yaml.safe_load(cloud.config_file.read_text())
    cluster = document["config"][CLUSTER]
    secondary = cluster["network"]["subnets"]["secondary"]["zones"]["cn-hangzhou-i"]
    secondary["prefixReservation"] = "192.168.0.64/26"
    cluster["nodePools"]["workers"] |= {
        "instanceType": "ecs.g7.4xlarge",
        "firstBlock": 1,
        "prefixBlockSize": 64,
        "interfaces": {
            "eth0": {"subnet": "primary", "podAddresses": 10},
            "eth1": {"subnet": "secondary", "mode": "prefix", "podAddresses": 48},
        },
        "nodes": {"worker": {"ordinal": 0}},
    }
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    with deployed(cloud):
        cloud.run("kubectl", "create", "namespace", FILLING, check=True)
        yield cloud


def test_a_dense_worker_runs_a_pod_on_each_of_its_addresses(dense: SecondCloud) -> None:
    until(
        "the worker advertises",
        ADVERTISED_WITHIN,
        lambda: advertised(dense)["worker", "eth1"] == 48,
    )
    deploy(dense, "plain", 140, node="worker")
    until("58 addresses of the worker are in use", 240, lambda: allocated_on(dense, "worker") == 58)
    expect_waiting_at_the_scheduler(dense)
    # Some of them may be CoreDNS, which is from before the policies.
    others = [
        pod
        for pod in dense.kubectl("get", "pods", "-n", "kube-system")["items"]
        if pod["spec"].get("nodeName") == "worker" and not pod["spec"].get("hostNetwork")
    ]
    assert len(running(dense)) + len(others) == 58


def allocated_on(stack: SecondCloud, node: str) -> int:
    return sum(count for (owner, _), count in allocated(stack).items() if owner == node)


def set_eth1(path: Path, first: str, count: int) -> None:
    document = yaml.safe_load(path.read_text())
    workers = document["config"][CLUSTER]["nodePools"]["workers"]
    workers["interfaces"]["eth1"]["podAddresses"] = count
    addresses = [f"{first}-192.168.0.165"]
    workers["nodes"]["worker"]["interfaces"]["eth1"]["podAddresses"] = addresses
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def test_the_count_follows_an_edit_of_a_live_node(stack: SecondCloud) -> None:
    text = stack.config_file.read_text()
    chosen = {DEFAULT_NETWORK: "kube-system/ipvlan-eth0"}
    create(stack, lone_pod(nodeName="worker"), "stays", **chosen)
    until("the pod runs, and those of the other tests are gone", 180, lambda: is_alone(stack))
    before = {n["metadata"]["name"]: ready_since(n) for n in nodes(stack)}
    (stays,) = running(stack)
    try:
        for first, count in (("192.168.0.164", 2), ("192.168.0.161", SIZE)):
            set_eth1(stack.config_file, first, count)
            done = stack.pulumi("up", "--yes", "--skip-preview", "--suppress-progress")
            assert done.status == 0, stack.explain(done)
            until(
                f"{count} are advertised",
                ADVERTISED_WITHIN,
                lambda count=count: advertised(stack)["worker", "eth1"] == count,
            )
    finally:
        stack.config_file.write_text(text)
    assert {n["metadata"]["name"]: ready_since(n) for n in nodes(stack)} == before
    (still,) = running(stack)
    assert still["metadata"]["uid"] == stays["metadata"]["uid"]
    assert still["status"]["podIP"] == stays["status"]["podIP"]


def is_alone(stack: SecondCloud) -> bool:
    """Whether one pod runs, and pods that end have given their addresses back."""
    all_pods = stack.kubectl("get", "pods", "-n", FILLING)["items"]
    return len(all_pods) == 1 and len(running(stack)) == 1


def nodes(stack: SecondCloud) -> list[dict[str, Any]]:
    return list(stack.kubectl("get", "nodes")["items"])


def ready_since(node: dict[str, Any]) -> tuple[str, str]:
    (ready,) = (c for c in node["status"]["conditions"] if c["type"] == "Ready")
    return ready["status"], ready["lastTransitionTime"]
