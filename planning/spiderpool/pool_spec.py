"""Readers for the fields of a SpiderIPPool's spec; a field of the wrong type reads as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from config.report import Problem

LARGEST: Final = 2**16
"""Addresses of one pool: each update makes a list of them all."""

Spec = Mapping[str, object]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CIDR: Final = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")


@dataclass(frozen=True)
class Range:
    """Addresses from `first` to `last`, as numbers, and how they were written."""

    text: str
    first: int
    last: int


def address_of(text: str) -> Address | None:
    """An address as the webhook reads it: none in IPv4-mapped spelling."""
    address = parsed(text)
    return None if _is_mapped(address) else address


def _is_mapped(address: Address | None) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def parsed(text: str) -> Address | None:
    """An address in any spelling, without a zone."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def network_of(text: str, *, strict: bool = False) -> Network | None:
    """A CIDR block; `strict` allows no host bits."""
    if not _CIDR.fullmatch(text):
        return None
    try:
        return ip_network(text, strict=strict)
    except ValueError:
        return None


def texts(value: object) -> list[str]:
    """The entries of a list; nothing where there is none."""
    return [str(entry) for entry in value] if isinstance(value, list | tuple) else []


def maps(value: object) -> list[Mapping[str, object]]:
    """The objects of a list; nothing where there is none."""
    return list(value) if isinstance(value, list | tuple) else []


def problem(path: str, value: object, rule: str, remedy: str) -> Problem:
    """A problem with `value` as people write it."""
    shown = None if value is None else str(value)
    return Problem(path=path, value=shown, rule=rule, remedy=remedy)
