"""The order in which one run changes nodes, as resources and Outputs of the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi

from components.api.cluster_api import ClusterError
from components.api.readiness import ready_seconds
from components.machines.control_planes.etcd_disk import existing_disks
from components.machines.control_planes.join_token import until_joined
from components.machines.control_planes.lost_disk import LostDisks
from components.machines.machine_generation import (
    EARLIER_GENERATION,
    MachineGeneration,
    generation_inputs,
    is_control_plane,
)
from components.machines.rollout.cluster_access import ClusterAccess
from components.machines.rollout.kept_values import keep_creation_ends, keep_first_identities
from components.machines.rollout.leaving_nodes import remove_nodes
from components.machines.rollout.machine_changes import MachineChanges
from components.machines.rollout.moved_addresses import MovedAddresses
from components.machines.rollout.progress import Progress
from components.machines.rollout.returning_nodes import ReturningNodes
from components.machines.rollout.turns import awaited_at_load_balancer, turns_before
from components.state import state_resources
from planning.model import ClusterPlan, NodePlan
from planning.nodes.machine import node_settings
from planning.transitions.earlier import ClusterInState, cluster_in_state
from planning.transitions.reading import EarlierRelease, Record


@dataclass(frozen=True, kw_only=True)
class RolloutArgs:
    """The inputs of a `Rollout`."""

    plan: ClusterPlan
    kubeconfig: pulumi.Output[str]
    """Known before any node is."""
    endpoint_address: pulumi.Input[str]
    """Where workers reach the API servers."""
    bootstrap_token: pulumi.Output[str]
    """A secret with which a machine joins."""
    encryption_keys: pulumi.Output[tuple[str, ...]]
    """`ClusterSecrets.encryption_keys`."""
    accepted: pulumi.Output[None]
    """Known once the edit may be made (`components.transition`)."""


class Rollout:
    """The order in which one run changes nodes: control planes first, then workers.

    Each node's turn comes when the node before it is ready. A node that does not change, or is
    created together with its cluster, is ready at once, so a first creation is fully parallel. A
    changed node is ready once its Node is ready and has its machine's provider id. A control plane
    that joins an existing cluster has a turn of its own, because etcd takes one learner at a time.
    The program waits for a turn itself, so waiting takes none of the engine's parallel slots.
    """

    creation_ends: pulumi.Output[int | None]
    """Time until which a control plane may create the cluster, in seconds since 1970. None if the
    cluster exists already (`planning.nodes.user_data.user_data`)."""
    earlier_addresses: pulumi.Output[Mapping[str, str]]
    """Node → its primary address in the state before this run, also if an earlier run was cut off
    between two control planes. Empty in a preview."""
    first_identities: pulumi.Output[Mapping[str, str]]
    """Node → the digest of its identity when the state first kept them. A node that came later is
    missing."""
    instance_hooks: pulumi.ResourceHookBinding
    """Hooks for an instance. An existing Node of its name belongs to another machine."""
    lost_disks: LostDisks
    """Hooks for the disks of etcd."""

    def __init__(self, name: str, args: RolloutArgs, *, parent: pulumi.Resource) -> None:
        self._name = name
        self._args = args
        self._plan = plan = args.plan
        self._cluster = ClusterAccess(args.kubeconfig.future)
        self._progress = Progress(
            control_planes=[node.name for node in plan.control_planes],
            workers=[node.name for node in plan.workers],
        )
        self._moved = MovedAddresses(plan, self._cluster)
        self._returning = ReturningNodes(
            plan=plan,
            cluster=self._cluster,
            progress=self._progress,
            moved=self._moved,
            token=self._token,
            settings=lambda node: self._settings(node).future(),
        )
        changes = MachineChanges(
            name=name,
            plan=plan,
            cluster=self._cluster,
            progress=self._progress,
            moved=self._moved,
            token=self._token,
        )
        self._generation_hooks = changes.generation_hooks()
        self.instance_hooks = changes.instance_hooks()
        self.lost_disks = LostDisks(
            name,
            plan.control_planes,
            state=self._last_state,
            has_new_machine=self._progress.has_new_machine,
            existing_disks=existing_disks,
        )
        self._served: dict[str, pulumi.Output[str]] = {}
        """Node → instance id, once the node serves."""
        self._attached: dict[str, pulumi.Output[str]] = {}
        """Control plane → id of its attachment to the load balancer."""
        self._state = cast(
            "pulumi.Output[ClusterInState]", args.accepted.apply(cast("Any", self._read_state))
        )
        self.creation_ends = keep_creation_ends(
            name,
            self._state,
            accepted=args.accepted,
            is_creation=lambda: self._progress.is_creation,
            parent=parent,
        )
        self.first_identities = keep_first_identities(name, self._state, plan=plan, parent=parent)
        self.earlier_addresses = self._state.apply(
            lambda state: {} if pulumi.runtime.is_dry_run() else dict(state.addresses)
        )

    def note_creation(self) -> None:
        """Note that the state had nothing of this cluster before this run."""
        self._progress.is_creation = True

    async def before_changes(
        self, before: Record | EarlierRelease, after: Record, kubeconfig: str | None
    ) -> None:
        """Remove the nodes that an accepted edit takes out; `kubeconfig` is the last run's.

        Raises `pulumi.RunError` if one of them cannot leave; the other nodes have not changed.
        """
        await remove_nodes(self._cluster, self._progress, before, after, kubeconfig=kubeconfig)

    def wait_turn(self, name: str, node: NodePlan, *, parent: pulumi.Resource) -> MachineGeneration:
        """Register a machine's generation when its turn comes; `when_ready` has to follow."""
        plan = self._plan
        inputs = generation_inputs(plan, node, settings=self._settings(node))
        return MachineGeneration(
            name,
            {**inputs, "kubernetes": self._in_turn(node.name)},
            pulumi.ResourceOptions(
                parent=parent,
                protect=plan.protect and is_control_plane(node),
                aliases=[EARLIER_GENERATION],
                hooks=self._generation_hooks,
            ),
        )

    def due(self, generation: MachineGeneration) -> pulumi.Output[object]:
        """Resolves once the resources of a generation's machine may change.

        In a creation that is at once: nothing is there to be drained, and the generation has the
        load balancer's address, which takes as long to get as an ENI.
        """

        async def wait() -> None:
            await self._args.accepted.future()
            if pulumi.runtime.is_dry_run() or not self._progress.is_creation:
                await generation.urn.future()

        return pulumi.Output.from_input(wait())

    def when_ready(
        self,
        node: NodePlan,
        *,
        instance_id: pulumi.Output[str],
        addresses: Callable[[], pulumi.Output[Mapping[str, Sequence[str]]]],
        resource: pulumi.Resource,
    ) -> pulumi.Output[str]:
        """The instance id once the node serves; the next turn waits for it.

        `addresses` gives the `ips` of the node's pools by name, as its ENIs have them.
        """
        self._moved.expect(node.name, lambda: addresses().future())

        async def wait(id_: str) -> str:
            if not pulumi.runtime.is_dry_run() and await self._returning.is_waited_for(node):
                try:
                    await self._returning.until_back(node, id_, resource)
                except (ClusterError, pulumi.RunError) as error:
                    pulumi.log.error(str(error), resource)
                    raise pulumi.RunError(str(error)) from error
            return id_

        served = cast("pulumi.Output[str]", instance_id.apply(cast("Any", wait)))
        self._served[node.name] = served
        return served

    def joins_load_balancer(self, node: str, attachment: pulumi.Output[str]) -> None:
        """End this control plane's turn only once the load balancer has it, too."""
        self._attached[node] = attachment

    def end_joining(self, ready: pulumi.Output[str]) -> pulumi.Output[bool]:
        """Revoke the bootstrap token once every node has joined; a run ends with this.

        `ready` is known once the API server answers. A machine that does not join causes a warning
        only, because the run has done everything else and the token expires by itself.
        """

        async def end(values: list[Any]) -> bool:
            if pulumi.runtime.is_dry_run():
                return True
            token, _, machines = values
            try:
                await until_joined(
                    self._cluster.api,
                    token,
                    machines=machines,
                    expected=frozenset(self._progress.new_machines),
                    within=ready_seconds(),
                    report=pulumi.log.info,
                )
            except ClusterError as error:
                pulumi.log.warn(str(error))
                return False
            return True

        provider_ids = {
            node: served.apply(lambda id_: f"{self._plan.region}.{id_}")
            for node, served in self._served.items()
        }
        values = pulumi.Output.all(
            self._args.bootstrap_token, ready, pulumi.Output.all(**provider_ids)
        )
        return cast("pulumi.Output[bool]", values.apply(cast("Any", end)))

    async def _read_state(self, _: None) -> ClusterInState:
        if self._progress.is_creation:
            return ClusterInState()
        state = cluster_in_state(self._name, await state_resources())
        if not pulumi.runtime.is_dry_run():
            self._progress.before = state
        return state

    async def _last_state(self) -> ClusterInState:
        """The state before this run, in a preview as the last run has left it."""
        if pulumi.runtime.is_dry_run():
            return cluster_in_state(self._name, await state_resources())
        return self._progress.before

    def _in_turn(self, node: str) -> pulumi.Output[str]:
        """The Kubernetes version, known once the node before has served. Records no dependency."""

        async def wait() -> str:
            if not pulumi.runtime.is_dry_run():
                await self._until_turn(node)
            return self._plan.kubernetes.version

        return pulumi.Output.from_input(wait())

    async def _until_turn(self, node: str) -> None:
        await self._state.future()
        # A hook that waited for the kubeconfig would occupy an engine slot.
        await self._cluster.wait_for_kubeconfig()
        if self._progress.is_creation:
            return
        for before in turns_before(self._progress, node)[-1:]:
            await self._served[before].future()
        for plane in awaited_at_load_balancer(self._progress, node, self._attached):
            await self._attached[plane].future()

    def _settings(self, node: NodePlan) -> pulumi.Output[str]:
        # A preview without secrets knows the settings of workers.
        keys = self._args.encryption_keys if is_control_plane(node) else ()
        return pulumi.Output.all(self._args.endpoint_address, keys).apply(
            lambda values: node_settings(
                self._plan, node, values[0], encryption_keys=tuple(values[1])
            )
        )

    async def _token(self) -> str:
        token = await self._args.bootstrap_token.future()
        if not token:
            raise ClusterError("The cluster's bootstrap token is not known.")
        return token
