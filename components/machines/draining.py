"""Drains nodes by evictions, which respect PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode, Pod
from components.api.durations import seconds_from_environment
from components.waiting import wait_until

SECONDS: Final = "SPIDERPOOL_ALICLOUD_DRAIN_SECONDS"
"""Environment variable: seconds that a drain may take. 0 changes workers without a drain."""
WITHIN: Final = 600.0
"""The default, in seconds."""

_ROUND_EVERY = 2.0


def drain_seconds() -> float:
    """Seconds that a drain may take. Raises `pulumi.RunError` for anything but a number."""
    return seconds_from_environment(
        SECONDS, default=WITHIN, positive=False, remedy="Write 600, or 0 for no drain."
    )


def evictable(pods: Iterable[Pod]) -> Sequence[Pod]:
    """The pods that have to leave: all but a DaemonSet's, static ones, and finished ones."""
    return [pod for pod in pods if not (pod.static or pod.finished or pod.owner == "DaemonSet")]


async def drain(  # noqa: PLR0913 - times are there for tests
    api: ClusterApi,
    node: str,
    *,
    within: float,
    wait_for_end: bool = True,
    report: Callable[[str], object],
    round_every: float = _ROUND_EVERY,
) -> None:
    """Evict every pod from a cordoned node, and wait until all of them are gone.

    An eviction that a PodDisruptionBudget refuses is repeated every round, because other replicas
    become ready in the meantime. Bare pods are evicted too and reported, because no controller
    creates them again. A pod that tolerates the cordon, such as the cloud controller's, is evicted
    once: its successor may come to the same node and is not waited for.

    Args:
        api: the cluster.
        node: its name.
        within: seconds for all of it.
        wait_for_end: False for a node without a running kubelet, because nothing ends its pods. A
            node that becomes unready in the meantime is treated alike.
        report: gets a sentence now and then.
        round_every: seconds between two rounds.

    Raises:
        ClusterError: pods are left after `within`; the message names them and the reasons.
    """
    reported_bare: set[str] = set()
    first: frozenset[str] | None = None

    async def missing() -> str | None:
        nonlocal first
        try:
            pods = evictable(await api.pods_on(node))
            if first is None:
                first = frozenset(pod.uid for pod in pods)
            pods = [pod for pod in pods if pod.uid in first or not pod.tolerates_cordon]
            # A machine that dies meanwhile would be waited for until the time is over.
            ends = wait_for_end and not await _is_dead(api, node)
            left = await _round(api, pods, wait_for_end=ends)
            waiting = ", ".join(f"{pod} ({why})" if why else str(pod) for pod, why in left.items())
            bare = {str(pod) for pod in left if not pod.owner}
        except ClusterError as error:
            # Keep waiting while the API server is briefly unavailable.
            return f"the API server ({error})"
        for pod_name in sorted(bare - reported_bare):
            report(f"{node}: {pod_name} has no controller, so it is not started again elsewhere")
        reported_bare.update(bare)
        return waiting or None

    await wait_until(
        missing,
        within=within,
        ask_every=round_every,
        give_up=lambda _, waiting: ClusterError(_not_empty(node, within, waiting)),
        report=lambda _, waiting: report(f"{node}: waiting for {waiting}"),
    )


async def evict_all(
    api: ClusterApi, nodes: Sequence[str], *, within: float, report: Callable[[str], object]
) -> None:
    """Evict every pod, DaemonSet pods too, from nodes that leave, and delete their Nodes.

    `within` is in seconds, for each of them. Raises `ClusterError` as `drain` does.
    """
    current = await api.nodes()
    leaving = [current[name] for name in nodes if name in current]
    for node in leaving:
        # Cordon all of them first, or pods would move from one to the next.
        await api.cordon(node.name)
    for node in leaving:
        await empty(api, node, within=within, report=report)
        # Delete the Node so that Helm does not wait for DaemonSet pods on it. A running kubelet
        # never re-creates its Node. Kubernetes' pod garbage collector deletes the pods that the API
        # still lists there, such as a pod of a dead machine that tolerates every taint.
        await api.delete_node(node.name)


async def empty(
    api: ClusterApi, node: KubernetesNode, *, within: float, report: Callable[[str], object]
) -> None:
    """Evict every pod of a leaving, cordoned node, and wait until its addresses are free.

    `within` is in seconds, for each half. Raises `ClusterError` as `drain` does.
    """
    await drain(api, node.name, within=within, wait_for_end=node.ready, report=report)
    await api.taint_removed(node.name)
    if node.ready:
        await _until_addresses_are_free(api, node.name, within)


async def _until_addresses_are_free(api: ClusterApi, node: str, within: float) -> None:
    async def missing() -> str | None:
        pods = [
            str(pod)
            for pod in await api.pods_on(node)
            if not (pod.host_network or pod.static or pod.finished)
        ]
        return ", ".join(pods) or None

    await wait_until(
        missing,
        within=within,
        ask_every=_ROUND_EVERY,
        give_up=lambda _, pods: ClusterError(
            f"{node}: {pods} tolerates every taint and has an address of a pool that is to be "
            "deleted. Delete its DaemonSet, or take the toleration without a key out of it."
        ),
    )


async def _is_dead(api: ClusterApi, node: str) -> bool:
    current = (await api.nodes()).get(node)
    return current is not None and not current.ready


async def _round(api: ClusterApi, pods: Sequence[Pod], *, wait_for_end: bool) -> Mapping[Pod, str]:
    """Evict each pod once; returns the pods that are left, each with the reason of a refusal."""
    left: dict[Pod, str] = {}
    for pod in pods:
        refused = None if pod.ending else await api.evict(pod)
        if refused is not None or wait_for_end:
            left[pod] = refused or ""
    return left


def _not_empty(node: str, within: float, waiting: str) -> str:
    return (
        f"{node} was not empty after {within:.0f} s: {waiting}. It stays cordoned, and its machine "
        "has not been touched. Give the workload another replica or a wider PodDisruptionBudget, "
        f"or more time ({SECONDS}=1800), and run the same command again; or let pods come back "
        f"with `kubectl uncordon {node}`."
    )
