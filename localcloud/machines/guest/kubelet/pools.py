"""Which SpiderIPPool serves a pod's NIC, and which address of it is free; nothing is asked here.

Rules: Spiderpool 1.2 `pkg/ipam/pool_selections.go`, `allocate.go` and `pkg/ip`.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ANNOTATION: Final = "ipam.spidernet.io"


class NoAddressError(Exception):
    """No pool gives this NIC an address; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One NIC of one pod that wants addresses. `network` is the NAD as namespace/name."""

    pod_namespace: str
    pod_labels: Mapping[str, str]
    pod_annotations: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    namespace_annotations: Mapping[str, str]
    node: str
    node_labels: Mapping[str, str]
    nic: str
    network: str
    agent_namespace: str


def candidates(request: Request, pools: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the pools to try in order, one list for each address family that must be served.

    The first level that names any pool wins: pod annotations, namespace annotations, pools that
    are default. Raises NoAddressError, naming every pool that was filtered out and why.
    """
    named = _named(request, pools)
    families: list[list[dict[str, Any]]] = []
    for version in (4, 6):
        level = [pool for pool in named if _version(pool) == version]
        if not level:
            continue
        reasons, kept = [], []
        for pool in level:
            if reason := _unfit(pool, request):
                reasons.append(f"{pool['metadata']['name']}: {reason}")
            else:
                kept.append(pool)
        if not kept:
            raise NoAddressError(
                f"no matched IPv{version} IPPool for {request.nic}: {'; '.join(reasons)}"
            )
        families.append(sorted(kept, key=_rank))
    if not families:
        raise NoAddressError(f"no pool selection rules of {request.nic} are satisfied")
    return families


def first_free(pool: Mapping[str, Any]) -> str | None:
    """Return the first address of the pool that is neither allocated nor excluded."""
    taken = allocations(pool)
    excluded = set(addresses(pool["spec"].get("excludeIPs") or ()))
    for address in addresses(pool["spec"].get("ips") or ()):
        if address not in taken and address not in excluded:
            return address
    return None


def allocations(pool: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the pool's `status.allocatedIPs`: address → {"pod", "podUid"}."""
    text = (pool.get("status") or {}).get("allocatedIPs")
    found: dict[str, dict[str, str]] = json.loads(text) if text else {}
    return found


def with_allocations(
    pool: Mapping[str, Any], allocated: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the pool with a new status, for a PUT of its status subresource."""
    excluded = set(addresses(pool["spec"].get("excludeIPs") or ()))
    total = sum(1 for ip in addresses(pool["spec"].get("ips") or ()) if ip not in excluded)
    status: dict[str, Any] = {"totalIPCount": total, "allocatedIPCount": len(allocated)}
    if allocated:
        status["allocatedIPs"] = json.dumps(allocated, sort_keys=True, separators=(",", ":"))
    return dict(pool) | {"status": status}


def addresses(entries: Iterable[str]) -> Iterator[str]:
    """Yield every address of a list of addresses and ranges, in order."""
    for entry in entries:
        first, _, last = entry.partition("-")
        here = ipaddress.ip_address(first.strip())
        end = ipaddress.ip_address((last or first).strip())
        while int(here) <= int(end):
            yield str(here)
            here += 1


def _named(request: Request, pools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = _pod_names(request) or _namespace_names(request)
    if names:
        return [
            pool
            for pattern in names
            for pool in pools
            if fnmatch.fnmatchcase(pool["metadata"]["name"], pattern)
        ]
    return [pool for pool in pools if pool["spec"].get("default")]


def _pod_names(request: Request) -> list[str]:
    annotations = request.pod_annotations
    if text := annotations.get(f"{_ANNOTATION}/ippools"):
        for entry in json.loads(text):
            if entry.get("interface", "eth0") == request.nic:
                return [*(entry.get("ipv4") or ()), *(entry.get("ipv6") or ())]
    if text := annotations.get(f"{_ANNOTATION}/ippool"):
        entry = json.loads(text)
        return [*(entry.get("ipv4") or ()), *(entry.get("ipv6") or ())]
    return []


def _namespace_names(request: Request) -> list[str]:
    found: list[str] = []
    for version in (4, 6):
        text = request.namespace_annotations.get(f"{_ANNOTATION}/default-ipv{version}-ippool")
        found += json.loads(text) if text else []
    return found


def _version(pool: Mapping[str, Any]) -> int:
    return int(
        pool["spec"].get("ipVersion")
        or ipaddress.ip_network(pool["spec"]["subnet"], strict=False).version
    )


def _unfit(pool: Mapping[str, Any], request: Request) -> str | None:
    """Return why the pool does not serve this NIC, None when it does."""
    spec = pool["spec"]
    if pool["metadata"].get("deletionTimestamp"):
        return "terminating"
    if spec.get("disable"):
        return "disabled"
    named = {
        "nodeName": (request.node, "nodeAffinity", request.node_labels),
        "namespaceName": (request.pod_namespace, "namespaceAffinity", request.namespace_labels),
    }
    for key, (name, selector, labels) in named.items():
        if spec.get(key):
            if name not in spec[key]:
                return f"unmatched {key}"
        elif not _selects(spec.get(selector) or {}, labels):
            return f"unmatched {selector}"
    if not _selects(spec.get("podAffinity") or {}, request.pod_labels):
        return "unmatched podAffinity"
    return None if _serves(spec.get("multusName") or (), request) else "unmatched multusName"


def _serves(names: Sequence[str], request: Request) -> bool:
    full = [name if "/" in name else f"{request.agent_namespace}/{name}" for name in names]
    return not full or request.network in full


def _rank(pool: Mapping[str, Any]) -> tuple[bool, ...]:
    order = (
        "podAffinity",
        "nodeName",
        "nodeAffinity",
        "namespaceName",
        "namespaceAffinity",
        "multusName",
    )
    return tuple(not pool["spec"].get(key) for key in order)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], expression.get("values") or ()
        fits = {
            "In": labels.get(key) in values and key in labels,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[expression["operator"]]
        if not fits:
            return False
    return True
