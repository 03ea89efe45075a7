"""Frames as a report shows them."""

from __future__ import annotations

import socket
import struct

import pytest

from localcloud.machines.observation.capture import Flow
from localcloud.machines.observation.frame import Frame, read_frame

pytestmark = pytest.mark.unit

MAC = "00:16:3e:00:05:00"
POD, NODE = "172.31.199.190", "192.168.0.154"


def _ethernet(protocol: int, payload: bytes) -> bytes:
    return (
        b"\xee\xff\xff\xff\xff\xff"
        + bytes.fromhex(MAC.replace(":", ""))
        + struct.pack("!H", protocol)
        + payload
    )


def _ipv4(protocol: int, segment: bytes, fragment: int = 0) -> bytes:
    ends = socket.inet_aton(POD) + socket.inet_aton(NODE)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, fragment, 64, protocol, 0)
    return _ethernet(0x0800, header + ends + segment)


def _tcp(flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, 80, 0, 0, 0x50, flags, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (_ipv4(1, b"\x08\x00"), "ICMP echo request"),
        (_ipv4(1, b"\x00\x00"), "ICMP echo reply"),
        (_ipv4(6, _tcp(0x02)), "TCP SYN"),
        (_ipv4(6, _tcp(0x12)), "TCP SYN ACK"),
        (_ipv4(17, struct.pack("!HH", 5353, 53)), "UDP"),
        (_ipv4(17, b"", fragment=100), "IPv4 fragment"),
        (_ipv4(132, b""), "protocol 132"),
    ],
)
def test_an_ipv4_frame_names_what_it_is(content: bytes, kind: str) -> None:
    frame = read_frame(content)
    assert frame is not None
    assert (frame.kind, frame.source, frame.destination) == (kind, POD, NODE)
    assert frame.source_mac == MAC


def test_a_tcp_frame_has_its_ports() -> None:
    frame = read_frame(_ipv4(6, _tcp(0x02)))
    assert frame is not None
    assert (frame.source_port, frame.destination_port) == (40000, 80)


def test_an_arp_request_names_who_asks_for_whom() -> None:
    ends = [bytes(6) + socket.inet_aton(address) for address in (POD, NODE)]
    frame = read_frame(
        _ethernet(0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + b"".join(ends))
    )
    assert frame is not None
    assert (frame.kind, frame.source, frame.destination) == ("ARP request", POD, NODE)


def test_an_ipv6_frame_names_what_it_is() -> None:
    ends = [socket.inet_pton(socket.AF_INET6, f"2001:db8::{n}") for n in (1, 2)]
    header = struct.pack("!IHBB", 0x60000000, 2, 58, 64) + b"".join(ends)
    frame = read_frame(_ethernet(0x86DD, header + b"\x80\x00"))
    assert frame is not None
    assert (frame.kind, frame.source) == ("ICMPv6 echo request", "2001:db8::1")


@pytest.mark.parametrize(
    "content", [b"", _ethernet(0x88CC, b"x"), _ethernet(0x0800, b"\x45"), _ipv4(6, b"\x00")]
)
def test_what_is_cut_off_or_not_routed_is_no_frame(content: bytes) -> None:
    assert read_frame(content) is None


def test_a_flow_has_what_an_address_or_a_port_of_it_has_at_an_end() -> None:
    frame = Frame(source_mac=MAC, source=POD, destination=NODE, kind="TCP SYN", destination_port=80)
    assert Flow(addresses={NODE}, ports=()).has(frame)
    assert Flow(addresses=(), ports={80}).has(frame)
    assert not Flow(addresses={"192.168.0.1"}, ports={81}).has(frame)
