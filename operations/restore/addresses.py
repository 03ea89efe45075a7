"""Whether pools and pods agree about who has which address. After a restore the pools are older.

Spiderpool's collector releases an address whose pod is gone, every two minutes and when its
controller starts (pkg/gcmanager/scanAll_IPPool.go). It never enters the address of a pod that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from operations.verification.pool_contents import addresses_of, allocated_in
from operations.verification.snapshot import Object


@dataclass(frozen=True, kw_only=True, order=True)
class Unrecorded:
    """A pod on an address that its pool could give to another one."""

    namespace: str
    pod: str
    address: str
    owned: bool
    """Whether a controller makes the pod again when it is deleted."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod} on {self.address}"


def unrecorded(pods: Sequence[Object], pools: Sequence[Object]) -> list[Unrecorded]:
    """Pods whose address is in a pool of their node and not recorded there for them."""
    return sorted(
        Unrecorded(
            namespace=pod["metadata"]["namespace"],
            pod=pod["metadata"]["name"],
            address=address,
            owned=any(o.get("controller") for o in pod["metadata"].get("ownerReferences") or ()),
        )
        for pod in pods
        if _has_sandbox(pod)
        for address in _addresses(pod)
        for pool in pools
        if pod["spec"].get("nodeName") in (pool["spec"].get("nodeName") or ())
        and address in addresses_of(pool)
        and allocated_in(pool).get(address) != pod["metadata"]["uid"]
    )


def stale(pods: Sequence[Object], pools: Sequence[Object]) -> list[str]:
    """Addresses that a pool counts as taken by a pod that is not there: `pool: address`."""
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
