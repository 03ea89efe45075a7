"""Attacks by a stranger who has a pod, a kept token, the API server's address, or one node."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from planning.nodes.machine import ENCRYPTION_KEYS, LEAVE_ETCD, SETTINGS, SETTINGS_FAILED
from planning.nodes.metadata_guard import TABLE
from tests.engine.clouds.local_cloud import SecondCloud
from tests.engine.control_planes.kept_token import (
    REFUSED,
    answer_to_the_kept_token,
    secrets_of,
    status_of,
)
from tests.localcloud.machines.fake_cloud import until
from tests.planning.documents import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

METADATA = "100.100.100.200"
UNIT_WITHIN = 60.0
"""A node's unit runs every 15 seconds."""
NODES = ("master", "worker")


def on_the_machine(cloud: SecondCloud, node: str, command: str) -> subprocess.CompletedProcess[str]:
    instance = cloud.outputs()["nodes"][node]["instanceId"]
    session = [sys.executable, "-m", "localcloud.machines.session", "--home"]
    return subprocess.run(  # noqa: S603 - our own program
        [*session, str(cloud.places.home), instance, "--", "bash", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT / "local")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("node", NODES)
def test_every_machine_drops_what_pods_send_to_the_metadata_service(
    served: SecondCloud, node: str
) -> None:
    rules = on_the_machine(served, node, "nft list ruleset").stdout
    interfaces = served.outputs()["nodes"][node]["interfaces"]
    assert f"table inet {TABLE} {{" in rules
    assert "type filter hook forward" in rules
    for nic in interfaces:
        assert f"type filter hook egress device {nic} " in rules
    # One for what is forwarded, and one for each NIC; only the machine's own addresses pass.
    drops = [line.strip() for line in rules.splitlines() if line.endswith(" drop")]
    assert len(drops) == 1 + len(interfaces)
    own = ", ".join(interfaces[nic]["primary"] for nic in sorted(interfaces))
    assert set(drops) == {
        f"ip daddr {METADATA} drop",
        f"ip daddr {METADATA} ip saddr != {{ {own} }} drop",
    }


def test_a_pod_has_its_route_to_the_metadata_service_by_the_host(served: SecondCloud) -> None:
    (coordinator,) = served.kubectl("get", "spidercoordinators")["items"]
    assert f"{METADATA}/32" in coordinator["spec"]["hijackCIDR"]


@pytest.mark.parametrize("node", NODES)
def test_the_machine_itself_goes_on_reaching_it(served: SecondCloud, node: str) -> None:
    ask = (
        f"token=$(curl -sSf -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 60' "
        f"http://{METADATA}/latest/api/token) && curl -sSf "
        f'-H "X-aliyun-ecs-metadata-token: $token" http://{METADATA}/latest/meta-data/instance-id'
    )
    answer = on_the_machine(served, node, ask)
    assert answer.stdout == served.outputs()["nodes"][node]["instanceId"], answer.stderr


def test_rules_that_somebody_flushed_come_back(served: SecondCloud) -> None:
    def blocked() -> bool:
        return METADATA in on_the_machine(served, "worker", "nft list ruleset").stdout

    assert blocked()
    # In one command: the unit may load the rules again a moment later.
    flushed = on_the_machine(served, "worker", "nft flush ruleset && nft list ruleset")
    assert (flushed.returncode, METADATA in flushed.stdout) == (0, False)
    until("the node's unit has loaded its rules", UNIT_WITHIN, blocked)


def test_a_token_that_was_kept_is_no_longer_one(served: SecondCloud) -> None:
    assert answer_to_the_kept_token(served) == REFUSED
    # Nothing is signed with it any more, so that no machine takes a cluster for this one by it.
    signed = served.kubectl("get", "configmap", "cluster-info", "-n", "kube-public")["data"]
    identifier = secrets_of(served).bootstrap_token.partition(".")[0]
    assert f"jws-kubeconfig-{identifier}" not in signed


def test_a_request_without_a_name_reads_nothing(served: SecondCloud) -> None:
    for path in ("/api/v1/nodes", "/api/v1/namespaces/kube-system/secrets", "/apis"):
        assert status_of(served, path) == REFUSED


@contextmanager
def secret_of_a_pod(cloud: SecondCloud, node: str) -> Iterator[str]:
    """A Secret that one pod mounts, which is bound to that node; where pods may take the host."""
    name = f"strangers-{node}"
    metadata = {"name": name, "namespace": "kube-system"}
    data = {"word": base64.b64encode(b"hidden").decode()}
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "containers": [container],
            "volumes": [{"name": "s", "secret": {"secretName": name}}],
        },
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    file = cloud.places.home / f"{name}.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [secret, pod]}))
    cloud.run("kubectl", "apply", "-f", str(file), check=True)
    try:
        yield name
    finally:
        cloud.run("kubectl", "delete", "-f", str(file), "--wait=false", "--now", check=True)


