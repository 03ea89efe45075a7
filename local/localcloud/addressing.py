"""IPv4 and IPv6 arithmetic of vSwitches: pure functions on addresses and CIDR blocks."""

from __future__ import annotations

import functools
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from .wire.errors import ApiError

RESERVED_AT_END: Final = 3
PREFIX_LENGTH: Final = 28
_NO_SYSTEM_CIDR: Final = IPv4Network("100.64.0.0/10")


@functools.lru_cache(maxsize=65536)
def address(text: str) -> IPv4Address:
    """Parse an IPv4 address; raises ValueError."""
    return IPv4Address(text)


@functools.lru_cache(maxsize=8192)
def block(text: str) -> IPv4Network:
    """Parse an aligned IPv4 block; raises ValueError."""
    return IPv4Network(text)


def requested_block(text: str, code: str, name: str) -> IPv4Network:
    """A client's CIDR block, or the API's error `code`."""
    try:
        return block(text)
    except ValueError:
        raise ApiError(code, f"Specified {name} {text!r} is not a valid IPv4 CIDR block.") from None


def requested_address(text: str, code: str, name: str) -> IPv4Address:
    """A client's IPv4 address, or the API's error `code`."""
    try:
        return address(text)
    except (AddressValueError, ValueError):
        raise ApiError(code, f"Specified {name} {text!r} is not an IPv4 address.") from None


def requested_ipv6(text: str, code: str, status: int = 400) -> IPv6Address:
    """A client's IPv6 address, or the API's error `code`."""
    try:
        return IPv6Address(text)
    except ValueError:
        raise ApiError(
            code, f"Specified Ipv6Address {text[:60]!r} is not an IPv6 address.", status
        ) from None


def is_reserved(ip: IPv4Address, network: IPv4Network) -> bool:
    """The first address and the last three of a vSwitch are the system's."""
    offset = int(ip) - int(network.network_address)
    return offset == 0 or offset >= network.num_addresses - RESERVED_AT_END


def gateway(network: IPv4Network) -> IPv4Address:
    """A vSwitch's gateway: the third address from its end."""
    return network[-RESERVED_AT_END]


def is_private(network: IPv4Network) -> bool:
    """Whether a VPC may have this block: not the system's own range, /8 to /28."""
    return (
        8 <= network.prefixlen <= 28  # noqa: PLR2004  # the API's bounds
        and not network.overlaps(_NO_SYSTEM_CIDR)
        and not network.is_loopback
        and not network.is_multicast
        and not network.is_link_local
    )


def overlaps_system(network: IPv4Network) -> bool:
    """Whether a block overlaps 100.64.0.0/10, which the cloud's own services use."""
    return network.overlaps(_NO_SYSTEM_CIDR)


def sub_block(parent: IPv6Network, index: int) -> IPv6Network:
    """The /64 with this index (0 to 255) of a VPC's /56."""
    return IPv6Network((int(parent.network_address) + (index << 64), 64))


@functools.lru_cache(maxsize=1024)
def ipv6_block(text: str) -> IPv6Network:
    """Parse an aligned IPv6 block; raises ValueError."""
    return IPv6Network(text)
