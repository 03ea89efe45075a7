"""Which SpiderIPPool serves a pod's NIC, and which address of it is free. No I/O.

Rules: Spiderpool 1.2 `pkg/ipam/pool_selections.go`, `allocate.go` and `pkg/ip`.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ANNOTATION: Final = "ipam.spidernet.io"


class NoAddressError(Exception):
    """No pool has an address for this NIC; the text has the reason."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One NIC of one pod that needs addresses. `network` is the NAD as namespace/name."""

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
    network_pools: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """Pools that the network's own CNI configuration names, by IP version."""


def candidates(request: Request, pools: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the pools to try in order, one list for each address family that must be served.

    Only the first level with a selection counts: the pod's annotations, its namespace's, the
    network's own pools, then all default pools. Raises NoAddressError, naming every pool that was
    filtered out and why.
    """
    families: list[list[dict[str, Any]]] = []
    for version, level in _named(request, pools).items():
        reasons, kept = [], []
        for pool in level:
            if reason := _unfit(pool, request, version):
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


def first_free(
    pool: Mapping[str, Any], reservations: Iterable[Mapping[str, Any]] = ()
) -> str | None:
    """Return the pool's first address that is not allocated, excluded or reserved.

    `reservations` are all SpiderReservedIPs. One that is being deleted reserves nothing
    (`pkg/reservedipmanager`, AssembleReservedIPs).
    """
    taken = allocations(pool)
    kept = [*_ranges(pool["spec"].get("excludeIPs") or ())]
    for reservation in reservations:
        if "deletionTimestamp" not in reservation["metadata"]:
            kept += _ranges(reservation["spec"].get("ips") or ())
    for address in addresses(pool["spec"].get("ips") or ()):
        number = int(ipaddress.ip_address(address))
        if address not in taken and all(number not in numbers for numbers in kept):
            return address
    return None


def _ranges(entries: Iterable[str]) -> Iterator[range]:
    for entry in entries:
        first, _, last = entry.partition("-")
        begin, end = (int(ipaddress.ip_address(text.strip())) for text in (first, last or first))
        yield range(begin, end + 1)


def allocations(pool: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the pool's `status.allocatedIPs`: address → {"pod", "podUid"}."""
    text = (pool.get("status") or {}).get("allocatedIPs")
    records: dict[str, dict[str, str]] = json.loads(text) if text else {}
    return records


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


def _named(request: Request, pools: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Return the pools of the first level with a selection, by IP version."""
    for names in (_pod_names(request), _namespace_names(request), request.network_pools or None):
        if names is not None:
            return {v: _pools_of_names(n, v, pools) for v, n in sorted(names.items()) if n}
    defaults = [pool for pool in pools if pool["spec"].get("default")]
    levels = {v: [pool for pool in defaults if _version(pool) == v] for v in (4, 6)}
    return {version: level for version, level in levels.items() if level}


def _pools_of_names(
    names: Sequence[str], version: int, pools: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the pools of these names; a pattern means all matching pools of the IP version.

    Raises NoAddressError for a name that no pool has, and for a pool that is named twice.
    """
    named: list[dict[str, Any]] = []
    for name in names:
        if any(letter in name for letter in "?*") or ("[" in name and "]" in name):
            fits = [
                pool
                for pool in pools
                if _version(pool) == version and fnmatch.fnmatchcase(pool["metadata"]["name"], name)
            ]
        else:
            fits = [pool for pool in pools if pool["metadata"]["name"] == name]
            if not fits:
                raise NoAddressError(f"failed to get original IPPool {name}: not found")
        for pool in fits:
            if pool in named:
                raise NoAddressError(f"duplicate IPPool {pool['metadata']['name']} specified")
            named.append(pool)
    return named


def _pod_names(request: Request) -> dict[int, list[str]] | None:
    """Return the pools that the pod's annotations name for this NIC, None without any."""
    annotations = request.pod_annotations
    if (text := annotations.get(f"{_ANNOTATION}/ippools")) is not None:
        entries = _annotation(text, "ippools", list)
        for place, entry in enumerate(entries):
            if entry.get("interface", _nic_of_place(place)) == request.nic:
                return _by_version(entry)
        raise NoAddressError(
            f"invalid format of Pod annotation '{_ANNOTATION}/ippools': "
            f"interface {request.nic} must be specified"
        )
    if (text := annotations.get(f"{_ANNOTATION}/ippool")) is not None:
        return _by_version(_annotation(text, "ippool", dict))
    return None


def _annotation(text: str, name: str, kind: type) -> Any:  # noqa: ANN401  (JSON)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise NoAddressError(f"invalid format of Pod annotation '{_ANNOTATION}/{name}'")
    return value


def _nic_of_place(place: int) -> str:
    return "eth0" if place == 0 else f"net{place}"


def _by_version(entry: Mapping[str, Any]) -> dict[int, list[str]]:
    return {4: list(entry.get("ipv4") or ()), 6: list(entry.get("ipv6") or ())}


def _namespace_names(request: Request) -> dict[int, list[str]] | None:
    by_version: dict[int, list[str]] = {}
    for version in (4, 6):
        text = request.namespace_annotations.get(f"{_ANNOTATION}/default-ipv{version}-ippool")
        if text and (names := json.loads(text)):
            by_version[version] = names
    return by_version or None


def _version(pool: Mapping[str, Any]) -> int:
    return int(
        pool["spec"].get("ipVersion")
        or ipaddress.ip_network(pool["spec"]["subnet"], strict=False).version
    )


def _unfit(pool: Mapping[str, Any], request: Request, version: int) -> str | None:
    """Return why the pool does not serve this NIC, None when it does."""
    return _unready(pool, version) or _for_others(pool, request)


def _unready(pool: Mapping[str, Any], version: int) -> str | None:
    if pool["metadata"].get("deletionTimestamp"):
        return "terminating"
    if pool["spec"].get("disable"):
        return "disabled"
    return None if _version(pool) == version else f"expect an IPv{version} IPPool"


def _for_others(pool: Mapping[str, Any], request: Request) -> str | None:
    spec = pool["spec"]
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
