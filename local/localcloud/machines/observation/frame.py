"""A frame as a report shows it: who sent it to whom, and what it is, without its content."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_ETHERNET: Final = 14
_IPV6_HEADER: Final = 40
_ICMP_TYPES: Final = {
    0: "echo reply",
    3: "destination unreachable",
    5: "redirect",
    8: "echo request",
    11: "time exceeded",
}
_ICMPV6_TYPES: Final = {
    1: "destination unreachable",
    128: "echo request",
    129: "echo reply",
    133: "router solicitation",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
}
_TCP_FLAGS: Final = {0x02: "SYN", 0x10: "ACK", 0x01: "FIN", 0x04: "RST"}
_FRAGMENT: Final = 0x1FFF


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An ARP, IPv4 or IPv6 frame. Ports are 0 where the protocol has none."""

    source_mac: str
    source: str
    destination: str
    kind: str
    """`ICMP echo request`, `TCP SYN`, `ARP request`."""
    source_port: int = 0
    destination_port: int = 0


def read_frame(content: bytes) -> Frame | None:
    """Read the first bytes of an Ethernet frame; None for what a fabric does not route."""
    if len(content) < _ETHERNET:
        return None
    mac, protocol = content[6:12].hex(":"), int.from_bytes(content[12:14], "big")
    payload = content[_ETHERNET:]
    try:
        match protocol:
            case 0x0806:
                return _arp(mac, payload)
            case 0x0800:
                return _ipv4(mac, payload)
            case 0x86DD:
                return _ipv6(mac, payload)
    except (struct.error, IndexError):
        return None  # The frame is cut off.
    return None


def _arp(mac: str, payload: bytes) -> Frame:
    operation, _, sender, _, target = struct.unpack_from("!6xH6s4s6s4s", payload)
    return Frame(
        source_mac=mac,
        source=str(IPv4Address(sender)),
        destination=str(IPv4Address(target)),
        kind="ARP request" if operation == 1 else "ARP reply",
    )


def _ipv4(mac: str, payload: bytes) -> Frame:
    length = (payload[0] & 0xF) * 4
    fragment, protocol = struct.unpack_from("!6xHxB", payload)
    source, destination = struct.unpack_from("!12x4s4s", payload)
    first = not fragment & _FRAGMENT
    kind, *ports = _transport(protocol, payload[length:]) if first else ("IPv4 fragment", 0, 0)
    return _frame(mac, str(IPv4Address(source)), str(IPv4Address(destination)), kind, ports)


def _ipv6(mac: str, payload: bytes) -> Frame:
    protocol, source, destination = struct.unpack_from("!6xBx16s16s", payload)
    kind, *ports = _transport(protocol, payload[_IPV6_HEADER:])
    return _frame(mac, str(IPv6Address(source)), str(IPv6Address(destination)), kind, ports)


def _frame(mac: str, source: str, destination: str, kind: str, ports: list[int]) -> Frame:
    return Frame(
        source_mac=mac,
        source=source,
        destination=destination,
        kind=kind,
        source_port=ports[0],
        destination_port=ports[1],
    )


def _transport(protocol: int, segment: bytes) -> tuple[str, int, int]:
    match protocol:
        case 1:
            return f"ICMP {_ICMP_TYPES.get(segment[0], f'type {segment[0]}')}", 0, 0
        case 58:
            return f"ICMPv6 {_ICMPV6_TYPES.get(segment[0], f'type {segment[0]}')}", 0, 0
        case 6:
            source, destination, flags = struct.unpack_from("!HH9xB", segment)
            return " ".join(["TCP", *_flags(flags)]), source, destination
        case 17:
            source, destination = struct.unpack_from("!HH", segment)
            return "UDP", source, destination
    return f"protocol {protocol}", 0, 0


def _flags(flags: int) -> Iterator[str]:
    return (name for bit, name in _TCP_FLAGS.items() if flags & bit)
