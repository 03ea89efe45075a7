"""The addresses of a SpiderIPPool, and the pods that have them."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import ip_address

from operations.verification.cluster_objects import Object


def addresses_of(pool: Object) -> set[str]:
    """Every address of its ranges, each in the form that the API shows."""
    addresses: set[str] = set()
    for text in pool["spec"].get("ips") or ():
        first, _, last = text.partition("-")
        begin, end = ip_address(first), ip_address(last or first)
        addresses |= {str(begin + step) for step in range(int(end) - int(begin) + 1)}
    return addresses


def allocated_in(pool: Object) -> dict[str, str]:
    """The uid of the pod that has an address, by the address."""
    allocated = json.loads((pool.get("status") or {}).get("allocatedIPs") or "{}")
    return {address: entry["podUid"] for address, entry in allocated.items()}


def owners_of(pool: Object) -> Counter[str]:
    """How many addresses each pod has, by its uid."""
    return Counter(allocated_in(pool).values())
