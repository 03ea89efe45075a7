"""The VPC's network: one bridge for each vSwitch, its gateway, and the service addresses.

Lives in the network namespace of the VPC's process. Routing between vSwitches is the kernel's.
Security groups are not enforced between machines; only public addresses are filtered.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyroute2 import IPRoute  # type: ignore[import-untyped]  # ships no types

from localcloud.settings import OPENAPI_ADDRESS

if TYPE_CHECKING:
    from .control import Interface

METADATA_ADDRESS: Final = "100.100.100.200"


def link_name(prefix: str, name: str) -> str:
    """Return a link name (at most 15 characters) that `name` alone decides."""
    return prefix + hashlib.sha256(name.encode()).hexdigest()[: 14 - len(prefix)]


class Fabric:
    """Bridges and veth pairs of one VPC.

    Its calls block: they cannot run in a thread with an event loop, and run one at a time.
    """

    def __init__(self) -> None:
        self._ip = IPRoute()
        self._lock = threading.Lock()
        self._loopback = self._ip.link_lookup(ifname="lo")[0]
        self._ip.link("set", index=self._loopback, state="up")
        for address in (METADATA_ADDRESS, OPENAPI_ADDRESS):
            self.take(address)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")

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
            index = self._ip.link_lookup(ifname=port)[0]
            self._ip.link("set", index=index, master=self._bridge(interface), state="up")

    def unplug(self, interface_id: str) -> None:
        """Remove an ENI's link; nothing happens where there is none."""
        with self._lock:
            self._unplug(interface_id)

    def _unplug(self, interface_id: str) -> None:
        for index in self._ip.link_lookup(ifname=link_name("eni", interface_id)):
            self._ip.link("del", index=index)

    def _bridge(self, interface: Interface) -> int:
        name = link_name("vsw", interface.vswitch_id)
        indexes = self._ip.link_lookup(ifname=name)
        if not indexes:
            self._ip.link("add", ifname=name, kind="bridge")
            indexes = self._ip.link_lookup(ifname=name)
        index: int = indexes[0]
        self._ip.addr(
            "replace", index=index, address=interface.gateway, prefixlen=interface.prefix_length
        )
        self._ip.link("set", index=index, state="up")
        return index
