"""What an ENI may send: frames from its own MAC with an address that is assigned to it.

An nftables table of the family `bridge` in the VPC's network namespace. It judges IPv4, ARP and
IPv6; everything else is dropped, because the fabric does not route it. From its link-local address
an ENI may ask for neighbours and routers. Nobody hears its search for a duplicate of its own
address, because the gateway would answer for that address. We assume that a real ENI drops the same
frames (docs/data-plane.md).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from localcloud.machines.control import Interface

_TABLE: Final = "localcloud"
PASSED: Final = "passed"
FOREIGN_MAC: Final = "foreign_mac"
FOREIGN_ADDRESS: Final = "foreign_address"
OTHER_PROTOCOL: Final = "other_protocol"
COUNTERS: Final = (PASSED, FOREIGN_MAC, FOREIGN_ADDRESS, OTHER_PROTOCOL)
_DISCOVERY: Final = "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,15}")

Apply = Callable[[str], str]
"""Runs nft with a script on its stdin and returns its output. Raises FilterError."""


class FilterError(Exception):
    """The kernel did not take the rules."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A bridge port and the ENI behind it."""

    link: str
    interface: Interface

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IPv4 addresses that the ENI has."""
        return self.interface.ipv4_addresses

    @property
    def ipv6_addresses(self) -> tuple[str, ...]:
        """The IPv6 addresses that the ENI has."""
        return self.interface.ipv6_addresses


def table() -> str:
    """The nftables table of a VPC that has no ports yet."""
    counters = "\n".join(f"  counter {name} {{}}" for name in COUNTERS)
    return f"""\
table bridge {_TABLE} {{
  set ports {{ type ifname; }}
  set macs {{ type ifname . ether_addr; }}
  set addresses {{ type ifname . ether_addr . ipv4_addr; }}
  set ipv6_addresses {{ type ifname . ether_addr . ipv6_addr; }}
{counters}
  chain received {{
    type filter hook prerouting priority -300; policy drop;
    iifname != @ports accept
    iifname . ether saddr != @macs counter name {FOREIGN_MAC} drop
    ether type ip iifname . ether saddr . ip saddr @addresses counter name {PASSED} accept
    ether type arp iifname . ether saddr . arp saddr ip @addresses counter name {PASSED} accept
    ether type ip6 iifname . ether saddr . ip6 saddr @ipv6_addresses counter name {PASSED} accept
    ether type ip6 ip6 saddr fe80::/10 {_DISCOVERY} counter name {PASSED} accept
    ether type ip6 ip6 saddr :: drop
    ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 counter name {PASSED} accept
    ether type arp arp saddr ip 0.0.0.0 counter name {PASSED} accept
    ether type {{ ip, arp }} counter name {FOREIGN_ADDRESS} drop
    ether type ip6 ip6 saddr != fe80::/10 counter name {FOREIGN_ADDRESS} drop
    counter name {OTHER_PROTOCOL} drop
  }}
}}
"""


def elements(ports: Iterable[Port]) -> str:
    """Return the script that replaces what the ports may send, in one transaction.

    Raises ValueError for a name of a link that is not one.
    """
    present = sorted(ports, key=lambda port: port.link)
    for port in present:
        if not _NAME.fullmatch(port.link):
            raise ValueError(f"{port.link!r} is not the name of a link.")
    sets: Mapping[str, list[str]] = {
        "ports": [f'"{port.link}"' for port in present],
        "macs": [f'"{port.link}" . {port.interface.mac}' for port in present],
        "addresses": [
            f'"{port.link}" . {port.interface.mac} . {address}'
            for port in present
            for address in port.addresses
        ],
        "ipv6_addresses": [
            f'"{port.link}" . {port.interface.mac} . {address}'
            for port in present
            for address in port.ipv6_addresses
        ],
    }
    lines = []
    for name, members in sets.items():
        lines.append(f"flush set bridge {_TABLE} {name}")
        if members:
            lines.append(f"add element bridge {_TABLE} {name} {{ {', '.join(members)} }}")
    return "\n".join(lines) + "\n"


def counts(listing: str) -> dict[str, int]:
    """Counter → frames, from the output of `nft --json list counters`."""
    document: dict[str, Any] = json.loads(listing)
    counters = [entry["counter"] for entry in document["nftables"] if "counter" in entry]
    return {counter["name"]: int(counter["packets"]) for counter in counters}


class Filter:
    """The filter of one VPC. Its calls block."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._apply(table())

    def follow(self, ports: Iterable[Port]) -> None:
        """Admit what these ports may send, and drop everything from other ports."""
        self._apply(elements(ports))

    def counts(self) -> dict[str, int]:
        """Frames since the start, by counter."""
        return counts(self._apply(f"list counters table bridge {_TABLE}\n"))


def on_change(apply: Apply) -> Callable[[str], None]:
    """Return a function that applies a script unless it is the last one that was applied."""
    applied = ""

    def apply_changed(script: str) -> None:
        nonlocal applied
        if script != applied:
            apply(script)
            applied = script

    return apply_changed


def nft(command: tuple[str, ...]) -> Apply:
    """Return a function that runs the nft of `command` with a script."""

    def apply(script: str) -> str:
        process = subprocess.run(  # noqa: S603  (the caller's own program)
            [*command, "--json", "--file", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        if process.returncode:
            raise FilterError(f"nft ended with {process.returncode}: {process.stderr.strip()}")
        return process.stdout

    return apply
