"""Arithmetic of a vSwitch: usable addresses and a node's block.

Addresses are plain integers in here; thousands of nodes are laid out in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from config.facts.reserved import PREFIX_SIZE, RESERVED_AT_END, RESERVED_AT_START

LAST_ADDRESS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        """The text that a user would write for it."""
        if self.last < self.first:
            return "nothing"
        if self.last > LAST_ADDRESS:
            return "addresses beyond 255.255.255.255"
        if self.first == self.last:
            return str(IPv4Address(self.first))
        return f"{IPv4Address(self.first)}-{IPv4Address(self.last)}"

    def overlaps(self, other: Span) -> bool:
        """Whether the two spans share an address."""
        return self.first <= other.last and other.first <= self.last

    def within(self, other: Span) -> bool:
        """Whether the other span contains all of this one."""
        return other.first <= self.first and self.last <= other.last


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same addresses in as few spans as possible, in their order."""
    whole: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.first, s.last)):
        if whole and span.first <= whole[-1].last + 1:
            whole[-1] = Span(whole[-1].first, max(whole[-1].last, span.last))
        else:
            whole.append(span)
    return whole


def span_of(cidr: IPv4Network) -> Span:
    """All addresses of a network."""
    return Span(int(cidr.network_address), int(cidr.broadcast_address))


def usable(cidr: IPv4Network) -> Span:
    """The addresses that ENIs can have: all but the network address and the last three."""
    whole = span_of(cidr)
    return Span(whole.first + RESERVED_AT_START, whole.last - RESERVED_AT_END)


def gateway(cidr: IPv4Network) -> IPv4Address:
    """The vSwitch's gateway: the third address from the end."""
    third = int(cidr.broadcast_address) - RESERVED_AT_END + 1
    return IPv4Address(max(third, int(cidr.network_address)))


def block(start: int, size: int, index: int) -> Span:
    """Block number `index` of blocks of `size` addresses that begin at `start`."""
    first = start + index * size
    return Span(first, first + size - 1)


def last_block(cidr: IPv4Network, size: int) -> int:
    """The highest block number that holds no reserved address; below 1 when there is none."""
    free = usable(cidr)
    return (free.last + 1 - int(cidr.network_address)) // size - 1


def prefixes_for(pod_addresses: int) -> int:
    """How many /28 prefixes hold this many addresses."""
    return -(-pod_addresses // PREFIX_SIZE)
