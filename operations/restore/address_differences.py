"""Differences between the pools' records and the addresses that pods have.

After a restore the records are from the time of the snapshot. Spiderpool's collector releases an
address whose pod is gone, every two minutes and when its controller starts
(pkg/gcmanager/scanAll_IPPool.go). It never records the address of a running pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from operations.verification.cluster_objects import Object
from operations.verification.pool_contents import addresses_of, allocated_in


@dataclass(frozen=True, kw_only=True, order=True)
class UnrecordedAddress:
    """A pod with an address that its pool could give to another pod."""

    namespace: str
    pod: str
    address: str
    has_controller: bool
    """Whether a controller creates the pod again when it is deleted."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod} on {self.address}"


def unrecorded_addresses(
    pods: Sequence[Object], pools: Sequence[Object]
) -> list[UnrecordedAddress]:
    """Addresses of pods that a pool of their node has and does not record for them."""
    return sorted(
        UnrecordedAddress(
            namespace=pod["metadata"]["namespace"],
            pod=pod["metadata"]["name"],
            address=address,
            has_controller=any(
                o.get("controller") for o in pod["metadata"].get("ownerReferences") or ()
            ),
        )
        for pod in pods
        if _has_sandbox(pod)
        for address in _addresses(pod)
        for pool in pools
        if pod["spec"].get("nodeName") in (pool["spec"].get("nodeName") or ())
        and address in addresses_of(pool)
        and allocated_in(pool).get(address) != pod["metadata"]["uid"]
    )


def stale_allocations(pods: Sequence[Object], pools: Sequence[Object]) -> list[str]:
    """Addresses that a pool records for a pod that does not exist, each as `pool: address`."""
    present = {pod["metadata"]["uid"] for pod in pods}
    return sorted(
        f"{pool['metadata']['name']}: {address}"
        for pool in pools
        for address, uid in allocated_in(pool).items()
        if uid not in present
    )


def _has_sandbox(pod: Object) -> bool:
    ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
    return not ended and not pod["spec"].get("hostNetwork", False)


def _addresses(pod: Object) -> Iterator[str]:
    entries: Sequence[Mapping[str, str]] = pod.get("status", {}).get("podIPs") or ()
    yield from (entry["ip"] for entry in entries if entry.get("ip"))
