"""DHCP, DNS and package sources of a VPC, as messages."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.machines.control import Interface
from localcloud.machines.network.fabric import SOURCES_ADDRESS
from localcloud.machines.vpc_services import dhcp, resolver
from localcloud.machines.vpc_services.package_server import file_of
from tests.localcloud.machines import fake_cloud
from tests.loopback_ports import free_port

pytestmark = pytest.mark.unit

MAC = "00:16:3e:00:00:01"
INTERFACE = Interface.read(
    fake_cloud.interface("eni-1", MAC, "172.31.199.183", "172.31.192.0/20", primary=True)
)
NAMES = {"pkgs.k8s.io": (SOURCES_ADDRESS,), "both.example": ("192.0.2.1", "2001:db8::1")}


def dhcp_request(kind: int, mac: str = MAC) -> bytes:
    header = (
        struct.pack(">4B4sHH16x", 1, 1, 6, 0, b"\x01\x02\x03\x04", 0, 0x8000)
        + bytes.fromhex(mac.replace(":", ""))
        + b"\0" * 10
        + b"\0" * 192
    )
    return header + b"\x63\x82\x53\x63" + bytes([12, 1, 65, 53, 1, kind, 255])


def options(reply: bytes) -> dict[int, bytes]:
    position, read = 240, {}
    while reply[position] != 255:
        length = reply[position + 1]
        read[reply[position]] = reply[position + 2 : position + 2 + length]
        position += 2 + length
    return read


def interface_of(mac: str) -> Interface | None:
    return INTERFACE if mac == MAC else None


@pytest.mark.parametrize(("kind", "answer"), [(1, 2), (3, 5)])
def test_a_mac_gets_the_address_of_its_eni(kind: int, answer: int) -> None:
    reply = dhcp.answer(dhcp_request(kind), interface_of)
    assert reply is not None
    assert reply[4:8] == b"\x01\x02\x03\x04"
    assert IPv4Address(reply[16:20]) == IPv4Address("172.31.199.183")
    read = options(reply)
    assert read[53] == bytes([answer])
    assert IPv4Address(read[1]) == IPv4Address("255.255.240.0")
    assert IPv4Address(read[3]) == IPv4Address("172.31.207.253")


def test_an_unknown_mac_gets_no_answer() -> None:
    assert dhcp.answer(dhcp_request(1, "00:16:3e:ff:ff:ff"), interface_of) is None


def test_a_release_gets_no_answer() -> None:
    assert dhcp.answer(dhcp_request(7), interface_of) is None


@given(st.binary(max_size=400))
def test_no_bytes_break_the_dhcp_server(request: bytes) -> None:
    assert dhcp.answer(request, interface_of) is None


@given(st.binary(max_size=60))
def test_no_options_break_the_dhcp_server(tail: bytes) -> None:
    dhcp.answer(dhcp_request(1)[:240] + tail, interface_of)


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return (
        struct.pack(">2s5H", b"id", 0x100, 1, 0, 0, 0)
        + labels
        + b"\0"
        + struct.pack(">2H", kind, 1)
    )


def test_a_name_of_the_fabric_has_the_address_of_the_package_sources() -> None:
    reply = resolver.answer(query("pkgs.K8S.io"), NAMES)
    assert reply is not None
    assert reply[:2] == b"id"
    assert (reply[3] & 15, reply[7]) == (0, 1)
    assert IPv4Address(reply[-4:]) == IPv4Address("100.100.0.2")


def test_another_kind_of_record_is_answered_with_none() -> None:
    reply = resolver.answer(query("pkgs.k8s.io", kind=28), NAMES)
    assert reply is not None
    assert (reply[3] & 15, reply[7]) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "address"),
    [(1, IPv4Address("192.0.2.1")), (28, IPv6Address("2001:db8::1"))],
)
def test_a_name_with_both_families_is_answered_with_the_one_that_was_asked_for(
    kind: int, address: IPv4Address | IPv6Address
) -> None:
    reply = resolver.answer(query("both.example", kind=kind), NAMES)
    assert reply is not None
    assert (reply[3] & 15, reply[7]) == (0, 1)
    assert reply.endswith(address.packed)


def test_another_name_does_not_exist() -> None:
    reply = resolver.answer(query("example.com"), NAMES)
    assert reply is not None
    assert (reply[3] & 15, reply[7]) == (3, 0)


def test_a_query_over_the_network_is_answered_to_its_sender() -> None:
    port = free_port()

    async def ask() -> bytes:
        await resolver.serve(NAMES, addresses=["127.0.0.1"], port=port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(query("pkgs.k8s.io"), ("127.0.0.1", port))
            return await asyncio.to_thread(client.recv, 512)

    assert asyncio.run(ask())[:2] == b"id"


@given(st.binary(max_size=80))
def test_no_bytes_break_the_resolver(message: bytes) -> None:
    resolver.answer(message, NAMES)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for host in ("a.example", "b.example"):
        (tmp_path / "sources" / host).mkdir(parents=True)
        (tmp_path / "sources" / host / "key").write_text(host)
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "sources"


def test_a_file_is_that_of_the_requested_host(sources: Path) -> None:
    assert file_of(sources, "B.example:443", "/key?x=1") == sources / "b.example" / "key"
    assert file_of(sources, "c.example", "/key") is None


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("a.example", "/../b.example/key"),
        ("a.example", "/%2e%2e/%2e%2e/secret"),
        ("..", "/secret"),
        ("a.example/..", "/key"),
        ("", "/a.example/key"),
        ("a.example", "//etc/passwd"),
    ],
)
def test_nothing_outside_of_the_hosts_folder_is_served(
    sources: Path, host: str, target: str
) -> None:
    assert file_of(sources, host, target) is None
