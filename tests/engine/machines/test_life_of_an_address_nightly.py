"""The life of a pod's address by packets: pools fill and empty, pods move, the agent restarts.

A connection between two pods of the lab's virtual workers lives through all of it. The fabric
counts what an ENI sends from an address or a MAC that it does not have: nothing of it may be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest

from tests.engine.machines.lab import CLIENT, PODS_WITHIN, SERVER, Lab
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(9000)]

HERE, THERE = "worker", "second"
FILLING, MOVING = "filling", "moving"
OUTPUT: Final = "/run/lasting-connection"
_SERVE: Final = """
import socket, sys
connection, _ = socket.create_server((sys.argv[1], 7002)).accept()
while message := connection.recv(64):
    connection.sendall(message)
"""
_HOLD: Final = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 7002), timeout=60)
sent = 0
while True:
    connection.sendall(b"still there")
    assert connection.recv(64) == b"still there"
    sent += 1
    print(sent, flush=True)
    time.sleep(0.5)
"""
_IN_THE_BACKGROUND: Final = """
program=$1; shift
setsid nsenter --net --target "$pid" python3 -c "$program" "$@" > "$OUTPUT" 2>&1 < /dev/null &
echo $!
"""


@contextmanager
def lasting_connection(lab: Lab) -> Iterator[None]:
    """A TCP connection from a pod to one on the other node; at the end it must still be alive."""
    address = lab.pod(SERVER, THERE)["status"]["podIP"]
    script = _IN_THE_BACKGROUND.replace("$OUTPUT", OUTPUT)
    server = lab.run_beside(THERE, SERVER, script, _SERVE, address).split()[-1]
    client = lab.run_beside(HERE, CLIENT, script, _HOLD, address).split()[-1]
    try:
        until("the connection", PODS_WITHIN, lambda: messages(lab) > 0)
        yield
        before = messages(lab)
        until("one more message", PODS_WITHIN, lambda: messages(lab) > before)
    finally:
        for node, process in ((HERE, client), (THERE, server)):
            lab.run(node, "bash", "-c", 'kill "$1" || true', "end", process)


def messages(lab: Lab) -> int:
    """How many messages were answered so far. The connection's end is an AssertionError."""
    lines = lab.run(HERE, "cat", OUTPUT).split("\n")
    assert not any("Error" in line for line in lines), lines
    return int(([line for line in lines if line.strip().isdigit()] or ["0"])[-1])


def app(name: str, kind: str, node: str, replicas: int) -> dict[str, Any]:
    """Pods on eth0 of one node, which end at once."""
    labels = {"app": name}
    container = {
        "name": "app",
        "image": "docker.io/library/busybox:1.37.0",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap exit TERM; while :; do sleep 3600 & wait; done"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"v1.multus-cni.io/default-network": "kube-system/ipvlan-eth0"},
                },
                "spec": {
                    "nodeSelector": {"kubernetes.io/hostname": node},
                    "containers": [container],
                },
            },
            **({"serviceName": name} if kind == "StatefulSet" else {}),
        },
    }


@contextmanager
def deployed(lab: Lab, *objects: Mapping[str, Any]) -> Iterator[None]:
    apply(lab, *objects)
    try:
        yield
    finally:
        for each in objects:
            which = f"{each['kind']}/{each['metadata']['name']}"
            lab.cloud.run("kubectl", "delete", which, "--wait=false", check=True)
        until("no pod", PODS_WITHIN, lambda: not addresses(lab, FILLING, MOVING, ready=False))


