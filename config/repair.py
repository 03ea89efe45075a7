"""Stand-ins for what cannot be read, so that the rest of a document is checked in the same run.

A stand-in is used only to find further problems. Problems that follow from a stand-in are not
reported (`config.load.Reading.concerns`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network

from pydantic_core import ErrorDetails

from config.model import Profile
from config.schema_walk import document_path

_ANY_NETWORK = "0.0.0.0/0"
"""Contains every address, so no address is reported as outside of it."""

_ZONE = re.compile(r"^([a-z]{2}-[a-z]+(?:-\d+|-[a-z]{2,})?)-?[a-z]$")

Document = Mapping[str, object]


def stand_in(detail: ErrorDetails, value: object, document: Document) -> object:
    """A valid value to replace one with an error; None where there is no sensible one."""
    path = document_path(detail["loc"])
    if detail["type"] == "ip_v4_network" and isinstance(value, str):
        try:
            return str(IPv4Network(value, strict=False))
        except ValueError:
            pass
    if detail["type"] == "missing" or not _has_default(path):
        return _for_required(path, document)
    return None


def _has_default(path: tuple[str | int, ...]) -> bool:
    return _for_required(path, {}) is None


def _for_required(path: tuple[str | int, ...], document: Document) -> object:
    if path == ("region",):
        return _region_of_zones(document)
    if len(path) == 1 or path[:1] == ("network",):
        return {
            ("profile",): Profile.DEV.value,
            ("name",): "name",
            ("network",): {"vpc": {"cidr": _ANY_NETWORK}, "subnets": {}},
            ("network", "vpc"): {"cidr": _ANY_NETWORK},
            ("network", "vpc", "cidr"): _ANY_NETWORK,
            ("network", "subnets"): {},
            ("nodePools",): {},
        }.get(tuple(str(step) for step in path))
    pool_key = {"instanceType": "ecs.g7.32xlarge", "interfaces": {}}
    in_pool = len(path) == 3 and path[0] == "nodePools"  # noqa: PLR2004 - nodePools.<pool>.<key>
    return pool_key.get(str(path[-1])) if in_pool else None


def _region_of_zones(document: Document) -> str:
    """The region that the first zone of a subnet lies in, by its name."""
    network = document.get("network")
    subnets = network.get("subnets") if isinstance(network, Mapping) else None
    for subnet in subnets.values() if isinstance(subnets, Mapping) else ():
        zones = subnet.get("zones") if isinstance(subnet, Mapping) else None
        for zone in zones if isinstance(zones, Mapping) else ():
            match = _ZONE.match(str(zone))
            if match:
                return match[1]
    return "cn-hangzhou"
