"""The VPC's resolvers: the names of the fabric's own services, and no others (RFC 1035).

UDP only: an answer has one address of the family that was asked for.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, cast

from localcloud.machines.network.fabric import NAME_SERVERS

_HEADER: Final = struct.Struct(">2s5H")
_QUESTION: Final = struct.Struct(">2H")
_RESPONSE: Final = 0x8180
"""The flags of an answer: recursion desired and available."""
_NO_SUCH_NAME: Final = 3
_KINDS: Final = {1: 4, 28: 6}
"""The type of a record (A, AAAA) → the version of its address."""
_INTERNET: Final = 1
_SECONDS: Final = 60
_PORT: Final = 53


def answer(query: bytes, names: Mapping[str, Sequence[str]]) -> bytes | None:
    """Answer one query; None if the message is not a query with one question.

    `names`: name → its addresses, at most one of each family.
    """
    try:
        identity, flags, questions, *_ = _HEADER.unpack_from(query)
        name, end = _name(query, _HEADER.size)
        kind, family = _QUESTION.unpack_from(query, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    if flags & 0x8000 or questions != 1:
        return None
    end += _QUESTION.size
    addresses = names.get(name.lower())
    version = _KINDS.get(kind) if family == _INTERNET else None
    records = [
        struct.pack(">3HIH", 0xC00C, kind, family, _SECONDS, len(address.packed)) + address.packed
        for address in map(ip_address, addresses or ())
        if address.version == version
    ]
    status = _RESPONSE | (_NO_SUCH_NAME if addresses is None else 0)
    header = _HEADER.pack(identity, status, 1, len(records), 0, 0)
    return header + query[_HEADER.size : end] + b"".join(records)


def _name(query: bytes, position: int) -> tuple[str, int]:
    """The name at a position, without compression, and where it ends."""
    labels = []
    while length := query[position]:
        label = query[position + 1 : position + 1 + length]
        labels.append(label.decode("ascii"))
        position += 1 + length
    return ".".join(labels), position + 1


class _Server(asyncio.DatagramProtocol):
    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
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
    names: Mapping[str, Sequence[str]],
    addresses: Collection[str] = NAME_SERVERS,
    port: int = _PORT,
) -> None:
    """Answer for `names` on each address; by default on both of the VPC's resolvers."""
    loop = asyncio.get_running_loop()
    for address in addresses:
        await loop.create_datagram_endpoint(
            lambda: _Server(names),
            # An answer must come from the address that was asked.
            local_addr=(address, port),
        )