def apply(lab: Lab, *objects: Mapping[str, Any]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    lab.cloud.run("kubectl", "apply", "--filename", "-", stdin=text, check=True)


def addresses(lab: Lab, *apps: str, ready: bool = True) -> dict[str, str]:
    """Pod → its address; empty text without one."""
    selector = ("--selector", f"app in ({','.join(apps)})")
    pods = lab.cloud.kubectl("get", "pods", *selector)["items"]
    return {
        pod["metadata"]["name"]: pod["status"].get("podIP", "")
        for pod in pods
        if not ready or _is_ready(pod)
    }


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def free_addresses(lab: Lab, node: str) -> int:
    pool = lab.cloud.kubectl("get", "spiderippool", f"{node}-eth0")["status"]
    return int(pool["totalIPCount"]) - int(pool.get("allocatedIPCount") or 0)


def answers_ping(lab: Lab, address: str) -> bool:
    pod = lab.pod(CLIENT, HERE)["metadata"]["name"]
    command = ("kubectl", "exec", pod, "--", "ping", "-c", "2", "-W", "3", address)
    return lab.cloud.run(*command, deadline=PODS_WITHIN).status == 0


def strangers(lab: Lab) -> tuple[int, int]:
    """Frames from an address and from a MAC that an ENI does not have."""
    frames = lab.frames()
    return frames["foreign_address"], frames["foreign_mac"]


def test_a_pool_fills_and_its_addresses_come_back_while_connections_live(lab: Lab) -> None:
    before, free = strangers(lab), free_addresses(lab, THERE)
    assert free
    with lasting_connection(lab), deployed(lab, app(FILLING, "Deployment", THERE, free + 1)):
        until("a full pool", PODS_WITHIN, lambda: len(addresses(lab, FILLING)) == free)
        assert free_addresses(lab, THERE) == 0
        first = addresses(lab, FILLING)
        assert len(set(first.values())) == free
        assert all(answers_ping(lab, address) for address in first.values())
        [waiting] = set(addresses(lab, FILLING, ready=False)) - set(first)
        # One address is free again, so the next pod gets it, and answers at it.
        ended = next(iter(first))
        lab.cloud.run("kubectl", "scale", "deployment", FILLING, f"--replicas={free}", check=True)
        lab.cloud.run("kubectl", "delete", "pod", ended, check=True, deadline=PODS_WITHIN)
        until("all again", PODS_WITHIN, lambda: len(addresses(lab, FILLING)) == free)
        assert set(addresses(lab, FILLING).values()) == set(first.values())
        assert answers_ping(lab, first[ended])
        assert waiting
    assert strangers(lab) == before


def test_a_statefulsets_pod_moves_and_answers_at_an_address_of_its_new_node(lab: Lab) -> None:
    before = strangers(lab)
    with lasting_connection(lab), deployed(lab, app(MOVING, "StatefulSet", HERE, 1)):
        until("the pod", PODS_WITHIN, lambda: len(addresses(lab, MOVING)) == 1)
        [old] = addresses(lab, MOVING).values()
        apply(lab, app(MOVING, "StatefulSet", THERE, 1))
        until("the pod", PODS_WITHIN, lambda: addresses(lab, MOVING).get(f"{MOVING}-0", old) != old)
        [new] = addresses(lab, MOVING).values()
        pool = lab.cloud.kubectl("get", "spiderippool", f"{THERE}-eth0")
        assert new in json.loads(pool["status"]["allocatedIPs"])
        assert answers_ping(lab, new)
        assert not answers_ping(lab, old)
    assert strangers(lab) == before


def test_a_connection_lives_through_a_restart_of_the_agent(lab: Lab) -> None:
    before = strangers(lab)
    where = ("--namespace", "kube-system", "daemonset/spiderpool-agent")
    with lasting_connection(lab):
        lab.cloud.run("kubectl", "rollout", "restart", *where, check=True)
        lab.cloud.run("kubectl", "rollout", "status", *where, check=True, deadline=PODS_WITHIN)
    assert strangers(lab) == before


def test_afterwards_no_address_is_taken_twice_and_every_packet_arrives(lab: Lab) -> None:
    checks = lab.verdicts()
    assert {c["verdict"] for c in checks.values()} == {"passed"}
