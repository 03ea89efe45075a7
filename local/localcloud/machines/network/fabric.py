"""The VPC's network: one bridge for each vSwitch, its gateway, and the service addresses.

Lives in the network namespace of the VPC's process. Routing between vSwitches is the kernel's.

If a VPC may have virtual machines, the fabric is guarded: bridges neither learn nor flood, each
port is isolated and admits only what its ENI may send (`filter`), the gateway answers every ARP
request and neighbour solicitation, as a VPC's does, and routes only what the security groups admit
(`security_groups`). Otherwise only public addresses are filtered.
"""

from __future__ import annotations

import errno
import hashlib
import threading
from ipaddress import IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyroute2 import IPRoute  # type: ignore[import-untyped]  # ships no types
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # as above
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD  # type: ignore[import-untyped]  # as above
from pyroute2.netlink.rtnl.ndmsg import (  # type: ignore[import-untyped]  # as above
    NTF_MASTER,
    NTF_PROXY,
    NUD_NOARP,
)

from localcloud.machines.network import internet
from localcloud.machines.network.filter import Port
from localcloud.machines.network.translation import LINK
from localcloud.settings import OPENAPI_ADDRESS

if TYPE_CHECKING:
    from localcloud.machines.control import Interface
    from localcloud.machines.network.filter import Filter

METADATA_ADDRESS: Final = "100.100.100.200"
NAME_SERVERS: Final = ("100.100.2.136", "100.100.2.138")
"""Alibaba Cloud's resolvers inside every VPC."""
SOURCES_ADDRESS: Final = "100.100.0.2"
"""The address of all package sources and image registries in a guarded fabric."""
_GATEWAY_MAC: Final = "ee:ff:ff:ff:ff:ff"
"""The MAC of every gateway in a guarded fabric."""
_PORT_SETTINGS: Final = {
    "learning": 0,
    "unicast_flood": 0,
    "mcast_flood": 0,
    "bcast_flood": 0,
    "isolated": 1,
}


def link_name(prefix: str, name: str) -> str:
    """Return a link name (at most 15 characters) that depends on `name` only."""
    return prefix + hashlib.sha256(name.encode()).hexdigest()[: 14 - len(prefix)]


