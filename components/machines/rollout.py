"""Changes machines one at a time: drains a node before its change and waits for it afterwards.

Why it is done this way: docs/decisions/machine-life-cycle.md.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import pulumi

from components.api.cluster_api import ClusterApi, ClusterError, KubernetesNode, cluster_api
from components.api.pool_api import pool_api
from components.api.readiness import ready_seconds
from components.machines.addresses.moving_addresses import (
    MovedPools,
    empty_pools,
    fill_pools,
    moved_pools,
)
from components.machines.clock_difference import check_clock
from components.machines.control_planes.cluster_version import (
    bring_kube_proxy,
    write_cluster_version,
)
from components.machines.control_planes.control_plane_health import (
    majority_problem,
    members,
    unready_planes,
)
from components.machines.control_planes.join_token import keep_token, until_joined
from components.machines.control_planes.leaving_planes import leave
from components.machines.control_planes.lost_disk import LostDisks
from components.machines.draining import SECONDS, drain, drain_seconds, evict_all
from components.machines.machine_generation import (
    EARLIER_GENERATION,
    Change,
    MachineGeneration,
    change_between,
    generation_inputs,
    is_control_plane,
)
from components.machines.node_readiness import missing_conditions
from components.machines.node_settings import change_settings, settings_of, write_settings
from components.machines.unplanned_restart import is_running, restart_reason
from components.state import state_resources
from components.waiting import wait_until
from config.facts.nics import PRIMARY_NIC
from planning.model import ClusterPlan, NodePlan
from planning.nodes.machine import identity_digest, node_settings
from planning.nodes.user_data import CREATION_SECONDS
from planning.transitions.earlier import ClusterInState, cluster_in_state
from planning.transitions.reading import EarlierRelease, Record
from planning.transitions.upgrades import kubelet_problem, version_of

_ASK_EVERY = 2.0
_GLANCE = 3.0
"""Seconds for an API server that may not exist yet."""
_PATIENCE = 60.0
"""Seconds for a connection, while the EIP moves or the load balancer notices a stopped backend."""
_RUNBOOK: Final = "docs/runbooks/upgrade.md, One control plane"


def _now() -> float:
    return time.time()


@dataclass(frozen=True, kw_only=True)
class Membership:
    """The nodes of a plan. Comparing two plans shows which nodes leave."""

    control_planes: Mapping[str, str]
    """Name → private address."""
    workers: tuple[str, ...]
    protected: bool
    """Whether the stack protects its control planes (`protect`)."""

    @classmethod
    def of(cls, record: Record) -> Membership:
        """The nodes of a plan that a run accepted."""
        return cls(
            control_planes={
                name: record.nodes[name].interfaces[PRIMARY_NIC].address
                for name in record.control_planes
            },
            workers=record.workers,
            protected=bool(record.section("protect")),
        )

    @property
    def nodes(self) -> tuple[str, ...]:
        """All names, control planes first."""
        return (*self.control_planes, *self.workers)


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

    In previews the hooks do not ask the cluster anything, except for the only control plane's
    version.
    """

    def __init__(self, name: str, args: RolloutArgs, *, parent: pulumi.Resource) -> None:
        plan = args.plan
        self._name = name
        self._plan = plan
        self._kubeconfig = args.kubeconfig
        self._endpoint_address = args.endpoint_address
        self._accepted = args.accepted
        self._bootstrap_token = args.bootstrap_token
        self._encryption_keys = args.encryption_keys
        self._planes = [node.name for node in plan.control_planes]
        self._workers = [node.name for node in plan.workers]
        self._resources = {f"{name}-{node}": node for node in plan.nodes}
        self._new: set[str] = set()
        self._changed: set[str] = set()
        self._replaced: set[str] = set()
        """Nodes whose machine's identity changes."""
        self._moved: dict[str, MovedPools] = {}
        self._addresses: dict[str, Callable[[], pulumi.Output[Mapping[str, Sequence[str]]]]] = {}
        self._joined: dict[str, pulumi.Output[str]] = {}
        self._new_machines: set[str] = set()
        """Nodes whose machine is created in this run."""
        self._started: set[str] = set()
        """Control planes that this run starts although no API server answers."""
        self._machines: dict[str, pulumi.Output[str]] = {}
        """Node → provider id, once the node serves."""
        self._endpoint_moves = False
        self._is_creation = False
        self._keeps_planes = False
        self._hooks = {
            "new": pulumi.ResourceHook(
                f"{name}-worker-is-new",
                self._note_new,
                pulumi.ResourceHookOptions(on_dry_run=True),
            ),
            "changes": pulumi.ResourceHook(
                f"{name}-worker-changes",
                self._change,
                pulumi.ResourceHookOptions(on_dry_run=True),
            ),
            "boots": pulumi.ResourceHook(
                f"{name}-worker-boots",
                self._prepare_machine,
                pulumi.ResourceHookOptions(on_dry_run=True),
            ),
            "restarts": pulumi.ResourceHook(
                f"{name}-worker-restarts",
                self._prepare_unplanned_restart,
                pulumi.ResourceHookOptions(on_dry_run=True),
            ),
        }
        self.lost_disks = LostDisks(
            name,
            plan.control_planes,
            state=self._last_state,
            has_new_machine=self._has_new_machine,
        )
        self._settled: dict[str, pulumi.Output[str]] = {}
        self._earlier_planes: frozenset[str] = frozenset()
        self._before = ClusterInState()
        """The state before this run, once the edit is accepted."""
        state = cast(
            "pulumi.Output[ClusterInState]", self._accepted.apply(cast("Any", self._read_state))
        )
        self._state_is_read = state
        self.creation_ends = self._make_creation_ends(name, state, parent)
        self.first_identities = self._make_first_identities(name, state, parent)
        self.earlier_addresses = state.apply(
            lambda cluster: {} if pulumi.runtime.is_dry_run() else dict(cluster.addresses)
        )

    creation_ends: pulumi.Output[int | None]
    """Time until which a control plane may create the cluster, in seconds since 1970. None if the
    cluster exists already (`planning.nodes.user_data.user_data`)."""
    earlier_addresses: pulumi.Output[Mapping[str, str]]
    """Node → its primary address in the state before this run, also if an earlier run was cut off
    between two control planes. Empty in a preview."""
    first_identities: pulumi.Output[Mapping[str, str]]
    """Node → the digest of its identity when the state first kept them. A node that came later is
    missing."""

    @property
    def instance_hooks(self) -> pulumi.ResourceHookBinding:
        """Hooks for an instance. An existing Node of its name belongs to another machine."""
        return pulumi.ResourceHookBinding(
            before_create=[self._hooks["boots"]], before_update=[self._hooks["restarts"]]
        )

    def wait_turn(self, name: str, node: NodePlan, *, parent: pulumi.Resource) -> MachineGeneration:
        """Register a machine's generation when its turn comes; `when_ready` has to follow."""
        plan = self._plan
        inputs = generation_inputs(
            plan,
            node,
            settings=self._settings(node),
        )
        return MachineGeneration(
            name,
            {**inputs, "kubernetes": self._in_turn(node)},
            pulumi.ResourceOptions(
                parent=parent,
                protect=plan.protect and is_control_plane(node),
                aliases=[EARLIER_GENERATION],
                hooks=pulumi.ResourceHookBinding(
                    before_create=[self._hooks["new"]], before_update=[self._hooks["changes"]]
                ),
            ),
        )

    def due(self, generation: MachineGeneration) -> pulumi.Output[object]:
        """Resolves once the resources of a generation's machine may change.

        In a creation that is at once: nothing is there to be drained, and the generation has the
        load balancer's address, which takes as long to get as an ENI.
        """

        async def wait() -> None:
            await self._accepted.future()
            if pulumi.runtime.is_dry_run() or not self._is_creation:
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
        self._addresses[node.name] = addresses

        async def settle(id_: str) -> str:
            if not pulumi.runtime.is_dry_run() and await self._is_waited_for(node):
                try:
                    await self._until_back(node, id_, resource)
                except (ClusterError, pulumi.RunError) as error:
                    pulumi.log.error(str(error), resource)
                    raise pulumi.RunError(str(error)) from error
            return id_

        settled = cast("pulumi.Output[str]", instance_id.apply(cast("Any", settle)))
        self._settled[node.name] = settled
        self._machines[node.name] = settled.apply(lambda id_: f"{self._plan.region}.{id_}")
        return settled

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
                    self._cluster,
                    token,
                    machines=machines,
                    expected=frozenset(self._new_machines),
                    within=ready_seconds(),
                    report=pulumi.log.info,
                )
            except ClusterError as error:
                pulumi.log.warn(str(error))
                return False
            return True

        values = pulumi.Output.all(
            self._bootstrap_token, ready, pulumi.Output.all(**self._machines)
        )
        return cast("pulumi.Output[bool]", values.apply(cast("Any", end)))

    def joins_load_balancer(self, node: str, attachment: pulumi.Output[str]) -> None:
        """End this control plane's turn only once the load balancer has it, too."""
        self._joined[node] = attachment

    def note_creation(self) -> None:
        """Note that the state had nothing of this cluster before this run."""
        self._is_creation = True

    async def before_changes(
        self, before: Record | EarlierRelease, after: Record, kubeconfig: str | None
    ) -> None:
        """Remove the nodes that an accepted edit takes out; `kubeconfig` is the last run's.

        An earlier release did not record its control planes, so none of them is removed.
        """
        new = Membership.of(after)
        if isinstance(before, Record):
            old = Membership.of(before)
        else:
            self._keeps_planes = True
            old = Membership(
                control_planes=new.control_planes,
                workers=before.workers or (),
                protected=new.protected,
            )
        await self.evict_leaving(old, new, kubeconfig=kubeconfig)

    async def evict_leaving(
        self, old: Membership, new: Membership, *, kubeconfig: str | None = None
    ) -> None:
        """Take the nodes that only `old` has out of the cluster, control planes first.

        Control planes always leave etcd one after another. Workers are emptied, unless the time
        for a drain is 0. A second call continues where the first one ended. Pass `kubeconfig` if
        this run does not know the API server's address yet.

        Raises:
            pulumi.RunError: the removal was refused or failed; the other nodes have not changed.
        """
        self._earlier_planes = frozenset(old.control_planes)
        self._endpoint_moves = (len(old.control_planes) > 1) != (len(new.control_planes) > 1)
        planes = {n: a for n, a in old.control_planes.items() if n not in new.control_planes}
        workers = sorted(set(old.workers) - set(new.workers))
        if planes and old.protected:
            raise pulumi.RunError(
                f"{', '.join(planes)} cannot leave: the stack protects its control planes. Write "
                "protect: false, run `pulumi up`, and then take them out of the stack file."
            )
        if planes and not set(new.control_planes) & set(old.control_planes):
            raise pulumi.RunError(
                f"{', '.join(planes)} cannot all leave: etcd's members would be gone, and the "
                "cluster with them. Add the new control planes first, run `pulumi up`, and then "
                "take the old ones out of the stack file."
            )
        within = drain_seconds()
        if pulumi.runtime.is_dry_run() or not (planes or (workers and within > 0)):
            return
        try:
            async with self._cluster(text=kubeconfig) as api:
                if planes:
                    await leave(
                        api,
                        planes,
                        staying=set(old.control_planes) & set(new.control_planes),
                        drain_within=within,
                        report=pulumi.log.info,
                    )
                if workers and within > 0:
                    await evict_all(api, workers, within=within, report=pulumi.log.info)
        except ClusterError as error:
            raise pulumi.RunError(
                f"{error} ({', '.join((*planes, *workers))} should leave; their machines have not "
                "been touched)"
            ) from error

    async def _read_state(self, _: None) -> ClusterInState:
        if self._is_creation:
            return ClusterInState()
        state = cluster_in_state(self._name, await state_resources())
        if not pulumi.runtime.is_dry_run():
            self._before = state
        return state

    async def _last_state(self) -> ClusterInState:
        """The state before this run, in a preview as the last run has left it."""
        if pulumi.runtime.is_dry_run():
            return cluster_in_state(self._name, await state_resources())
        return self._before

    def _has_new_machine(self, node: str) -> bool:
        """Whether this run creates or replaces the machine."""
        return (
            self._is_lost(node) or node in self._new or node in self._replaced | self._new_machines
        )

    def _make_creation_ends(
        self, name: str, state: pulumi.Output[ClusterInState], parent: pulumi.Resource
    ) -> pulumi.Output[int | None]:
        """Stash the time of the first run: the same user-data must not create two clusters.

        Once an API server has answered, no machine may create a cluster any more.
        """

        def first_value(_: None) -> int:
            return int(_now()) + CREATION_SECONDS if self._is_creation else 0

        kept = pulumi.Stash(
            f"{name}-creation-ends",
            input=self._accepted.apply(first_value),
            opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["input"]),
        )
        return pulumi.Output.all(kept.output, state).apply(
            lambda values: (
                None
                if values[1].has_served and not pulumi.runtime.is_dry_run()
                else int(values[0]) or None
            )
        )

    def _make_first_identities(
        self, name: str, state: pulumi.Output[ClusterInState], parent: pulumi.Resource
    ) -> pulumi.Output[Mapping[str, str]]:
        """Stash the identities once: those that earlier programs kept, else those of this run."""
        planned = {
            node.name: identity_digest(self._plan, node) for node in self._plan.nodes.values()
        }
        kept = pulumi.Stash(
            f"{name}-first-identities",
            input=state.apply(lambda cluster: {**planned, **cluster.first_identities}),
            opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["input"]),
        )
        return kept.output.apply(dict)

    def _in_turn(self, node: NodePlan) -> pulumi.Output[str]:
        """The Kubernetes version, known once the node before has served. Records no dependency."""

        async def wait() -> str:
            if pulumi.runtime.is_dry_run():
                return self._plan.kubernetes.version
            await self._reachable()
            if not self._is_creation:
                for name in self._turns_before(node)[-1:]:
                    await self._settled[name].future()
                for plane in self._awaited_at_load_balancer(node):
                    await self._joined[plane].future()
            return self._plan.kubernetes.version

        return pulumi.Output.from_input(wait())

    def _turns_before(self, node: NodePlan) -> list[str]:
        """Nodes whose turn comes before this node's.

        Control planes that were there before this run come first, whatever their names. Where the
        load balancer is new, others join through it. A node whose machine is lost comes before the
        others of its role, because no other one may go while it is away.
        """
        new = [plane for plane in self._planes if plane not in self._earlier_planes]
        earlier = [plane for plane in self._planes if plane in self._earlier_planes]
        planes = [*earlier, *new]
        if self._before.is_balanced:
            planes = self._lost_first(planes)
        turns = [*planes, *self._lost_first(self._workers)]
        return turns[: turns.index(node.name)]

    def _lost_first(self, names: Sequence[str]) -> list[str]:
        return sorted(names, key=lambda name: not self._is_lost(name))

    def _is_lost(self, node: str) -> bool:
        """Whether the node was there before this run and has no machine."""
        return node in self._before.lost_machines

    def _are_lost(self, *nodes: str) -> bool:
        """Whether all these nodes are lost. Then none of them waits for another."""
        return all(self._is_lost(node) for node in nodes)

    def _is_lost_with_the_cluster(self, node: NodePlan) -> bool:
        """Whether the node is the only control plane of a cluster that has served, and is lost."""
        return self._is_lost(node.name) and self._before.has_served and self._planes == [node.name]

    def _awaited_at_load_balancer(self, node: NodePlan) -> list[str]:
        """Control planes that must accept connections before this node's turn.

        If the load balancer is new, the run itself may reach the API server only through it. So a
        joining control plane waits, like a worker, for those that existed before.
        """
        return [
            plane
            for plane in self._turns_before(node)
            if plane in self._joined
            and (plane in self._changed or (self._endpoint_moves and plane not in self._new))
        ]

    async def _reachable(self) -> None:
        """Wait for the kubeconfig before a turn: a waiting hook would occupy an engine slot."""
        await self._state_is_read.future()
        await self._kubeconfig.future()

    @asynccontextmanager
    async def _cluster(
        self, *, within: float | None = None, text: str | None = None
    ) -> AsyncIterator[ClusterApi]:
        text = text or await self._kubeconfig.future()
        if not text:
            raise ClusterError("The API server's address is not known.")
        opened = (
            cluster_api(text, patience=_PATIENCE)
            if within is None
            else cluster_api(text, within=within)
        )
        async with opened as api:
            yield api

    def _note_new(self, args: pulumi.ResourceHookArgs) -> None:
        node = self._resources[args.name]
        if self._keeps_planes and node in self._planes:
            return  # An earlier release had no generation of control planes; their machines exist.
        self._new.add(node)

    async def _is_waited_for(self, node: NodePlan) -> bool:
        """Whether the next turn waits for this node.

        It always waits for a changed node, and for a new control plane if others serve already. In
        a creation no API server is reachable before the load balancer has all control planes. An
        API server that does not answer means that this run finishes a creation. Without the only
        control plane no other node can change.
        """
        if node.name in self._changed or self._is_lost_with_the_cluster(node):
            return True
        if node.name not in self._new or not is_control_plane(node) or self._is_creation:
            return False
        try:
            async with self._cluster(within=_GLANCE) as api:
                await api.version()
        except ClusterError:
            return False
        return True

    async def _change(self, args: pulumi.ResourceHookArgs) -> None:
        node = self._plan.nodes[self._resources[args.name]]
        old, new = args.old_inputs or {}, args.new_inputs or {}
        change = change_between(old, new)
        dry = pulumi.runtime.is_dry_run()
        if is_control_plane(node) and change.identity and len(self._planes) == 1:
            change = await self._only_plane(node, change)
        if change.takes_machine_away:
            self._changed.add(node.name)
        if change.identity:
            self._replaced.add(node.name)
        if dry or change == Change() or self._is_lost_with_the_cluster(node):
            # A new machine boots with the settings of this run.
            return
        try:
            async with self._cluster() as api:
                await self._until_it_may_change(api, node, change)
                await (
                    self._until_planes_serve(api, node, change)
                    if is_control_plane(node)
                    else self._until_workers_serve(api, node, change)
                )
                before, after = settings_of(old), settings_of(new)
                stays = not self._is_lost(node.name)
                if change.settings and stays and before is not None and after is not None:
                    if change.takes_machine_away:
                        # A new machine boots with the settings. Only one that stays takes them.
                        after = after if not change.identity else before
                    await change_settings(
                        api, node.name, before=before, after=after, report=pulumi.log.info
                    )
                if change.takes_machine_away:
                    await self._empty(api, node.name)
                if "interfaces" in change.identity:
                    await self._make_room(api, node.name, old, new)
        except ClusterError as error:
            raise pulumi.RunError(_not_changed(node.name, error)) from error

    async def _prepare_unplanned_restart(self, args: pulumi.ResourceHookArgs) -> None:
        """Treat a restart that no edit caused like one that an edit caused.

        An earlier run failed between the generation and its machine, or somebody changed the
        machine by hand. An instance is updated in its node's turn, so at most one restarts at a
        time; the next turn waits until the node is back. A machine that does not run is started at
        once, because that takes nothing away.
        """
        node = self._plan.nodes[self._resources[args.name]]
        reason = restart_reason(args.old_outputs or {}, args.new_inputs or {})
        if reason is None or node.name in self._changed:
            return
        if pulumi.runtime.is_dry_run():
            pulumi.log.info(f"{node.name}: restarted, because {reason}")
            return
        runs = is_running(args.old_outputs or {})
        change = Change(restart=True)
        try:
            async with self._cluster(within=None if runs else _GLANCE) as api:
                current = (await api.nodes()).get(node.name)
                if not runs and (current is None or not current.ready):
                    return
                self._changed.add(node.name)
                await (
                    self._until_planes_serve(api, node, change)
                    if is_control_plane(node)
                    else self._until_workers_serve(api, node, change)
                )
                await self._empty(api, node.name)
        except ClusterError as error:
            if runs:
                raise pulumi.RunError(_not_restarted(node.name, reason, error)) from error
            if is_control_plane(node):
                self._started.add(node.name)

    async def _only_plane(self, node: NodePlan, change: Change) -> Change:
        """Refuse to replace the only control plane, unless it runs the new version already."""
        if change.identity != {"kubernetes"}:
            raise pulumi.RunError(
                f"{node.name} is the only control plane and has the only etcd member, so its "
                f"machine is never replaced, and {_listed(change.identity - {'kubernetes'})} "
                "cannot change on a running one. Take the edit back, or add control planes first "
                "(three in all), run `pulumi up`, and then edit."
            )
        version = version_of(self._plan.kubernetes.version)
        try:
            async with self._cluster(within=_GLANCE) as api:
                server = version_of(await api.version())
                current = (await api.nodes()).get(node.name)
        except ClusterError as error:
            raise pulumi.RunError(
                f"{node.name} is the only control plane, and whether it runs Kubernetes {version} "
                f"is not known: {error} Let its API server answer first. {_on_the_machine(node)}"
            ) from error
        kubelet = None if current is None or not current.kubelet else version_of(current.kubelet)
        if server < version or kubelet is None or kubelet < version:
            raise pulumi.RunError(
                f"{node.name} is the only control plane and has the only etcd member, so it is not "
                f"replaced for Kubernetes {version}: its API server runs {server}, its kubelet "
                f"{kubelet}, and a kubelet is never newer than the API server. "
                f"{_on_the_machine(node)}"
            )
        return Change(restart=change.restart, settings=change.settings)

    async def _empty(self, api: ClusterApi, node: str) -> None:
        within = drain_seconds()
        current = (await api.nodes()).get(node)
        if current is None:
            return
        await api.cordon(node)
        if within == 0:
            pulumi.log.warn(f"{node} changes without a drain: {SECONDS} is 0")
            return
        await drain(api, node, within=within, wait_for_end=current.ready, report=pulumi.log.info)

    async def _make_room(
        self, api: ClusterApi, node: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:
        """Evict all pods, DaemonSet pods too, and remove the addresses that the node loses."""
        within = drain_seconds()
        before, after = (
            (inputs.get("identity") or inputs).get("interfaces") for inputs in (old, new)
        )
        if within == 0 or not (isinstance(before, Mapping) and isinstance(after, Mapping)):
            return
        moved = moved_pools(self._plan, node, before, after)
        await api.taint_removed(node)
        async with pool_api(await self._kubeconfig.future() or "") as pools:
            await empty_pools(pools, moved, within=within, report=pulumi.log.info)
        self._moved[node] = moved

    async def _fill(self, node: str) -> None:
        """Put the new machine's addresses into the pools before pods can run on its Node."""
        if node not in self._moved:
            return
        addresses = await self._addresses[node]().future()
        async with pool_api(await self._kubeconfig.future() or "") as pools:
            await fill_pools(pools, self._moved[node], addresses or {})
        del self._moved[node]

    async def _until_it_may_change(self, api: ClusterApi, node: NodePlan, change: Change) -> None:
        """Wait for control planes that this run has started, and check the clock."""

        async def missing() -> str | None:
            await api.version()
            return None

        if self._started:
            await self._until(
                missing,
                waiting=f"{node.name}: waiting for {', '.join(sorted(self._started))}",
                over=f"{node.name} is not touched while no control plane serves: ",
                remedy="Its console output shows how far it is.",
            )
        if change.takes_machine_away:
            await check_clock(api, node.name)

    async def _until_planes_serve(self, api: ClusterApi, node: NodePlan, change: Change) -> None:
        """Wait until all other control planes serve, and check etcd's majority without this one."""
        others = [
            name
            for name in self._planes
            if name != node.name and name not in self._new and not self._are_lost(name, node.name)
        ]

        async def missing() -> str | None:
            unready = unready_planes(await api.nodes(), await api.control_plane_pods(), others)
            return ", ".join(f"{name} ({reason})" for name, reason in unready.items()) or None

        await self._until(
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
            api, version_of(self._plan.kubernetes.version)
        ):
            pulumi.log.info(f"kubeadm's ConfigMap is at {self._plan.kubernetes.version}")

    async def _until_workers_serve(self, api: ClusterApi, node: NodePlan, change: Change) -> None:
        """Wait for a worker that an interrupted run was changing: only one may be unavailable."""
        await self._finish_control_planes(api)
        if change.identity:
            await self._check_kubelet(api, node.name)

        async def missing() -> str | None:
            return ", ".join(self._missing(await api.nodes(), node.name)) or None

        await self._until(
            missing,
            waiting=f"{node.name}: waiting until other workers are ready",
            over=f"{node.name} is not touched while another worker is not ready: ",
            remedy="Repair that first (its console output shows how far it is), or take it out of "
            "the stack file: then it leaves before this one changes.",
        )
        nodes = await api.nodes()
        for name in self._workers:
            # An interrupted run left this node cordoned.
            current = nodes.get(name)
            if current is not None and current.rolling and name != node.name:
                await api.uncordon(name)

    async def _until(
        self,
        missing: Callable[[], Awaitable[str | None]],
        *,
        waiting: str,
        over: str,
        remedy: str,
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
            ask_every=_ASK_EVERY,
            give_up=lambda _, reason: ClusterError(f"{over}{reason}. {remedy}"),
            report=lambda _, reason: pulumi.log.info(f"{waiting}: {reason}"),
        )

    def _missing(self, nodes: Mapping[str, KubernetesNode], node: str) -> list[str]:
        earlier = self._turns_before(self._plan.nodes[node])
        return [
            name
            for name in self._workers
            if name != node
            and name not in self._new
            and not self._are_lost(name, node)
            and (not nodes[name].ready if name in nodes else name in earlier)
        ]

    async def _finish_control_planes(self, api: ClusterApi) -> None:
        """Upgrade kube-proxy after the last control plane and before the first worker."""
        if await bring_kube_proxy(api, version_of(self._plan.kubernetes.version)):
            pulumi.log.info(f"kube-proxy has the image of {self._plan.kubernetes.version}")

    async def _check_kubelet(self, api: ClusterApi, node: str) -> None:
        version = version_of(self._plan.kubernetes.version)
        problem = kubelet_problem(node, version, version_of(await api.version()))
        if problem is not None:
            raise pulumi.RunError(problem)

    async def _prepare_machine(self, args: pulumi.ResourceHookArgs) -> None:
        """Let the machine join, and delete the previous machine's Node.

        That Node would keep the old machine's provider id, because a kubelet never changes it.
        """
        node = self._plan.nodes[self._resources[args.name]]
        self._new_machines.add(node.name)
        if pulumi.runtime.is_dry_run():
            if node.name not in self._new | self._replaced:
                pulumi.log.info(
                    f"{node.name}: its machine is gone; the run creates it again, with the same "
                    "addresses and with the settings of this stack file, before other nodes change"
                )
            return
        try:
            async with self._cluster(within=_GLANCE) as api:
                await check_clock(api, node.name)
                if not is_control_plane(node):
                    await self._check_kubelet(api, node.name)
                await keep_token(api, await self._token())
                if await api.delete_node(node.name):
                    pulumi.log.info(f"{node.name}: the Node of the machine before it is deleted")
        except ClusterError:
            # In a first creation there is no API server yet, and so there is no Node either.
            return

    def _settings(self, node: NodePlan) -> pulumi.Output[str]:
        # A preview without secrets knows the settings of workers.
        keys = self._encryption_keys if is_control_plane(node) else ()
        return pulumi.Output.all(self._endpoint_address, keys).apply(
            lambda values: node_settings(
                self._plan, node, values[0], encryption_keys=tuple(values[1])
            )
        )

    async def _token(self) -> str:
        token = await self._bootstrap_token.future()
        if not token:
            raise ClusterError("The cluster's bootstrap token is not known.")
        return token

    async def _until_back(self, node: NodePlan, id_: str, resource: pulumi.Resource) -> None:
        within = ready_seconds()
        provider_id = f"{self._plan.region}.{id_}"
        await wait_until(
            lambda: self._missing_conditions(node, provider_id),
            within=within,
            ask_every=_ASK_EVERY,
            give_up=lambda _, reason: pulumi.RunError(
                f"{node.name} did not come back within {within:.0f} s: {reason}. No other "
                "node has been touched. Its console output shows how far it is (ECS console, "
                f"instance {id_}); then run `pulumi up` again."
            ),
            report=lambda _, reason: pulumi.log.info(
                f"waiting for {node.name}: {reason}", resource, ephemeral=True
            ),
        )

    async def _missing_conditions(self, node: NodePlan, provider_id: str) -> str | None:
        """What a changed node lacks before the next one may go; None when it serves."""
        pools = [pool.name for pool in self._plan.pools_of_nodes[node.name]]
        try:
            await self._fill(node.name)
            async with self._cluster() as api:
                if node.name in self._new_machines:
                    # The API server may not have answered when the machine was created.
                    await keep_token(api, await self._token())
                    await self._forget_machine_before(api, node.name, provider_id)
                reason = await missing_conditions(
                    api,
                    node.name,
                    provider_id=provider_id,
                    # The pools of a new node are created after it.
                    pools=[] if node.name in self._new else pools,
                    control_plane=is_control_plane(node),
                )
                if reason is None:
                    await write_settings(api, node.name, str(await self._settings(node).future()))
                    if node.name == self._planes[-1]:
                        await self._finish_control_planes(api)
                return reason
        except ClusterError as error:
            return f"the API server: {error}"

    async def _forget_machine_before(self, api: ClusterApi, node: str, provider_id: str) -> None:
        """Delete the Node of the machine before, which could not be deleted in time.

        No API server answered when its machine went. The new one does not join before.
        """
        current = (await api.nodes()).get(node)
        if current is None or current.provider_id in {"", provider_id}:
            return
        if await api.delete_node(node):
            pulumi.log.info(f"{node}: the Node of the machine before it is deleted")


def _on_the_machine(node: NodePlan) -> str:
    return f"Upgrade {node.name} on the machine ({_RUNBOOK}), then run the same command again."


def _not_restarted(node: str, reason: str, error: ClusterError) -> str:
    return (
        f"{error} ({node} should be restarted, because {reason}; its machine has not been touched. "
        "Let the API server answer first, or write the instance type that the machine has into the "
        "stack file: docs/runbooks/dead-cluster.md)"
    )


def _listed(keys: frozenset[str]) -> str:
    return ", ".join(sorted(keys))


def _not_changed(node: str, error: ClusterError) -> str:
    return (
        f"{error} ({node} should change, and its machine has not been touched. With a cluster that "
        "does not answer, a new machine could not join it either. If machines of control planes "
        "are lost, take the edit back and run `pulumi up`, which creates them again; make the edit "
        "in the next run: docs/runbooks/etcd-disk.md, A lost control plane)"
    )
