"""The VPC's resolvers: the names of the package sources and registries, and no others (RFC 1035).

UDP only: an answer has one address.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Collection
from ipaddress import IPv4Address
from typing import Final, cast

from localcloud.machines.network.fabric import NAME_SERVERS, SOURCES_ADDRESS

_HEADER: Final = struct.Struct(">2s5H")
_QUESTION: Final = struct.Struct(">2H")
_RESPONSE: Final = 0x8180
"""The flags of an answer: recursion desired and available."""
_NO_SUCH_NAME: Final = 3
_ADDRESS, _INTERNET = 1, 1
_SECONDS: Final = 60
_PORT: Final = 53


def answer(query: bytes, names: Collection[str]) -> bytes | None:
    """Answer one query; None if the message is not a query with one question."""
    try:
        identity, flags, questions, *_ = _HEADER.unpack_from(query)
        name, end = _name(query, _HEADER.size)
        kind, family = _QUESTION.unpack_from(query, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    if flags & 0x8000 or questions != 1:
        return None
    end += _QUESTION.size
    exists = name.lower() in names
    addresses = exists and (kind, family) == (_ADDRESS, _INTERNET)
    status = _RESPONSE | (0 if exists else _NO_SUCH_NAME)
    header = _HEADER.pack(identity, status, 1, int(addresses), 0, 0)
    question = query[_HEADER.size : end]
    if not addresses:
        return header + question
    record = struct.pack(">3HIH", 0xC00C, _ADDRESS, _INTERNET, _SECONDS, 4)
    return header + question + record + IPv4Address(SOURCES_ADDRESS).packed


def _name(query: bytes, position: int) -> tuple[str, int]:
    """The name at a position, without compression, and where it ends."""
    labels = []
    while length := query[position]:
        label = query[position + 1 : position + 1 + length]
        labels.append(label.decode("ascii"))
        position += 1 + length
    return ".".join(labels), position + 1


class _Server(asyncio.DatagramProtocol):
    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # In Python 3.11 the class of the transport is not below `DatagramTransport`.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = answer(data, self._names)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


async def serve(
    names: Collection[str], addresses: Collection[str] = NAME_SERVERS, port: int = _PORT
) -> None:
    """Answer on each address; by default on both of the VPC's resolvers."""
    loop = asyncio.get_running_loop()
    for address in addresses:
        await loop.create_datagram_endpoint(
            lambda: _Server(names),
            # An answer must come from the address that was asked.
            local_addr=(address, port),
        )