class Fabric:
    """Bridges, veth pairs and tap devices of one VPC.

    Its calls block: they cannot run in a thread with an event loop, and run one at a time.
    """

    def __init__(self, guard: Filter | None = None) -> None:
        self._guard = guard
        self._ports: dict[str, Port] = {}
        self._ip = IPRoute()
        self._lock = threading.Lock()
        self._loopback = self._ip.link_lookup(ifname="lo")[0]
        self._ip.link("set", index=self._loopback, state="up")
        guarded = () if guard is None else (*NAME_SERVERS, SOURCES_ADDRESS)
        for address in (METADATA_ADDRESS, OPENAPI_ADDRESS, *guarded):
            self.take(address)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        if guard is not None and internet.has_ipv6():
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1", encoding="ascii")

    def take(self, address: str) -> None:
        """Answer for an address of the VPC that belongs to a service or a load balancer."""
        with self._lock:
            self._ip.addr("replace", index=self._loopback, address=address, prefixlen=32)

    def give_up(self, address: str) -> None:
        """Stop answering for the address."""
        with self._lock:
            self._ip.addr("del", index=self._loopback, address=address, prefixlen=32)

    def plug(self, interface: Interface, guest_name: str, guest_pid: int) -> None:
        """Add the ENI to the network namespace of `guest_pid` as a link, down and unconfigured."""
        port = link_name("eni", interface.id)
        with self._lock:
            self._unplug(interface.id)
            self._ip.link(
                "add",
                ifname=port,
                kind="veth",
                peer={"ifname": guest_name, "address": interface.mac, "net_ns_pid": guest_pid},
            )
            self._join(port, interface)

    def plug_tap(self, interface: Interface) -> str:
        """Add a tap device for the ENI and return its name."""
        port = link_name("tap", interface.id)
        with self._lock:
            self._unplug(interface.id)
            self._ip.link("add", ifname=port, kind="tuntap", mode="tap")
            self._join(port, interface)
        return port

    def assign(self, interface: Interface) -> None:
        """Admit only the addresses that a plugged ENI has now."""
        with self._lock:
            port = self._ports.get(interface.id)
            if port is not None and port.interface != interface:
                self._admit(port.link, interface)

    def _join(self, port: str, interface: Interface) -> None:
        index = self._ip.link_lookup(ifname=port)[0]
        self._ip.link("set", index=index, master=self._bridge(interface))
        if self._guard is not None:
            # Sent one at a time, because the kernel keeps only some of several in one message.
            for setting, switch in _PORT_SETTINGS.items():
                self._ip.brport("set", index=index, **{setting: switch})
            # A permanent entry on the bridge.
            self._ip.fdb(
                "add", ifindex=index, lladdr=interface.mac, flags=NTF_MASTER, state=NUD_NOARP
            )
            self._admit(port, interface)
        self._ip.link("set", index=index, state="up")

    def _admit(self, port: str, interface: Interface) -> None:
        """Let the ENI send by its MAC and addresses, and make the gateway find it by them."""
        if self._guard is None:
            return
        before = self._ports.get(interface.id)
        self._ports[interface.id] = Port(link=port, interface=interface)
        self._guard.follow(self._ports.values())
        bridge = self._bridge(interface)
        present = set(_addresses(self._ports[interface.id]))
        for address in set(_addresses(before)) - present:
            self._forget(address, bridge)
        for address in present:
            self._ip.neigh(
                "replace", dst=address, lladdr=interface.mac, ifindex=bridge, state="permanent"
            )
            if ":" in address:
                # The gateway answers for it.
                self._ip.neigh("replace", dst=address, ifindex=bridge, flags=NTF_PROXY)

    def _forget(self, address: str, bridge: int) -> None:
        self._ip.neigh("del", dst=address, ifindex=bridge)
        if ":" in address:
            self._ip.neigh("del", dst=address, ifindex=bridge, flags=NTF_PROXY)

    def connect_internet(self, pid: int) -> None:
        """Lead the default route to the internet, which has the network namespace of `pid`."""
        with self._lock:
            self._ip.link(
                "add",
                ifname=LINK,
                kind="veth",
                address=internet.GATEWAY_MAC,
                peer={"ifname": "eth0", "address": internet.MAC, "net_ns_pid": pid},
            )
            index = self._ip.link_lookup(ifname=LINK)[0]
            self._ip.addr(
                "add", index=index, address=internet.GATEWAY, prefixlen=internet.PREFIX_LENGTH
            )
            self._ip.link("set", index=index, state="up")
            self._ip.neigh(
                "replace",
                dst=internet.ADDRESS,
                lladdr=internet.MAC,
                ifindex=index,
                state="permanent",
            )
            internet.route_localnet(LINK)
            self._ip.route("replace", dst="default", gateway=internet.ADDRESS)
            if internet.has_ipv6():
                other = (internet.IPV6_ADDRESS, internet.MAC)
                internet.connect_by_ipv6(self._ip, index, internet.IPV6_GATEWAY, other)

    def unplug(self, interface_id: str) -> None:
        """Remove an ENI's link; nothing happens where there is none."""
        with self._lock:
            self._unplug(interface_id)

    def _unplug(self, interface_id: str) -> None:
        port = self._ports.pop(interface_id, None)
        if port is not None and self._guard is not None:
            self._guard.follow(self._ports.values())
            bridge = self._bridge(port.interface)
            for address in _addresses(port):
                self._forget(address, bridge)
        for prefix in ("eni", "tap"):
            for index in self._ip.link_lookup(ifname=link_name(prefix, interface_id)):
                delete_link(self._ip, index)

    def _bridge(self, interface: Interface) -> int:
        name = link_name("vsw", interface.vswitch_id)
        indexes = self._ip.link_lookup(ifname=name)
        if not indexes:
            # By default a bridge takes the lowest MAC of its ports. When that changes, the kernel
            # forgets every neighbour, permanent ones too.
            fixed = {} if self._guard is None else {"address": _GATEWAY_MAC}
            self._ip.link("add", ifname=name, kind="bridge", **fixed)
            indexes = self._ip.link_lookup(ifname=name)
        index: int = indexes[0]
        self._ip.addr(
            "replace", index=index, address=interface.gateway, prefixlen=interface.prefix_length
        )
        self._ip.link("set", index=index, state="up")
        if self._guard is not None:
            # Answer for every address of the vSwitch, also when asked through the same bridge.
            setting = Path(f"/proc/sys/net/ipv4/conf/{name}/proxy_arp_pvlan")
            setting.write_text("1", encoding="ascii")
            if interface.ipv6_network:
                self._take_ipv6_gateway(index, name, interface)
        return index

    def _take_ipv6_gateway(self, index: int, name: str, interface: Interface) -> None:
        """Be the gateway of a vSwitch's IPv6 block, and answer for its addresses at once."""
        for address in interface.ipv6_gateways:
            self._ip.addr(
                "replace",
                index=index,
                address=address,
                prefixlen=IPv6Network(interface.ipv6_network).prefixlen,
                flags=IFA_F_NODAD,
            )
        for setting, value in ((f"conf/{name}/proxy_ndp", "1"), (f"neigh/{name}/proxy_delay", "0")):
            Path(f"/proc/sys/net/ipv6/{setting}").write_text(value, encoding="ascii")


def delete_link(ip: IPRoute, index: int) -> None:
    """Delete a link that may already be disappearing.

    The kernel deletes a veth pair some time after the network namespace of one end has ended, so
    the link of a machine that has just been killed may go between its lookup and this call.
    """
    try:
        ip.link("del", index=index)
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise


def _addresses(port: Port | None) -> tuple[str, ...]:
    return () if port is None else (*port.addresses, *port.ipv6_addresses)
