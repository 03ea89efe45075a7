"""Ranges as Spiderpool's webhook writes them, and back.

Sorted, without duplicates, neighbours merged into `a-b`, a single address as itself. The mutating
webhook rewrites anything else, so every later run would show a difference (spiderpool
`pkg/ippoolmanager/ippool_mutate.go`, `pkg/ip/ip.go`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.ranges import expand

__all__ = ["canonical_ranges", "expand", "holds", "without"]


def canonical_ranges(addresses: Iterable[IPv4Address | IPv6Address | str]) -> tuple[str, ...]:
    """The ranges that hold exactly these addresses; all of one IP version."""
    parsed = {ip_address(a) if isinstance(a, str) else a for a in addresses}
    if len({a.version for a in parsed}) > 1:
        raise ValueError("IPv4 and IPv6 addresses do not mix in one pool")
    make: type[IPv4Address | IPv6Address] = (
        IPv6Address if any(isinstance(a, IPv6Address) for a in parsed) else IPv4Address
    )
    ranges: list[tuple[int, int]] = []
    for number in sorted(int(a) for a in parsed):
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(_text(make(low), make(high)) for low, high in ranges)


def without(ranges: Iterable[str], removed: Iterable[IPv4Address | IPv6Address]) -> tuple[str, ...]:
    """Canonical `ranges` less the `removed` addresses; a range of IPv6 may be of any size.

    Raises `ValueError` for a text that is neither an address nor a range `a-b`.
    """
    cuts = sorted(removed, key=lambda address: (address.version, int(address)))
    return tuple(part for text in ranges for part in _cut(text, cuts))


def holds(ranges: Iterable[str], address: IPv4Address | IPv6Address) -> bool:
    """Whether one of the ranges holds the address. Raises `ValueError` as `without` does."""
    return any(
        low.version == address.version and int(low) <= int(address) <= int(high)
        for low, high in map(_ends, ranges)
    )


def _cut(text: str, cuts: Iterable[IPv4Address | IPv6Address]) -> Iterator[str]:
    low, high = _ends(text)
    make = type(low)
    first, last = int(low), int(high)
    for cut in cuts:
        if cut.version == low.version and first <= int(cut) <= last:
            if first < int(cut):
                yield _text(make(first), make(int(cut) - 1))
            first = int(cut) + 1
    if first <= last:
        yield _text(make(first), make(last))


def _ends(text: str) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    low, _, high = text.partition("-")
    first = ip_address(low)
    return first, ip_address(high) if high else first


def _text(low: IPv4Address | IPv6Address, high: IPv4Address | IPv6Address) -> str:
    return str(low) if low == high else f"{low}-{high}"
