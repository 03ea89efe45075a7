"""A VPC's DHCP server: assigns each ENI's address by its MAC (RFC 2131, RFC 2132).

cloud-init asks for the primary NIC's address before it asks the metadata service. Answers go to
the address that they assign: the fabric knows its MAC and port.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from typing import Final, cast

from localcloud.machines.control import Interface
from localcloud.machines.network.fabric import NAME_SERVERS

_SERVER_PORT: Final = 67
_CLIENT_PORT: Final = 68
_LEASE_SECONDS: Final = 86_400
_COOKIE: Final = b"\x63\x82\x53\x63"
_HEADER: Final = 236
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5
_KIND: Final = 53
_END: Final = 255


def answer(request: bytes, interface_of: Callable[[str], Interface | None]) -> bytes | None:
    """Answer a DISCOVER or a REQUEST of a MAC that has an ENI; None to anything else."""
    kind = _kind(request)
    if kind not in {_DISCOVER, _REQUEST}:
        return None
    mac = request[28:34].hex(":")
    interface = interface_of(mac)
    if interface is None:
        return None
    server = IPv4Address(interface.gateway).packed
    netmask = IPv4Interface(f"{interface.address}/{interface.prefix_length}").netmask.packed
    options = {
        _KIND: bytes([_OFFER if kind == _DISCOVER else _ACK]),
        54: server,
        51: struct.pack(">I", _LEASE_SECONDS),
        1: netmask,
        3: server,
        6: b"".join(IPv4Address(address).packed for address in NAME_SERVERS),
    }
    header = struct.pack(
        ">4B4s2s2s4s4s4s4s16s192x",
        2,
        1,
        6,
        0,
        request[4:8],
        b"\0\0",
        request[10:12],
        b"\0" * 4,
        IPv4Address(interface.address).packed,
        server,
        b"\0" * 4,
        request[28:44],
    )
    encoded = b"".join(bytes([code, len(text)]) + text for code, text in options.items())
    return header + _COOKIE + encoded + bytes([_END])


def _kind(request: bytes) -> int | None:
    """The message type (option 53); None if the packet is not a client's request."""
    if len(request) <= _HEADER + len(_COOKIE) or request[0] != 1:
        return None
    if request[_HEADER : _HEADER + len(_COOKIE)] != _COOKIE:
        return None
    position = _HEADER + len(_COOKIE)
    while position + 1 < len(request) and request[position] != _END:
        code = request[position]
        if code == 0:
            position += 1
            continue
        length = request[position + 1]
        if code == _KIND and length == 1 and position + 2 < len(request):
            return request[position + 2]
        position += 2 + length
    return None


class _Server(asyncio.DatagramProtocol):
    def __init__(self, interface_of: Callable[[str], Interface | None]) -> None:
        self._interface_of = interface_of
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # In Python 3.11 the class of the transport is not below `DatagramTransport`.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002  # the protocol's own signature
        reply = answer(data, self._interface_of)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, (str(IPv4Address(reply[16:20])), _CLIENT_PORT))


async def serve(interface_of: Callable[[str], Interface | None]) -> None:
    """Answer on every bridge of the VPC; `interface_of` finds an ENI by its MAC."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    listening.bind(("0.0.0.0", _SERVER_PORT))  # noqa: S104  # in the VPC's network namespace
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Server(interface_of), sock=listening
    )
