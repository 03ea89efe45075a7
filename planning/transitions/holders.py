"""Which pods have which addresses, as the cluster answers, or why it was not asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from planning.transitions.upgrades import Version


@dataclass(frozen=True, kw_only=True)
class Holders:
    """The answer of a cluster."""

    pods: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Pool → address as an integer → pod (`namespace/name`)."""
    api_server: Version | None = None
    """Version of the API server; None when it is unknown."""
    control_planes: tuple[str, ...] | None = None
    """Control-plane nodes; None when they were not listed."""
    units: Mapping[str, int] | None = None
    """Version of each node's unit, 0 for a node without one; None when they were not listed."""


@dataclass(frozen=True, kw_only=True)
class NotAsked:
    """A preview or a report that continues without an answer; `reason` is a clause."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """An update whose cluster does not answer: no address that a pod may have is removed."""

    reason: str


Cluster = Holders | NotAsked | NoAnswer


def holders_of(pools: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, str]]:
    """The allocations of SpiderIPPool objects (`items` of their list).

    `status.allocatedIPs` is JSON text: an object by address with `pod` (`namespace/name`)
    (Spiderpool v1.2, `pkg/k8s/apis/.../spiderippool_types.go`, PoolIPAllocation).
    """
    return {
        str(pool["metadata"]["name"]): _allocations((pool.get("status") or {}).get("allocatedIPs"))
        for pool in pools
    }


def _allocations(text: object) -> dict[int, str]:
    if not isinstance(text, str) or not text:
        return {}
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return {
        int(ip_address(address)): str(entry.get("pod", "")) or "an unnamed pod"
        for address, entry in parsed.items()
        if isinstance(entry, Mapping)
    }
