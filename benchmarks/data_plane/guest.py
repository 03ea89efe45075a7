"""Sends and receives; runs in a machine of the local cloud, so it needs nothing but Python.

    guest.py serve ADDRESS                      answers until it is killed
    guest.py measure ADDRESS SERVER SECONDS     prints one measurement as JSON
    guest.py namespaces SECONDS ROUNDS          measures all paths of one kernel; prints JSON

`namespaces` builds two nodes, each with a NIC on a common bridge, and on each node two pods: one
with ipvlan, as this project's pods, and one with a veth pair and policy routes, as other plugins
do it. Everything is in network namespaces of its own and gone when the program ends.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import threading
import time

PORT = 7001
BULK = 256 * 1024
WARM_UP = 20
NAMES = ("fabric", "node-a", "node-b", "ipvlan-a", "ipvlan-b", "veth-a", "veth-b")


def serve(address: str) -> None:
    """Answer small messages with the same bytes, and swallow everything after the word `bulk`."""
    listener = socket.create_server((address, PORT))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(BULK)
    with client:
        bulk = client.recv(1) == b"b"
        received = 0
        while size := client.recv_into(buffer):
            received += size
            if not bulk:
                client.sendall(buffer[:size])


def measure(own: str, server: str, seconds: float) -> dict[str, float]:
    """Round trips of 64 bytes on one connection, then bytes in one direction on another."""
    trips = _round_trips(own, server, seconds / 2)
    sent, took = _stream(own, server, seconds / 2)
    return {
        "round_trip_us": statistics.median(trips) * 1e6,
        "round_trips": len(trips),
        "mbit_per_second": sent * 8 / took / 1e6,
    }


def _connect(own: str, server: str, mode: bytes) -> socket.socket:
    client = _until_it_listens(own, server)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(mode)
    return client


def _until_it_listens(own: str, server: str) -> socket.socket:
    """An emulated processor needs some seconds to start the other end's Python."""
    patience = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection((server, PORT), timeout=60, source_address=(own, 0))
        except ConnectionRefusedError:
            if time.monotonic() > patience:
                raise
        time.sleep(0.5)


def _round_trips(own: str, server: str, seconds: float) -> list[float]:
    message = b"x" * 64
    trips: list[float] = []
    with _connect(own, server, b"l") as client:
        end = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end or len(trips) <= WARM_UP:
            client.sendall(message)
            left = len(message)
            while left:
                left -= len(client.recv(left))
            trips.append(time.perf_counter() - begun)
    return trips[WARM_UP:]


def _stream(own: str, server: str, seconds: float) -> tuple[int, float]:
    """Bytes that the other end has taken, and the seconds."""
    content, sent = bytes(BULK), 0
    with _connect(own, server, b"b") as client:
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            client.sendall(content)
            sent += len(content)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)  # The other end closes when it has read everything.
        return sent, time.perf_counter() - begun


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)  # noqa: S603, S607


def _in(name: str, *words: str) -> None:
    _ip("netns", "exec", name, *words)


def build() -> None:
    """Two nodes on a bridge; on each a pod with ipvlan and a pod with a veth pair."""
    for name in NAMES:
        _ip("netns", "add", name)
        _in(name, "ip", "link", "set", "lo", "up")
    _in("fabric", "ip", "link", "add", "bridge", "type", "bridge")
    _in("fabric", "ip", "link", "set", "bridge", "up")
    for number, side in enumerate("ab", 1):
        node, port = f"node-{side}", f"port-{side}"
        _ip("link", "add", port, "netns", "fabric", "type", "veth", "peer", "name", "eth0",
            "netns", node)  # fmt: skip
        _in("fabric", "ip", "link", "set", port, "master", "bridge", "up")
        _in(node, "ip", "address", "add", f"10.0.0.{number}/24", "dev", "eth0")
        _in(node, "ip", "link", "set", "eth0", "up")
        _ipvlan_pod(node, f"ipvlan-{side}", f"10.0.0.{number}1")
        _veth_pod(node, f"veth-{side}", f"10.0.0.{number}2", f"10.0.0.{3 - number}2")


def _ipvlan_pod(node: str, pod: str, address: str) -> None:
    _in(node, "ip", "link", "add", "pod", "link", "eth0", "type", "ipvlan", "mode", "l2")
    _in(node, "ip", "link", "set", "pod", "netns", pod)
    _in(pod, "ip", "link", "set", "pod", "name", "eth0", "up")
    _in(pod, "ip", "address", "add", f"{address}/24", "dev", "eth0")


def _veth_pod(node: str, pod: str, address: str, other: str) -> None:
    """The node forwards: a host route to the pod, a rule and a table for what the pod sends."""
    _in(node, "ip", "link", "add", "veth", "type", "veth", "peer", "name", "eth0", "netns", pod)
    for setting in ("ip_forward", "conf.eth0.proxy_arp"):
        _in(node, "sysctl", "--quiet", "--write", f"net.ipv4.{setting}=1")
    _in(node, "ip", "link", "set", "veth", "up")
    _in(node, "ip", "address", "add", "169.254.1.1/32", "dev", "veth")
    _in(node, "ip", "route", "add", address, "dev", "veth")
    _in(node, "ip", "route", "add", other, "dev", "eth0", "table", "102")
    _in(node, "ip", "rule", "add", "from", address, "lookup", "102", "priority", "2000")
    _in(pod, "ip", "link", "set", "eth0", "up")
    _in(pod, "ip", "address", "add", f"{address}/32", "dev", "eth0")
    _in(pod, "ip", "route", "add", "169.254.1.1", "dev", "eth0")
    _in(pod, "ip", "route", "add", "default", "via", "169.254.1.1", "dev", "eth0")


PATHS = {
    "node": ("node-a", "10.0.0.1", "node-b", "10.0.0.2"),
    "ipvlan": ("ipvlan-a", "10.0.0.11", "ipvlan-b", "10.0.0.21"),
    "veth": ("veth-a", "10.0.0.12", "veth-b", "10.0.0.22"),
}
"""Path → who sends from which address, and who answers at which."""


def namespaces(seconds: float, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Measure every path once a round, so that what else the machine does meets all alike."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in PATHS}
    servers = []
    try:
        build()
        for _, _, namespace, address in PATHS.values():
            command = ["ip", "netns", "exec", namespace, sys.executable, __file__, "serve", address]
            servers.append(subprocess.Popen(command))  # noqa: S603
        time.sleep(2 * WARM_UP / 10)
        for _ in range(rounds):
            for name, (namespace, own, _, server) in PATHS.items():
                command = ["ip", "netns", "exec", namespace, sys.executable, __file__]
                command += ["measure", own, server, str(seconds)]
                done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603
                results[name].append(json.loads(done.stdout))
    finally:
        for process in servers:
            process.kill()
            process.wait()
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False)  # noqa: S603, S607
    return results


def main(command: str, *arguments: str) -> None:
    """Run one of the commands."""
    if command == "serve":
        serve(arguments[0])
    elif command == "measure":
        own, server, seconds = arguments
        print(json.dumps(measure(own, server, float(seconds))))
    else:
        seconds, rounds = arguments
        print(json.dumps(namespaces(float(seconds), int(rounds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
