"""The conditions under which a changed node serves again."""

from __future__ import annotations

from collections.abc import Sequence

from components.api.cluster_api import ClusterApi, KubernetesNode
from components.machines.control_planes.control_plane_health import unready_components


async def missing_conditions(
    api: ClusterApi,
    current: KubernetesNode | None,
    *,
    provider_id: str,
    pools: Sequence[str],
    control_plane: bool,
) -> str | None:
    """What a node still lacks; None once it serves. Uncordons it once its Node is ready.

    `current` is its Node, as the API server has it now.

    A node serves when its Node is ready and has the machine's `provider_id`, its DaemonSet pods in
    kube-system are ready, and its `pools` give addresses. A control plane also needs a ready API
    server and a ready etcd member. Raises `ClusterError`.
    """
    if current is None:
        return "it has no Node yet"
    if current.provider_id != provider_id:
        return f"its Node is still that of {current.provider_id}"
    if not current.ready:
        return "its Node is not ready"
    if control_plane and (unready := unready_components(await api.control_plane_pods(), current)):
        return f"{', '.join(unready)} not ready"
    if current.rolling:
        await api.uncordon(current.name)
    waiting = [
        str(pod)
        for pod in await api.pods_on(current.name)
        if pod.owner == "DaemonSet" and pod.namespace == "kube-system" and not pod.ready
    ]
    if waiting:
        return f"{', '.join(waiting)} not ready"
    unusable = [pool for pool in pools if not await api.pool_is_usable(pool)]
    return f"pool {', '.join(unusable)} gives no addresses" if unusable else None
