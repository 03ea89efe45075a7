"""Packets over a guarded fabric between guests that are only network namespaces.

Run as `… python -m tests.localcloud.machines.network.fabric_trial NFT…` in namespaces of its own,
with the command of nft. Prints what happened to each connection as JSON. A guest's second address
is what a pod with ipvlan has: another address on the NIC's own MAC.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import Path
from socket import AF_INET6
from typing import Any

from pyroute2 import NetNS  # type: ignore[import-untyped]  # ships no types
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD  # type: ignore[import-untyped]  # as above

from localcloud.egress import EgressRule
from localcloud.ingress import IngressRule
from localcloud.machines.control import Interface, LoadBalancer
from localcloud.machines.network import internet
from localcloud.machines.network.fabric import Fabric
from localcloud.machines.network.filter import Apply, Filter, nft
from localcloud.machines.network.forwarding import Forwarding
from localcloud.machines.network.ipv6_gateway import Ipv6Gateway
from localcloud.machines.network.security_groups import SecurityGroups
from localcloud.machines.network.translation import Translation, Translations
from tests.localcloud.machines import fake_cloud

PORT = 8080
FOREIGN = "172.31.199.250"
FAR = "192.168.0.0/24"
BLOCKS = {"172.31.192.0/20": "2001:db8:0:1::/64", FAR: "2001:db8:0:2::/64"}
"""The IPv6 block of each vSwitch."""
FOREIGN_IPV6 = "2001:db8:0:1::250"
CONNECT = """
import json, socket, sys
source, target, port = sys.argv[1:]
try:
    with socket.create_connection((target, int(port)), timeout=2, source_address=(source, 0)) as c:
        print(c.recv(100).decode())
except OSError as error:
    print(f"failed: {type(error).__name__}")
"""
FETCH = """
import http.client, sys
source, target = sys.argv[1:]
try:
    c = http.client.HTTPConnection(target, 80, timeout=2, source_address=(source, 0))
    c.request("GET", "/ip")
    print(c.getresponse().read().decode())
except OSError as error:
    print(f"failed: {type(error).__name__}")
"""
BALANCER = "127.99.0.9"
EIPS = ("127.99.0.1", "127.99.0.2")
INNER = IngressRule(
    protocol="all", port_from=-1, port_to=-1, source="sg-a", policy="accept", priority=1
)


def ipv6(address: str) -> str:
    """The IPv6 address that belongs to an IPv4 address."""
    block = next(b for network, b in BLOCKS.items() if ip_address(address) in ip_network(network))
    return str(ip_network(block)[int(address.rpartition(".")[2])])


def eni(name: str, address: str, pod: str, network: str) -> Interface:
    tail = int(address.rpartition(".")[2]) + (0 if network.startswith("172") else 100)
    raw = fake_cloud.interface(
        f"eni-{name}", f"00:16:3e:00:00:{tail:02x}", address, network, primary=True
    )
    more = {
        "secondary_addresses": [pod],
        "security_group_ids": ["sg-a"],
        "ipv6_network": BLOCKS[network],
        "ipv6_addresses": [ipv6(address), ipv6(pod)],
    }
    return replace(Interface.read({**raw, **more}), ingress=(INNER,))


ENIS = {
    "first": eni("first", "172.31.199.1", "172.31.199.11", "172.31.192.0/20"),
    "second": eni("second", "172.31.199.2", "172.31.199.12", "172.31.192.0/20"),
    "far": eni("far", "192.168.0.3", "192.168.0.13", "192.168.0.0/24"),
}


@dataclass(kw_only=True)
class Guest:
    """A network namespace with one ENI."""

    process: subprocess.Popen[bytes]
    eni: Interface

    @property
    def network(self) -> str:
        return f"/proc/{self.process.pid}/ns/net"

    def ip(self) -> Any:  # noqa: ANN401  (pyroute2 ships no types)
        return NetNS(self.network)

    def run(self, *command: str) -> str:
        done = subprocess.run(  # noqa: S603  (our own program)
            ["nsenter", f"--net={self.network}", *command],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    @contextmanager
    def opened(self) -> Iterator[Callable[[], str]]:
        """A connection to the first guest; the function sends a byte and returns the answer."""
        target = (ENIS["first"].address, str(PORT))
        with subprocess.Popen(  # noqa: S603  (our own program)
            ["nsenter", f"--net={self.network}", sys.executable, "-c", OPEN, *target],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()

            def ask() -> str:
                out, _ = process.communicate("\n", timeout=30)
                return out.strip()

            yield ask

    def fetch(self, source: str) -> str:
        """The address that the internet saw, or why there was no answer."""
        target = internet.IPV6_ADDRESS if ":" in source else internet.ADDRESS
        return self.run(sys.executable, "-c", FETCH, source, target)

    def connect(self, target: str, source: str | None = None) -> str:
        """The address that the other end saw, or why there was no connection."""
        own = source or self.eni.address
        return self.run(sys.executable, "-c", CONNECT, own, target, str(PORT))


OPEN = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as c:
    print(c.recv(100).decode(), flush=True)
    sys.stdin.readline()
    c.sendall(b"x")
    print(c.recv(100).decode(), flush=True)
"""
SERVE = f"""
import socket, socketserver
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.client_address[0].removeprefix("::ffff:").encode())
        while self.request.recv(1):
            self.request.sendall(b"still here")
class Server(socketserver.ThreadingTCPServer):
    # Of both families: IPv6 sockets take IPv4 too, unless the system says otherwise.
    address_family, allow_reuse_address = socket.AF_INET6, True
Server(("::", {PORT}), Handler).serve_forever()
"""


