"""When a worker that was changed carries pods again."""

from __future__ import annotations

from collections.abc import Sequence

from components.cluster_api import ClusterApi


async def lacking(
    api: ClusterApi, node: str, *, provider_id: str, pools: Sequence[str]
) -> str | None:
    """What the worker lacks; None when it is whole, and then it is cordoned no more.

    It is whole when the Node is ready and that of the instance `provider_id`, its DaemonSets' pods
    in kube-system are ready, and its `pools` give addresses. Raises `ClusterError`.
    """
    standing = (await api.nodes()).get(node)
    if standing is None:
        return "it has no Node yet"
    if standing.provider_id != provider_id:
        return f"its Node is still {standing.provider_id}'s"
    if not standing.ready:
        return "its Node is not ready"
    if standing.rolling:
        await api.uncordon(node)
    waiting = [
        str(pod)
        for pod in await api.pods_on(node)
        if pod.owner == "DaemonSet" and pod.namespace == "kube-system" and not pod.ready
    ]
    if waiting:
        return f"{', '.join(waiting)} not ready"
    unusable = [pool for pool in pools if not await api.pool_is_usable(pool)]
    return f"pool {', '.join(unusable)} gives no addresses" if unusable else None
