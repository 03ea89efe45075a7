"""Addresses and ranges as a user writes them: `a` or `a-b`."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

MAX_EXPANDED = 65536
"""The most addresses of one range. More are a mistake, and would only fill memory."""


def expand(ranges: Iterable[str]) -> tuple[IPv4Address, ...]:
    """Every IPv4 address in these ranges, sorted. `ValueError` names a text that is not a range."""
    return tuple(IPv4Address(n) for n in sorted({n for r in ranges for n in numbers(r)}))


def numbers(text: str) -> range:
    """The addresses of one range as integers. `ValueError` names the reason if it is not one."""
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


def is_address(text: str) -> bool:
    """Whether this is an IPv4 or IPv6 address without a zone (`%eth0`)."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