def test_one_nodes_certificate_does_not_reach_another_nodes_secret(served: SecondCloud) -> None:
    kubectl = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s"

    def read(node: str, name: str) -> subprocess.CompletedProcess[str]:
        return on_the_machine(served, node, f"{kubectl} get secret -n kube-system {name} -o name")

    with secret_of_a_pod(served, "master") as name:
        # The graph that the authorizer asks follows the pod a moment later.
        until("its own node reads it", 20, lambda: read("master", name).returncode == 0)
        refused = read("worker", name)
    assert refused.returncode != 0
    assert "no relationship found between node 'worker' and this object" in refused.stderr
    everything = on_the_machine(served, "worker", f"{kubectl} get secrets -A")
    assert "Forbidden" in everything.stderr
    other = on_the_machine(served, "worker", f"{kubectl} annotate node master stranger=was-here")
    assert "only its own Node object" in other.stderr


def test_a_program_that_may_patch_nodes_gives_no_machine_an_order(served: SecondCloud) -> None:
    account, role = "strangers-labeller", "strangers-labeller"
    verbs = "--verb=get,patch,update"
    create = ("create", "clusterrole", role, verbs, "--resource=nodes,nodes/status")
    bind = (f"--clusterrole={role}", f"--serviceaccount=default:{account}")
    served.run("kubectl", "create", "serviceaccount", account, check=True)
    served.run("kubectl", *create, check=True)
    served.run("kubectl", "create", "clusterrolebinding", role, *bind, check=True)
    who = ("--as", f"system:serviceaccount:default:{account}")

    def annotate(annotation: str) -> str:
        return served.run(
            "kubectl", "annotate", "--overwrite", "node", "master", annotation, *who
        ).err

    try:
        until("the role is in effect", 20, lambda: not annotate("strangers.example.com/was=here"))
        for order in (SETTINGS, LEAVE_ETCD):
            assert "are orders to its machine" in annotate(f"{order}=now")
        assert "are answers of its machine" in annotate(f"{ENCRYPTION_KEYS}=identity")
        status = ("--subresource=status", "--type=merge")
        patch = json.dumps({"metadata": {"annotations": {SETTINGS: "now"}}})
        by_status = served.run("kubectl", "patch", "node", "master", *status, "-p", patch, *who)
        assert "are orders to its machine" in by_status.err
    finally:
        for kind in ("clusterrolebinding", "clusterrole", "serviceaccount"):
            served.run("kubectl", "delete", kind, role, "--ignore-not-found", check=True)
        served.run("kubectl", "annotate", "node", "master", "strangers.example.com/was-")


def test_a_nodes_certificate_gives_its_own_machine_no_order(served: SecondCloud) -> None:
    kubectl = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s"
    annotate = f"{kubectl} annotate --overwrite node master"
    refused = on_the_machine(served, "master", f"{annotate} {SETTINGS}=now")
    assert "are orders to its machine" in refused.stderr
    answer = on_the_machine(served, "master", f"{annotate} {SETTINGS_FAILED}-")
    assert answer.returncode == 0, answer.stderr
