"""Which addresses an edit removes from an ENI. Pure: the resource's inputs and outputs, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from typing import Any

from config.ranges import Address


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """Addresses that an ENI has now and may not have afterwards."""

    addresses: frozenset[Address]
    cloud_chooses: bool
    """The edit lowers a count, so it is not known in advance which of these addresses leave."""


def leaving(
    old_inputs: Mapping[str, Any], old_outputs: Mapping[str, Any], new_inputs: Mapping[str, Any]
) -> Leaving:
    """Compare the addresses of an `EcsNetworkInterface` with the desired ones.

    Arguments are the resource's properties as a hook gets them; a property that is not known yet
    is neither a list nor a number, and removes nothing. A smaller `secondaryPrivateIpAddressCount`
    makes the provider unassign the first addresses of an unordered set (`privateIpList[:diff]` in
    resource_alicloud_ecs_network_interface.go): any of them may leave.
    """
    assigned = _addresses(old_outputs) | _addresses(old_inputs)
    requested = _addresses(new_inputs)
    count = new_inputs.get("secondaryPrivateIpAddressCount")
    if isinstance(count, int | float):
        counted = _listed(old_outputs, "privateIpAddresses")
        cloud_chooses = 0 < count < len(counted)
        if count >= len(counted):
            requested |= counted
    else:
        cloud_chooses = False
    requested |= {
        address
        for key in _LISTS
        if key in new_inputs and not isinstance(new_inputs[key], list | tuple)
        for address in _listed(old_outputs, key) | _listed(old_inputs, key)
    }
    return Leaving(addresses=frozenset(assigned - requested), cloud_chooses=cloud_chooses)


_LISTS = ("privateIpAddresses", "ipv4Prefixes", "ipv6Addresses")


def _addresses(properties: Mapping[str, Any]) -> set[Address]:
    return {address for key in _LISTS for address in _listed(properties, key)}


def _listed(properties: Mapping[str, Any], key: str) -> set[Address]:
    values = properties.get(key)
    return set(_expanded(values)) if isinstance(values, list | tuple) else set()


def _expanded(values: list[Any] | tuple[Any, ...]) -> Iterator[Address]:
    for value in values:
        if not isinstance(value, str):
            continue
        if "/" in value:
            yield from IPv4Network(value)
        else:
            yield ip_address(value)
