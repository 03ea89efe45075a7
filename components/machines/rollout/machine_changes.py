"""The engine's hooks for a machine: what happens to its node before the engine changes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.api.cluster_api import ClusterApi, ClusterError
from components.machines.clock_difference import check_clock
from components.machines.control_planes.join_token import keep_token
from components.machines.draining import SECONDS, drain, drain_seconds
from components.machines.machine_generation import Change, change_between, is_control_plane
from components.machines.node_settings import change_settings, settings_of
from components.machines.rollout.cluster_access import GLANCE, ClusterAccess
from components.machines.rollout.moved_addresses import MovedAddresses
from components.machines.rollout.only_control_plane import change_of_only_plane
from components.machines.rollout.other_nodes import (
    check_kubelet,
    until_it_may_change,
    until_others_serve,
)
from components.machines.rollout.progress import Progress
from components.machines.unplanned_restart import is_running, restart_reason
from planning.model import ClusterPlan, NodePlan


@dataclass(frozen=True, kw_only=True)
class MachineChanges:
    """The hooks of every machine's generation and instance.

    In previews they do not ask the cluster anything, except for the only control plane's version.
    A hook that raises `pulumi.RunError` leaves its machine as it is.
    """

    name: str
    """The cluster's."""
    plan: ClusterPlan
    cluster: ClusterAccess
    progress: Progress
    moved: MovedAddresses
    token: Callable[[], Awaitable[str]]
    """Waits for the bootstrap token. Raises `ClusterError` if it stays unknown."""

    def generation_hooks(self) -> pulumi.ResourceHookBinding:
        """The hooks of a `MachineGeneration`."""
        return pulumi.ResourceHookBinding(
            before_create=[self._hook("worker-is-new", self.note_new)],
            before_update=[self._hook("worker-changes", self.prepare_change)],
        )

    def instance_hooks(self) -> pulumi.ResourceHookBinding:
        """The hooks of an instance."""
        return pulumi.ResourceHookBinding(
            before_create=[self._hook("worker-boots", self.prepare_machine)],
            before_update=[self._hook("worker-restarts", self.prepare_unplanned_restart)],
        )

    def _hook(
        self, kind: str, callback: Callable[[pulumi.ResourceHookArgs], Any]
    ) -> pulumi.ResourceHook:
        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return pulumi.ResourceHook(f"{self.name}-{kind}", callback, options)

    def note_new(self, args: pulumi.ResourceHookArgs) -> None:
        """Note that this run adds the node."""
        node = self._node(args)
        if self.progress.is_of_earlier_release and is_control_plane(node):
            return  # An earlier release had no generation of control planes; their machines exist.
        self.progress.new.add(node.name)

    async def prepare_change(self, args: pulumi.ResourceHookArgs) -> None:
        """Wait for the other nodes, change the node's settings, and drain it if it goes away."""
        node, progress = self._node(args), self.progress
        old, new = args.old_inputs or {}, args.new_inputs or {}
        change = change_between(old, new)
        if is_control_plane(node) and change.identity and len(progress.control_planes) == 1:
            change = await change_of_only_plane(
                self.cluster, node.name, change, kubernetes=self.plan.kubernetes.version
            )
        if change.takes_machine_away:
            progress.changed.add(node.name)
        if change.identity:
            progress.replaced.add(node.name)
        if (
            pulumi.runtime.is_dry_run()
            or change == Change()
            or progress.is_lost_with_the_cluster(node.name)
        ):
            # A new machine boots with the settings of this run.
            return
        try:
            async with self.cluster.api() as api:
                await until_it_may_change(api, progress, node, change)
                await until_others_serve(api, self.plan, progress, node, change)
                if change.settings and not progress.is_lost(node.name):
                    await _change_settings(api, node.name, change, old, new)
                if change.takes_machine_away:
                    await _empty(api, node.name)
                if "interfaces" in change.identity:
                    await self.moved.empty(api, node.name, old, new)
        except ClusterError as error:
            raise pulumi.RunError(_not_changed(node.name, error)) from error

    async def prepare_unplanned_restart(self, args: pulumi.ResourceHookArgs) -> None:
        """Treat a restart that no edit caused like one that an edit caused.

        An earlier run failed between the generation and its machine, or somebody changed the
        machine by hand. An instance is updated in its node's turn, so at most one restarts at a
        time; the next turn waits until the node is back. A machine that does not run is started at
        once, because that takes nothing away.
        """
        node = self._node(args)
        reason = restart_reason(args.old_outputs or {}, args.new_inputs or {})
        if reason is None or node.name in self.progress.changed:
            return
        if pulumi.runtime.is_dry_run():
            pulumi.log.info(f"{node.name}: restarted, because {reason}")
            return
        runs = is_running(args.old_outputs or {})
        try:
            async with self.cluster.api(within=None if runs else GLANCE) as api:
                current = (await api.nodes()).get(node.name)
                if not runs and (current is None or not current.ready):
                    return
                self.progress.changed.add(node.name)
                await until_others_serve(api, self.plan, self.progress, node, Change(restart=True))
                await _empty(api, node.name)
        except ClusterError as error:
            if runs:
                raise pulumi.RunError(_not_restarted(node.name, reason, error)) from error
            if is_control_plane(node):
                self.progress.started.add(node.name)

    async def prepare_machine(self, args: pulumi.ResourceHookArgs) -> None:
        """Let a new machine join, and delete the previous machine's Node.

        That Node would keep the old machine's provider id, because a kubelet never changes it.
        """
        node, progress = self._node(args), self.progress
        progress.new_machines.add(node.name)
        if pulumi.runtime.is_dry_run():
            if node.name not in progress.new | progress.replaced:
                pulumi.log.info(
                    f"{node.name}: its machine is gone; the run creates it again, with the same "
                    "addresses and with the settings of this stack file, before other nodes change"
                )
            return
        try:
            async with self.cluster.api(within=GLANCE) as api:
                await check_clock(api, node.name)
                if not is_control_plane(node):
                    await check_kubelet(api, self.plan, node.name)
                await keep_token(api, await self.token())
                if await api.delete_node(node.name):
                    pulumi.log.info(f"{node.name}: the Node of the machine before it is deleted")
        except ClusterError:
            # In a first creation there is no API server yet, and so there is no Node either.
            return

    def _node(self, args: pulumi.ResourceHookArgs) -> NodePlan:
        """The node of a generation or an instance, whose name is the cluster's and the node's."""
        return self.plan.nodes[args.name.removeprefix(f"{self.name}-")]


