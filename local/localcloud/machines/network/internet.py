"""The internet of a guarded fabric: one server that answers with the address that it sees.

A process in a network namespace of its own, which the fabric's link `internet` leads to. It answers
HTTP requests for any name, as the services do that show a client its address. EIPs of the local
cloud are loopback addresses, so both ends of the link route these (`route_localnet`).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyroute2 import IPRoute  # type: ignore[import-untyped]  # ships no types
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD  # type: ignore[import-untyped]  # as above

from localcloud.machines import kernel

if TYPE_CHECKING:
    from localcloud.machines.network.fabric import Fabric

ADDRESS: Final = "198.51.100.1"
"""The server's address, in a network for documentation (RFC 5737)."""
GATEWAY: Final = "198.51.100.2"
"""The fabric's end of the link."""
PREFIX_LENGTH: Final = 30
IPV6_ADDRESS: Final = "2001:db8:c633:6401::1"
"""The server's IPv6 address, in a network for documentation (RFC 3849)."""
IPV6_GATEWAY: Final = "2001:db8:c633:6401::2"
IPV6_PREFIX_LENGTH: Final = 64
MAC, GATEWAY_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
NAMES: Final = ("ifconfig.me",)
"""Names that the VPC's resolvers answer with this address."""
_LINK: Final = "eth0"
_POLL_SECONDS: Final = 0.05


def has_ipv6() -> bool:
    """Whether this system's kernel has IPv6."""
    return Path("/proc/sys/net/ipv6").is_dir()


def start(fabric: Fabric) -> subprocess.Popen[bytes]:
    """Start the server, connect it and wait until it listens; it ends with the VPC's process."""
    command = ("unshare", "--net", sys.executable, "-m", "localcloud.machines.network.internet")
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603  (our own program)
    own = Path("/proc/self/ns/net")
    while Path(f"/proc/{process.pid}/ns/net").samefile(own):
        time.sleep(_POLL_SECONDS)
    fabric.connect_internet(process.pid)
    if process.stdout is not None:
        process.stdout.readline()
    return process


def connect(pid: int, address: str, port: int, seconds: float) -> socket.socket:
    """Connect from the internet, which is the network of process `pid`. Raises OSError; blocks."""
    with kernel.in_network_of(pid):
        # A socket stays in the network in which it was created.
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        client.settimeout(seconds)
        client.connect((address, port))
    except OSError:
        client.close()
        raise
    client.setblocking(False)  # noqa: FBT003  (the socket module's own signature)
    return client


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.client_address[0]}\n".encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class _Ipv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        # IPv4 is the other server's.
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


def _configure() -> None:
    """Wait for the link and configure it. `lo` stays down, as its routes would take the EIPs."""
    with IPRoute() as ip:
        while not (indexes := ip.link_lookup(ifname=_LINK)):
            time.sleep(_POLL_SECONDS)
        index = indexes[0]
        ip.addr("add", index=index, address=ADDRESS, prefixlen=PREFIX_LENGTH)
        ip.link("set", index=index, state="up")
        ip.neigh("replace", dst=GATEWAY, lladdr=GATEWAY_MAC, ifindex=index, state="permanent")
        route_localnet(_LINK)
        ip.route("add", dst="default", gateway=GATEWAY)
        ip.route("add", dst="127.0.0.0/8", gateway=GATEWAY)
        if has_ipv6():
            connect_by_ipv6(ip, index, IPV6_ADDRESS, (IPV6_GATEWAY, GATEWAY_MAC))


def connect_by_ipv6(ip: IPRoute, index: int, own: str, other: tuple[str, str]) -> None:
    """Give an end of the link its IPv6 address and a default route to the other end.

    `other`: the address and the MAC of the other end.
    """
    address, mac = other
    ip.addr("add", index=index, address=own, prefixlen=IPV6_PREFIX_LENGTH, flags=IFA_F_NODAD)
    ip.neigh("replace", dst=address, lladdr=mac, ifindex=index, state="permanent")
    ip.route("add", family=socket.AF_INET6, dst="default", gateway=address, oif=index)


def route_localnet(link: str) -> None:
    """Let packets with loopback addresses pass a link (ip-sysctl.rst)."""
    setting = Path(f"/proc/sys/net/ipv4/conf/{link}/route_localnet")
    setting.write_text("1", encoding="ascii")


def main() -> None:
    """Serve until the VPC's process ends."""
    _configure()
    server = ThreadingHTTPServer(("0.0.0.0", 80), _Handler)  # noqa: S104  # in a namespace of its own
    if has_ipv6():
        by_ipv6 = _Ipv6Server(("::", 80), _Handler)
        threading.Thread(target=by_ipv6.serve_forever, daemon=True).start()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
