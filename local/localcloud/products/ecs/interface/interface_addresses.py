"""Addresses and prefixes of an existing ENI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products import statuses
from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import NetworkInterface
from localcloud.products.ecs.interface.interfaces import (
    ASSIGNING,
    check_limits,
    check_one_kind,
    take_ipv4,
    take_ipv6,
    take_prefixes,
)
from localcloud.products.vpc import claims, ipv6, vswitches
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError, invalid, missing

_MOST_ASSIGNED: Final = 50
_MOST_WHILE_AVAILABLE: Final = 32
"""SDK text of AssignPrivateIpAddresses, 2026-07 (alibabacloud-go/ecs-20140526@d024e14)."""
_MOST_UNASSIGNED: Final = 32
_MOST_UNASSIGNED_PREFIXES: Final = 10
_MOST_UNASSIGNED_IPV6: Final = 10
"""Texts of the parameters of UnassignPrivateIpAddresses and UnassignIpv6Addresses."""


@dataclass(frozen=True, kw_only=True)
class AssignPrivateIpAddresses:
    """Parameters of AssignPrivateIpAddresses."""

    network_interface_id: str
    region_id: str | None = None
    private_ip_address: tuple[str, ...] = ()
    secondary_private_ip_address_count: int = 0
    ipv4_prefix: tuple[str, ...] = ()
    ipv4_prefix_count: int = 0


def _changeable(call: Call, interface_id: str) -> NetworkInterface:
    """The ENI, if its addresses can be changed in its present status."""
    eni = existing.interface(call, interface_id)
    statuses.require(call, eni, "Available", "InUse", code="InvalidOperation.InvalidEniState")
    return eni


def _check_number(name: str, values: Sequence[str], most: int) -> None:
    if len(values) > most:
        raise invalid(name, len(values), f"a request has at most {most}")


def _limited(call: Call, eni: NetworkInterface) -> None:
    if eni.instance_id:
        check_limits(eni, existing.instance(call, eni.instance_id))
    elif 1 + len(eni.secondary) + len(eni.prefixes) > _MOST_ASSIGNED:
        raise ApiError(
            "InvalidOperation.Ipv4CountExceeded",
            f"An ENI has at most {_MOST_ASSIGNED} private IPv4 addresses.",
            403,
        )


@action(writes=True)
def assign_private_ip_addresses(call: Call, request: AssignPrivateIpAddresses) -> Answer:
    """Add secondary addresses or prefixes, all or none."""
    eni = _changeable(call, request.network_interface_id)
    vswitch = vswitches.find(call, eni.vswitch_id)
    addresses, count = request.private_ip_address, request.secondary_private_ip_address_count
    check_one_kind(
        addresses=bool(addresses or count),
        prefixes=bool(request.ipv4_prefix or request.ipv4_prefix_count),
    )
    if not (addresses or count or request.ipv4_prefix or request.ipv4_prefix_count):
        raise missing("PrivateIpAddress")
    most = _MOST_ASSIGNED if eni.instance_id else _MOST_WHILE_AVAILABLE
    if len(addresses) + count > most:
        raise invalid(
            "PrivateIpAddress", len(addresses) + count, f"a request has at most {most} addresses"
        )
    added = take_ipv4(call, eni, vswitch, addresses, count, ASSIGNING)
    prefixes = take_prefixes(call, eni, vswitch, request.ipv4_prefix, request.ipv4_prefix_count)
    changed = call.store.change(
        eni, secondary=(*eni.secondary, *added), prefixes=(*eni.prefixes, *prefixes)
    )
    _limited(call, changed)
    return {
        "AssignedPrivateIpAddressesSet": {
            "NetworkInterfaceId": eni.id,
            "PrivateIpSet": {"PrivateIpAddress": list(added)},
            "Ipv4PrefixSet": {"Ipv4Prefixes": list(prefixes)},
        }
    }


@dataclass(frozen=True, kw_only=True)
class UnassignPrivateIpAddresses:
    """Parameters of UnassignPrivateIpAddresses."""

    network_interface_id: str
    region_id: str | None = None
    private_ip_address: tuple[str, ...] = ()
    ipv4_prefix: tuple[str, ...] = ()


@action(writes=True)
def unassign_private_ip_addresses(call: Call, request: UnassignPrivateIpAddresses) -> Answer:
    """Remove secondary addresses or prefixes, all or none."""
    eni = _changeable(call, request.network_interface_id)
    if not (request.private_ip_address or request.ipv4_prefix):
        raise missing("PrivateIpAddress")
    check_one_kind(addresses=bool(request.private_ip_address), prefixes=bool(request.ipv4_prefix))
    _check_number("PrivateIpAddress", request.private_ip_address, _MOST_UNASSIGNED)
    _check_number("Ipv4Prefix", request.ipv4_prefix, _MOST_UNASSIGNED_PREFIXES)
    for ip in request.private_ip_address:
        # The primary address is refused by the same code (comment of UnAssignPrivateIPAddresses in
        # Terway's pkg/aliyun/client/ecs.go at 89aadf8b).
        if ip not in eni.secondary:
            raise ApiError(
                "InvalidIp.IpUnassigned", f"{ip} is no secondary address of {eni.id}.", 403
            )
    for prefix in request.ipv4_prefix:
        if prefix not in eni.prefixes:
            raise ApiError("InvalidIp.IpUnassigned", f"{prefix} is not on {eni.id}.", 403)
    for gone in (*request.private_ip_address, *request.ipv4_prefix):
        claims.give_back(call, eni.vswitch_id, gone)
    call.store.change(
        eni,
        secondary=tuple(ip for ip in eni.secondary if ip not in request.private_ip_address),
        prefixes=tuple(p for p in eni.prefixes if p not in request.ipv4_prefix),
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class AssignIpv6Addresses:
    """Parameters of AssignIpv6Addresses."""

    network_interface_id: str
    region_id: str | None = None
    ipv6_address: tuple[str, ...] = ()
    ipv6_address_count: int = 0


@action(writes=True)
def assign_ipv6_addresses(call: Call, request: AssignIpv6Addresses) -> Answer:
    """Add IPv6 addresses, all or none."""
    eni = _changeable(call, request.network_interface_id)
    vswitch = vswitches.find(call, eni.vswitch_id)
    if not (request.ipv6_address or request.ipv6_address_count):
        raise missing("Ipv6Address")
    added = take_ipv6(
        call, eni, vswitch, request.ipv6_address, request.ipv6_address_count, ASSIGNING
    )
    changed = call.store.change(eni, ipv6=(*eni.ipv6, *added))
    _limited(call, changed)
    return {
        "NetworkInterfaceId": eni.id,
        "Ipv6Sets": {"Ipv6Address": list(added)},
        "Ipv6PrefixSets": {"Ipv6Prefix": []},
    }


@dataclass(frozen=True, kw_only=True)
class UnassignIpv6Addresses:
    """Parameters of UnassignIpv6Addresses."""

    network_interface_id: str
    region_id: str | None = None
    ipv6_address: tuple[str, ...] = ()


@action(writes=True)
def unassign_ipv6_addresses(call: Call, request: UnassignIpv6Addresses) -> Answer:
    """Remove IPv6 addresses, all or none."""
    eni = _changeable(call, request.network_interface_id)
    _check_number("Ipv6Address", request.ipv6_address, _MOST_UNASSIGNED_IPV6)
    for ip in request.ipv6_address:
        if ip not in eni.ipv6:
            raise ApiError("InvalidIp.IpUnassigned", f"{ip} is not on {eni.id}.", 403)
        ipv6.take_from(call, eni.vswitch_id, ip)
    call.store.change(eni, ipv6=tuple(ip for ip in eni.ipv6 if ip not in request.ipv6_address))
    return {}
