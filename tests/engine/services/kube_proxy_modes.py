"""What the real kube-proxy does with a packet, by its mode: run in network namespaces of its own.

    unshare --net --mount python -m tests.engine.services.kube_proxy_modes FOLDER

A node with two addresses, a pod and a backend on another node, each in a network namespace behind
a veth pair; etcd and an API server on the node's loopback. Prints a JSON object: for each case
what the backend sees as the client of a ClusterIP, and what it sees by a NodePort on each address
of the node. `null` means no connection.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import yaml

from operations.engine.places import ROOT
from tests.patience import end_of_wait
from tests.toolchain.kubernetes_provider.servers.real_cluster import RealCluster

PRIMARY: Final = "10.2.0.1"
SECOND: Final = "10.1.0.1"
POD: Final = "10.1.0.2"
BACKEND: Final = "10.2.0.2"
CLUSTER_IP: Final = "10.233.0.50"
NODE_PORT: Final = 30080
_SYNCED_WITHIN: Final = 120.0
"""Seconds until kube-proxy has written its rules."""
_PODS_INSIDE: Final = "10.1.0.0/24"
_NO_POD_INSIDE: Final = "10.244.0.0/16"

CASES: Final[dict[str, dict[str, Any]]] = {
    "iptables": {
        "mode": "iptables",
        "iptables": {"masqueradeAll": True},
        "clusterCIDR": _PODS_INSIDE,
    },
    "iptables, pods inside": {"mode": "iptables", "clusterCIDR": _PODS_INSIDE},
    "nftables": {
        "mode": "nftables",
        "nftables": {"masqueradeAll": True},
        "clusterCIDR": _PODS_INSIDE,
    },
    "nftables, no pod inside": {"mode": "nftables", "clusterCIDR": _NO_POD_INSIDE},
    "nftables, pods inside": {"mode": "nftables", "clusterCIDR": _PODS_INSIDE},
    "nftables, the setting of iptables": {
        "mode": "nftables",
        "iptables": {"masqueradeAll": True},
        "clusterCIDR": _PODS_INSIDE,
    },
    "nftables, all addresses": {
        "mode": "nftables",
        "nodePortAddresses": ["0.0.0.0/0"],
        "clusterCIDR": _NO_POD_INSIDE,
    },
}
"""Settings of kube-proxy by the name of the case."""

_NETWORK: Final = f"""
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
ip netns add pod
ip netns add backend
ip link add pod0 type veth peer name eth0 netns pod
ip link add backend0 type veth peer name eth0 netns backend
ip addr add {SECOND}/24 dev pod0
ip addr add {PRIMARY}/24 dev backend0
ip link set pod0 up
ip link set backend0 up
ip -n pod addr add {POD}/24 dev eth0
ip -n pod link set eth0 up
ip -n pod route add default via {SECOND}
ip -n backend addr add {BACKEND}/24 dev eth0
ip -n backend link set eth0 up
ip -n backend route add default via {PRIMARY}
echo 1 > /proc/sys/net/ipv4/ip_forward
"""
_BACKEND: Final = f"""
import socket
server = socket.create_server(({BACKEND!r}, 8080))
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].encode())
    connection.close()
"""
_CLIENT: Final = """
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).recv(99).decode())
except OSError:
    pass
"""
_OBJECTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node"},
        "status": {"addresses": [{"type": "InternalIP", "address": PRIMARY}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "type": "NodePort",
            "clusterIP": CLUSTER_IP,
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}],
        },
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [BACKEND], "conditions": {"ready": True}, "nodeName": "other"}],
    },
)


def seen_from(host: str, port: int) -> str | None:
    """The client's address as the backend sees it, when the pod connects to `host`."""
    command = ("ip", "netns", "exec", "pod", sys.executable, "-c", _CLIENT, host, str(port))
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip() or None


def outcome(folder: Path, settings: dict[str, Any]) -> dict[str, str | None]:
    """Run kube-proxy with these settings, and ask once it has written its rules."""
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(folder / "kubeconfig")},
        "hostnameOverride": "node",
        # These settings of the kernel are not those of a network namespace.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        **settings,
    }
    config = folder / "kube-proxy.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    program = str(ROOT / ".local" / "bin" / "node" / "kube-proxy")
    program = os.environ.get("KUBE_PROXY", program)
    with (folder / "kube-proxy.log").open("ab") as log:
        proxy = subprocess.Popen([program, "--config", str(config)], stdout=log, stderr=log)  # noqa: S603
    try:
        end = end_of_wait(_SYNCED_WITHIN)
        while (by_cluster_ip := seen_from(CLUSTER_IP, 80)) is None:
            if time.monotonic() > end or proxy.poll() is not None:
                break
            time.sleep(0.2)
        return {
            "ClusterIP": by_cluster_ip,
            "primary": seen_from(PRIMARY, NODE_PORT),
            "second": seen_from(SECOND, NODE_PORT),
        }
    finally:
        proxy.terminate()
        proxy.wait()
        subprocess.run([program, "--cleanup"], capture_output=True, check=False)  # noqa: S603


def main(folder: Path) -> dict[str, dict[str, str | None]]:
    """Every case, one after the other."""
    subprocess.run(["bash", "-euc", _NETWORK], check=True)  # noqa: S603, S607 - our own text
    command = ("ip", "netns", "exec", "backend", sys.executable, "-c", _BACKEND)
    backend = subprocess.Popen(command)  # noqa: S603 - our own program
    cluster = RealCluster(
        folder=folder,
        api_server_arguments=(
            "--disable-admission-plugins=ServiceAccount",
            f"--advertise-address={PRIMARY}",
        ),
    )
    try:
        cluster.start()
        for each in _OBJECTS:
            cluster.kubectl("create", "-f", "-", standard_input=json.dumps(each))
        return {name: outcome(folder, settings) for name, settings in CASES.items()}
    finally:
        cluster.stop()
        backend.kill()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
