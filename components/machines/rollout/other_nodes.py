"""Waits until the other nodes allow that a node changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pulumi

from components.api.cluster_api import ClusterApi, ClusterError
from components.api.readiness import ready_seconds
from components.machines.clock_difference import check_clock
from components.machines.control_planes.cluster_version import (
    upgrade_kube_proxy,
    write_cluster_version,
)
from components.machines.control_planes.control_plane_health import (
    majority_problem,
    members,
    unready_planes,
)
from components.machines.machine_generation import Change, is_control_plane
from components.machines.rollout.cluster_access import ASK_EVERY
from components.machines.rollout.progress import Progress
from components.machines.rollout.turns import planes_that_must_serve, unready_workers
from components.waiting import wait_until
from planning.model import ClusterPlan, NodePlan
from planning.transitions.upgrades import kubelet_problem, version_of


async def until_others_serve(
    api: ClusterApi, plan: ClusterPlan, progress: Progress, node: NodePlan, change: Change
) -> None:
    """Wait until no other node of its role is away, and finish what must precede this change.

    Raises:
        ClusterError: another node does not serve within `ready_seconds`.
        pulumi.RunError: the change would end etcd's majority, or a new machine could not join.
    """
    if is_control_plane(node):
        await _until_planes_serve(api, plan, progress, node, change)
    else:
        await _until_workers_serve(api, plan, progress, node, change)


async def until_it_may_change(
    api: ClusterApi, progress: Progress, node: NodePlan, change: Change
) -> None:
    """Wait for control planes that this run has started, and check the API server's clock.

    Raises:
        ClusterError: no control plane serves within `ready_seconds`.
        pulumi.RunError: the machine would go, and the clock is wrong.
    """

    async def missing() -> str | None:
        await api.version()
        return None

    if progress.started:
        await _until(
            missing,
            waiting=f"{node.name}: waiting for {', '.join(sorted(progress.started))}",
            over=f"{node.name} is not touched while no control plane serves: ",
            remedy="Its console output shows how far it is.",
        )
    if change.takes_machine_away:
        await check_clock(api, node.name)


async def check_kubelet(api: ClusterApi, plan: ClusterPlan, node: str) -> None:
    """Raise `pulumi.RunError` if the node's new kubelet would be newer than the API server."""
    version = version_of(plan.kubernetes.version)
    problem = kubelet_problem(node, version, version_of(await api.version()))
    if problem is not None:
        raise pulumi.RunError(problem)


async def finish_control_planes(api: ClusterApi, plan: ClusterPlan) -> None:
    """Upgrade kube-proxy after the last control plane and before the first worker."""
    if await upgrade_kube_proxy(api, version_of(plan.kubernetes.version)):
        pulumi.log.info(f"kube-proxy has the image of {plan.kubernetes.version}")


async def _until_planes_serve(
    api: ClusterApi, plan: ClusterPlan, progress: Progress, node: NodePlan, change: Change
) -> None:
    """Wait until all other control planes serve, and check etcd's majority without this one."""
    others = planes_that_must_serve(progress, node.name)

    async def missing() -> str | None:
        unready = unready_planes(await api.nodes(), await api.control_plane_pods(), others)
        return ", ".join(f"{name} ({reason})" for name, reason in unready.items()) or None

    await _until(
        missing,
        waiting=f"{node.name}: waiting until all other control planes serve",
        over=f"{node.name} is not touched while another control plane does not serve: ",
        remedy="Repair that first, or take it out of the stack file if its machine is lost.",
    )
    if not change.takes_machine_away:
        return
    pods = await api.control_plane_pods()
    problem = majority_problem(pods, node.name)
    if change.identity and len(members(pods)) == 1:
        problem = problem or f"{node.name} is the only control plane."
        raise pulumi.RunError(
            f"{problem} Its machine is never replaced. Add control planes first, run `pulumi "
            "up`, and then edit."
        )
    if problem is not None and len(members(pods)) > 1:
        raise pulumi.RunError(f"{problem} Have an odd number of control planes first.")
    if "kubernetes" in change.identity and await write_cluster_version(
        api, version_of(plan.kubernetes.version)
    ):
        pulumi.log.info(f"kubeadm's ConfigMap is at {plan.kubernetes.version}")


async def _until_workers_serve(
    api: ClusterApi, plan: ClusterPlan, progress: Progress, node: NodePlan, change: Change
) -> None:
    """Wait for a worker that an interrupted run was changing: only one may be unavailable."""
    await finish_control_planes(api, plan)
    if change.identity:
        await check_kubelet(api, plan, node.name)

    async def missing() -> str | None:
        return ", ".join(unready_workers(progress, await api.nodes(), node.name)) or None

    await _until(
        missing,
        waiting=f"{node.name}: waiting until other workers are ready",
        over=f"{node.name} is not touched while another worker is not ready: ",
        remedy="Repair that first (its console output shows how far it is), or take it out of "
        "the stack file: then it leaves before this one changes.",
    )
    nodes = await api.nodes()
    for name in progress.workers:
        # An interrupted run left this node cordoned.
        current = nodes.get(name)
        if current is not None and current.rolling and name != node.name:
            await api.uncordon(name)


async def _until(
    missing: Callable[[], Awaitable[str | None]], *, waiting: str, over: str, remedy: str
) -> None:
    async def missing_or_unreachable() -> str | None:
        try:
            return await missing()
        except ClusterError as error:
            # The connection may lead to the API server that was just replaced.
            return f"the API server: {error}"

    await wait_until(
        missing_or_unreachable,
        within=ready_seconds(),
        ask_every=ASK_EVERY,
        give_up=lambda _, reason: ClusterError(f"{over}{reason}. {remedy}"),
        report=lambda _, reason: pulumi.log.info(f"{waiting}: {reason}"),
    )
