"""Ranges as Spiderpool's webhook writes them, and back.

Sorted, without duplicates, neighbours merged into `a-b`, a single address as itself. Anything else
is rewritten by the mutating webhook, and every later run would show a difference
(spiderpool `pkg/ippoolmanager/ippool_mutate.go`, `pkg/ip/ip.go`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.ranges import expand

__all__ = ["canonical_ranges", "expand"]


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
    return tuple(
        str(make(low)) if low == high else f"{make(low)}-{make(high)}" for low, high in ranges
    )
