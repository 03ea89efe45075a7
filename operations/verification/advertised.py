"""The check of the addresses that a node advertises, by the rule of its own unit.

The rule is `COUNT_ADDRESSES` of `planning/nodes/node.sh`. A node advertises its free addresses that
are neither reserved nor excluded by the pool, plus those whose pod has asked for one, and at least
as many as its pods ask for together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from operations.verification.checks import Check, Needs, NotRun, Probe
from operations.verification.cluster_objects import Cluster, Object
from operations.verification.pool_contents import addresses_of, allocated_in, owners_of
from planning.nodes.machine import RESERVING_UNIT, unit_version


def _probes(cluster: Cluster) -> Sequence[Probe] | NotRun:
    planned: Mapping[str, Mapping[str, int]] = cluster.outputs.get("advertised") or {}
    if not planned:
        return NotRun(reason="the scheduler does not count addresses in this cluster")
    return [Probe(attempt=lambda _: list(_differing_counts(cluster, planned)))]


@dataclass(frozen=True, kw_only=True)
class _Account:
    """The addresses of one NIC of one node."""

    size: int
    """How many the pool has."""
    uncounted: int
    """Those whose pod did not ask for one."""
    paid: int
    """Those whose pod did."""
    reserved: int
    """Free ones that no pod gets: a SpiderReservedIP has them, or the pool's `excludeIPs`."""
    free: int
    """Those that are neither of these; none where the pool gives no address."""
    bound: int
    """How many the pods of the node ask for together."""

    def advertised(self, *, with_reserved: bool = False) -> int:
        """What the node's unit advertises; `with_reserved`: a unit that does not subtract them."""
        return max(self.paid + self.free + (self.reserved if with_reserved else 0), self.bound)


def _account(cluster: Cluster, node: str, nic: str, resource: str) -> _Account:
    requests = {pod.uid: pod.requests for pod in cluster.pods}
    bound = sum(pod.requests.get(resource, 0) for pod in cluster.pods if pod.node == node)
    pool = cluster.pools.get(f"{node}-{nic}")
    if pool is None:
        return _Account(size=0, uncounted=0, paid=0, reserved=0, free=0, bound=bound)
    owners = owners_of(pool)
    paid = sum(min(n, requests.get(uid, {}).get(resource, 0)) for uid, n in owners.items())
    size = len(addresses_of(pool))
    closed = pool["spec"].get("disable") or "deletionTimestamp" in pool["metadata"]
    reserved = 0 if closed else _reserved(pool, cluster.reservations)
    return _Account(
        size=size,
        uncounted=owners.total() - paid,
        paid=paid,
        reserved=reserved,
        free=0 if closed else size - owners.total() - reserved,
        bound=bound,
    )


def _reserved(pool: Object, reservations: Iterable[Object]) -> int:
    excluded = pool["spec"].get("excludeIPs") or ()
    lists = [excluded, *(each["spec"].get("ips") or () for each in reservations)]
    reserved = [
        range(int(ip_address(first)), int(ip_address(last or first)) + 1)
        for each in lists
        for first, _, last in (text.partition("-") for text in each)
    ]
    free = (int(ip_address(text)) for text in addresses_of(pool) - allocated_in(pool).keys())
    return sum(any(address in span for span in reserved) for address in free)


def _differing_counts(cluster: Cluster, planned: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Where plan, pool and Node differ about a NIC's addresses."""
    for node, resources in sorted(planned.items()):
        if node not in cluster.nodes:
            continue  # `nodes-ready` names it.
        status = cluster.nodes[node].get("status") or {}
        allocatable = status.get("allocatable") or {}
        unit = unit_version(cluster.nodes[node]["metadata"].get("annotations") or {})
        for resource, count in sorted(resources.items()):
            nic = resource.rpartition("/")[2].removesuffix("-addresses")
            account = _account(cluster, node, nic, resource)
            size = account.size
            if size != count:
                yield f"{node} {nic}: the stack plans {count} addresses, the pool has {size}"
            advertised = int(allocatable.get(resource, 0))
            if advertised == account.advertised():
                continue
            shown = f"{node} advertises {advertised} {resource}"
            if unit < RESERVING_UNIT and advertised == account.advertised(with_reserved=True):
                yield f"{shown}, {_with_reserved(account, unit)}"
            else:
                yield f"{shown}; {_composition(account)}"


def _with_reserved(account: _Account, unit: int) -> str:
    usable = account.paid + account.free
    return (
        f"of which {account.reserved} are reserved: pods beyond the other {usable} wait on the "
        f"node. Its machine was made by an earlier release, whose unit (version {unit}) does not "
        "subtract reserved addresses. Delete the SpiderReservedIP or take out the pool's "
        "excludeIPs, or replace the machine"
    )


def _composition(account: _Account) -> str:
    text = (
        f"its pool has {account.size}, of which {account.uncounted} belong to pods that did not "
        "ask for one"
    )
    return f"{text} and {account.reserved} are reserved or excluded" if account.reserved else text


ADVERTISED_CHECK = Check(
    name="addresses-advertised",
    needs=Needs.OBJECTS,
    how="every node advertises the addresses that the plan and its pools have for pods",
    cause="a pod started or ended within the last 15 seconds, or the node's unit does not run",
    look="kubectl describe node NODE; on the machine, journalctl -u spiderpool-alicloud-node",
    probes=_probes,
)