def start(fabric: Fabric, nic: Interface) -> Guest:
    """A guest that tells each client the address that it sees."""
    process = subprocess.Popen(  # noqa: S603  (our own program)
        ["unshare", "--net", sys.executable, "-c", SERVE]  # noqa: S607
    )
    guest = Guest(process=process, eni=nic)
    fake_cloud.until("a network", 30, lambda: not Path(guest.network).samefile("/proc/self/ns/net"))
    fabric.plug(nic, "eth0", process.pid)
    with guest.ip() as ip:
        index = ip.link_lookup(ifname="eth0")[0]
        for number, address in enumerate(nic.ipv4_addresses):
            prefix = 32 if number else nic.prefix_length
            ip.addr("add", index=index, address=address, prefixlen=prefix)
        ip.link("set", index=index, state="up")
        ip.route("add", dst="default", gateway=nic.gateway)
        for address in nic.ipv6_addresses:
            ip.addr("add", index=index, address=address, prefixlen=64, flags=IFA_F_NODAD)
        ip.route("add", family=AF_INET6, dst="default", gateway=nic.ipv6_gateway, oif=index)
    fake_cloud.until("an answer", 60, lambda: guest.run("ss", "-Hltn", f"sport = :{PORT}"))
    return guest


def balanced(*backends: str) -> LoadBalancer:
    """An internet CLB with one listener."""
    behind = [
        {"instance_id": address, "address": address, "port": PORT, "weight": 100}
        for address in backends
    ]
    return LoadBalancer.read(
        {
            "id": "lb-1",
            "address": BALANCER,
            "vpc_id": "vpc-1",
            "internet": True,
            "listeners": [{"port": PORT, "backends": behind, "ingress": []}],
        }
    )


def asked(pid: int) -> str:
    """What a machine behind the load balancer sees, or why the internet does not reach one."""
    try:
        with internet.connect(pid, BALANCER, PORT, 3) as connection:
            connection.settimeout(3)
            return connection.recv(100).decode()
    except OSError as error:
        return f"failed: {type(error).__name__}"


def macvlan(guest: Guest) -> None:
    """Take a pod's address to a device with a MAC of its own, as a pod with macvlan has it."""
    pod = guest.eni.secondary_addresses[0]
    guest.run("ip", "address", "del", f"{pod}/32", "dev", "eth0")
    guest.run("ip", "link", "add", "pod", "link", "eth0", "type", "macvlan", "mode", "bridge")
    guest.run("ip", "address", "add", f"{pod}/32", "dev", "pod")
    guest.run("ip", "link", "set", "pod", "up")
    guest.run("ip", "route", "add", FAR, "via", guest.eni.gateway, "dev", "pod", "onlink")


