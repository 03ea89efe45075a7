"""Waits until a node serves, so that the next turn begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pulumi

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode
from components.api.readiness import ready_seconds
from components.machines.control_planes.join_token import keep_token
from components.machines.machine_generation import is_control_plane
from components.machines.node_readiness import missing_conditions
from components.machines.node_settings import write_settings
from components.machines.rollout.cluster_access import ASK_EVERY, GLANCE, ClusterAccess
from components.machines.rollout.moved_addresses import MovedAddresses
from components.machines.rollout.other_nodes import finish_control_planes
from components.machines.rollout.progress import Progress
from components.waiting import wait_until
from planning.model import ClusterPlan, NodePlan


@dataclass(frozen=True, kw_only=True)
class ReturningNodes:
    """The wait at the end of each turn."""

    plan: ClusterPlan
    cluster: ClusterAccess
    progress: Progress
    moved: MovedAddresses
    token: Callable[[], Awaitable[str]]
    """Waits for the bootstrap token. Raises `ClusterError` if it stays unknown."""
    settings: Callable[[NodePlan], Awaitable[str | None]]
    """Waits for a node's `planning.nodes.machine.node_settings`."""

    async def is_waited_for(self, node: NodePlan) -> bool:
        """Whether the next turn waits for this node.

        It always waits for a changed node, and for a new control plane if others serve already. In
        a creation no API server is reachable before the load balancer has all control planes. An
        API server that does not answer means that this run finishes a creation. Without the only
        control plane no other node can change.
        """
        progress = self.progress
        if node.name in progress.changed or progress.is_lost_with_the_cluster(node.name):
            return True
        if node.name not in progress.new or not is_control_plane(node) or progress.is_creation:
            return False
        try:
            async with self.cluster.api(within=GLANCE) as api:
                await api.version()
        except ClusterError:
            return False
        return True

    async def until_back(
        self, node: NodePlan, instance_id: str, resource: pulumi.Resource | None
    ) -> None:
        """Wait until the node serves with this machine; reports go to `resource`.

        Raises:
            pulumi.RunError: it does not serve within `ready_seconds`.
        """
        within = ready_seconds()
        provider_id = f"{self.plan.region}.{instance_id}"
        await wait_until(
            lambda: self._missing_conditions(node, provider_id),
            within=within,
            ask_every=ASK_EVERY,
            give_up=lambda _, reason: pulumi.RunError(
                f"{node.name} did not come back within {within:.0f} s: {reason}. No other "
                "node has been touched. Its console output shows how far it is (ECS console, "
                f"instance {instance_id}); then run `pulumi up` again."
            ),
            report=lambda _, reason: pulumi.log.info(
                f"waiting for {node.name}: {reason}", resource, ephemeral=True
            ),
        )

    async def _missing_conditions(self, node: NodePlan, provider_id: str) -> str | None:
        """What a changed node lacks before the next one may go; None when it serves."""
        progress = self.progress
        pools = [pool.name for pool in self.plan.pools_of_nodes[node.name]]
        try:
            await self.moved.fill(node.name)
            async with self.cluster.api() as api:
                if node.name in progress.new_machines:
                    # The API server may not have answered when the machine was created.
                    await keep_token(api, await self.token())
                current = (await api.nodes()).get(node.name)
                if (
                    current is not None
                    and node.name in progress.new_machines
                    and await _delete_stale_node(api, current, provider_id)
                ):
                    current = None
                reason = await missing_conditions(
                    api,
                    current,
                    provider_id=provider_id,
                    # The pools of a new node are created after it.
                    pools=[] if node.name in progress.new else pools,
                    control_plane=is_control_plane(node),
                )
                if reason is None:
                    await write_settings(api, node.name, str(await self.settings(node)))
                    if node.name == progress.control_planes[-1]:
                        await finish_control_planes(api, self.plan)
                return reason
        except ClusterError as error:
            return f"the API server: {error}"


async def _delete_stale_node(api: ClusterApi, current: KubernetesNode, provider_id: str) -> bool:
    """Delete the Node if it is that of the previous machine; False if it is not.

    It still exists because no API server answered when that machine was deleted. The new machine
    joins once it is gone.
    """
    if current.provider_id in {"", provider_id}:
        return False
    if await api.delete_node(current.name):
        pulumi.log.info(f"{current.name}: deleted the Node of the previous machine")
    return True
