"""The order in which nodes change, and which nodes each of them waits for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from components.api.cluster_api import KubernetesNode
from components.machines.rollout.progress import Progress


def turns_before(progress: Progress, node: str) -> list[str]:
    """Nodes whose turn comes before this node's, in their order.

    Control planes that were there before this run come first, whatever their names. Where the
    load balancer is new, others join through it. A node whose machine is lost comes before the
    others of its role, because no other one may go while it is away.
    """
    earlier = [plane for plane in progress.control_planes if plane in progress.earlier_planes]
    new = [plane for plane in progress.control_planes if plane not in progress.earlier_planes]
    planes = [*earlier, *new]
    if progress.before.is_balanced:
        planes = _lost_first(progress, planes)
    turns = [*planes, *_lost_first(progress, progress.workers)]
    return turns[: turns.index(node)]


def awaited_at_load_balancer(progress: Progress, node: str, attached: Collection[str]) -> list[str]:
    """Control planes that must accept connections before this node's turn.

    If the load balancer is new, the run itself may reach the API server only through it. So a
    joining control plane waits, like a worker, for those that existed before. `attached` are the
    control planes that the load balancer gets in this run.
    """
    return [
        plane
        for plane in turns_before(progress, node)
        if plane in attached
        and (plane in progress.changed or (progress.endpoint_moves and plane not in progress.new))
    ]


def planes_that_must_serve(progress: Progress, node: str) -> list[str]:
    """The other control planes that must serve before this node changes."""
    return [
        name
        for name in progress.control_planes
        if name != node and name not in progress.new and not progress.are_lost(name, node)
    ]


def unready_workers(
    progress: Progress, nodes: Mapping[str, KubernetesNode], node: str
) -> list[str]:
    """The other workers that are not ready, so that this node must not change yet.

    A worker without a Node counts only if its turn was before: it may be one that joins later.
    """
    earlier = turns_before(progress, node)
    return [
        name
        for name in progress.workers
        if name != node
        and name not in progress.new
        and not progress.are_lost(name, node)
        and (not nodes[name].ready if name in nodes else name in earlier)
    ]


def _lost_first(progress: Progress, names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: not progress.is_lost(name))