async def _change_settings(
    api: ClusterApi,
    node: str,
    change: Change,
    old: Mapping[str, object],
    new: Mapping[str, object],
) -> None:
    """Let a running node take other settings, labels and taints."""
    before, after = settings_of(old), settings_of(new)
    if before is None or after is None:
        return
    if change.identity:
        # A new machine boots with the settings. Only one that stays takes them.
        after = before
    await change_settings(api, node, before=before, after=after, report=pulumi.log.info)


async def _empty(api: ClusterApi, node: str) -> None:
    within = drain_seconds()
    current = (await api.nodes()).get(node)
    if current is None:
        return
    await api.cordon(node)
    if within == 0:
        pulumi.log.warn(f"{node} changes without a drain: {SECONDS} is 0")
        return
    await drain(api, node, within=within, wait_for_end=current.ready, report=pulumi.log.info)


def _not_restarted(node: str, reason: str, error: ClusterError) -> str:
    return (
        f"{error} ({node} should be restarted, because {reason}; its machine has not been touched. "
        "Let the API server answer first, or write the instance type that the machine has into the "
        "stack file: docs/runbooks/dead-cluster.md)"
    )


def _not_changed(node: str, error: ClusterError) -> str:
    return (
        f"{error} ({node} should change, and its machine has not been touched. With a cluster that "
        "does not answer, a new machine could not join it either. If machines of control planes "
        "are lost, undo the edit and run `pulumi up`, which creates them again; make the edit "
        "in the next run: docs/runbooks/etcd-disk.md, A lost control plane)"
    )