def trial(command: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """What happened, by name."""
    guard, groups = Filter(nft(command)), SecurityGroups(nft(command))
    fabric = Fabric(guard)
    groups.follow(ENIS.values())
    first, second, far = (start(fabric, nic) for nic in ENIS.values())
    pods = {name: nic.secondary_addresses[0] for name, nic in ENIS.items()}
    yield "node to node", first.connect(second.eni.address)
    yield "pod to other node", first.connect(second.eni.address, pods["first"])
    yield "pod to pod", first.connect(pods["second"], pods["first"])
    yield "pod to pod in another subnet", first.connect(pods["far"], pods["first"])
    yield "and back", far.connect(pods["first"], pods["far"])
    yield "node to node by IPv6", first.connect(ipv6(second.eni.address), ipv6(first.eni.address))
    yield "pod to pod by IPv6", first.connect(ipv6(pods["second"]), ipv6(pods["first"]))
    yield "to another subnet by IPv6", first.connect(ipv6(pods["far"]), ipv6(pods["first"]))
    yield "and back by IPv6", far.connect(ipv6(pods["first"]), ipv6(pods["far"]))
    yield "counted", {**guard.counts(), **groups.counts()}

    world = internet.start(fabric)
    translations = Translations(nft(command))
    yield "internet without an entry", first.fetch(pods["first"])
    entry = Translation(source=IPv4Network(FAR), addresses=(IPv4Address(EIPS[0]),))
    own = Translation(source=IPv4Network(ENIS["far"].address), addresses=(IPv4Address(EIPS[1]),))
    translations.follow([entry, own])
    yield "internet by the gateway", far.fetch(pods["far"])
    yield "internet by an address of its own", far.fetch(far.eni.address)
    yield "internet from a subnet without an entry", first.fetch(pods["first"])
    several = tuple(IPv4Address(address) for address in EIPS)
    translations.follow([replace(entry, addresses=several)])
    yield "internet by one of several", far.fetch(pods["far"])

    gateway = Ipv6Gateway(nft(command))
    yield "internet by IPv6 without bandwidth", far.fetch(ipv6(pods["far"]))
    gateway.follow([ipv6(pods["far"])])
    yield "internet by IPv6", far.fetch(ipv6(pods["far"]))
    yield "internet by another address", far.fetch(ipv6(far.eni.address))

    translations.follow([])
    yield from balancing(nft(command), groups, world.pid)

    first.run("ip", "address", "add", f"{FOREIGN}/32", "dev", "eth0")
    yield "foreign address", first.connect(second.eni.address, FOREIGN)
    yield "counted with a foreign address", guard.counts()
    with first.ip() as ip:
        index = ip.link_lookup(ifname="eth0")[0]
        ip.addr("add", index=index, address=FOREIGN_IPV6, prefixlen=128, flags=IFA_F_NODAD)
    yield "foreign IPv6 address", first.connect(ipv6(pods["far"]), FOREIGN_IPV6)
    yield "counted with a foreign IPv6 address", guard.counts()
    macvlan(second)
    yield "macvlan", second.connect(far.eni.address, pods["second"])
    yield "counted with macvlan", guard.counts()

    yield from refusals(groups, first, far)


def balancing(
    apply: Apply, groups: SecurityGroups, internet_pid: int
) -> Iterator[tuple[str, object]]:
    """What reaches machines through an internet CLB, by name."""
    groups.follow(replace(nic, ingress=()) for nic in ENIS.values())
    forwarding = Forwarding(apply)
    yield "through a load balancer without a listener", asked(internet_pid)
    forwarding.follow([balanced(ENIS["second"].address, ENIS["far"].address, FOREIGN)])
    asyncio.run(forwarding.update())
    yield "through a load balancer", asked(internet_pid)
    yield "again", asked(internet_pid)
    groups.follow(ENIS.values())


def refusals(groups: SecurityGroups, first: Guest, far: Guest) -> Iterator[tuple[str, object]]:
    """What security groups refuse, by name."""
    pods = {name: nic.secondary_addresses[0] for name, nic in ENIS.items()}
    with far.opened() as open_connection:
        groups.follow(replace(nic, ingress=()) for nic in ENIS.values())
        yield "without rules", far.connect(pods["first"], pods["far"])
        yield "without rules by IPv6", far.connect(ipv6(pods["first"]), ipv6(pods["far"]))
        yield "an answer without rules", open_connection()
        yield "counted without rules", groups.counts()
    outside = replace(ENIS["far"], security_group_ids=("sg-b",))
    groups.follow([ENIS["first"], ENIS["second"], outside])
    yield "from another group", far.connect(pods["first"], pods["far"])
    narrow = IngressRule(
        protocol="tcp",
        port_from=PORT,
        port_to=PORT,
        source="192.168.0.0/24",
        policy="accept",
        priority=1,
    )
    groups.follow([replace(ENIS["first"], ingress=(narrow,)), ENIS["second"], outside])
    yield "from an admitted network", far.connect(pods["first"], pods["far"])

    closed = EgressRule(
        protocol="tcp",
        port_from=PORT,
        port_to=PORT,
        destination=f"{pods['far']}/32",
        policy="drop",
        priority=1,
    )
    groups.follow([replace(first.eni, egress=(closed, *first.eni.egress)), far.eni])
    yield "to a forbidden port", first.connect(pods["far"], pods["first"])
    yield "to another address", first.connect(far.eni.address, pods["first"])
    groups.follow([replace(first.eni, egress=()), far.eni])
    yield "without a rule that lets it out", first.connect(far.eni.address, pods["first"])
    yield "and its answers to others", far.connect(pods["first"], pods["far"])


if __name__ == "__main__":
    print(json.dumps(dict(trial(tuple(sys.argv[1:])))))  # noqa: T201  (the caller reads it)
