"""Ranges as Spiderpool's webhook writes them, and back.

Sorted, without duplicates, neighbours merged into `a-b`, a single address as itself. Anything else
is rewritten by the mutating webhook, and every later run would show a difference
(spiderpool `pkg/ippoolmanager/ippool_mutate.go`, `pkg/ip/ip.go`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_EXPANDED = 65536
"""More than this in one range is a mistake, and would only fill memory."""


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


def expand(ranges: Iterable[str]) -> tuple[IPv4Address, ...]:
    """Every IPv4 address in these ranges, sorted. `ValueError` says which text is not a range."""
    return tuple(IPv4Address(n) for n in sorted({n for r in ranges for n in _numbers(r)}))


def _numbers(text: str) -> range:
    low_text, dash, high_text = text.partition("-")
    try:
        low = int(IPv4Address(low_text))
        high = int(IPv4Address(high_text)) if dash else low
    except ValueError as error:
        raise ValueError(f"{text!r} is neither an IPv4 address nor a range a-b") from error
    if high < low:
        raise ValueError(f"{text!r} is reversed: the lower address comes first")
    if high - low >= MAX_EXPANDED:
        raise ValueError(f"{text!r} holds more than {MAX_EXPANDED} addresses")
    return range(low, high + 1)
