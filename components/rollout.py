"""Workers change one at a time: emptied before, waited for afterwards, in a plain `pulumi up`.

Why it is done this way: docs/decisions/rolling-workers.md.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import pulumi

from components.cluster_api import ClusterApi, ClusterError, KubernetesNode, cluster_api
from components.draining import SECONDS, drain, drain_seconds, expel
from components.readiness import READY_WITHIN
from components.worker_readiness import lacking
from planning.bootstrap import generation
from planning.model import ClusterPlan, NodePlan
from planning.secrets import ClusterSecrets
from planning.upgrades import kubelet_problem, kubernetes_problem, version_of

CONTROL_PLANES: Final = "SPIDERPOOL_ALICLOUD_REPLACE"
"""Environment variable: control planes, with commas, that take their new user-data in this run.

Written by `python -m operations upgrade`, which does one at a time; nobody else needs it."""

_ASK_EVERY = 2.0
_REPORT_EVERY = 15.0
_GLANCE = 3.0
"""Seconds for an API server that may not exist yet."""


class WorkerGeneration(pulumi.ComponentResource):
    """What a worker is made from, as a resource of its own.

    Owns nothing. When it changes, the engine calls the roll-out before it writes the change down,
    and the worker's ENIs and instance are registered after it: so the worker is empty before
    anything is done to it, and what a failed drain leaves is the old generation in the state.
    """

    def __init__(
        self, name: str, inputs: pulumi.Inputs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:rollout:WorkerGeneration", name, dict(inputs), opts)
        self.register_outputs({})


class Fleet(pulumi.ComponentResource):
    """Which workers there are, and the version they run.

    Owns nothing. When a name leaves it, the roll-out empties that worker before the run deletes it;
    when the version changes, it is held against the cluster's.
    """

    def __init__(
        self, name: str, inputs: pulumi.Inputs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:rollout:Workers", name, dict(inputs), opts)
        self.register_outputs({})


class Rollout:
    """One run's workers in a row.

    Each worker's turn comes when the one before it has settled. A worker that stays as it is, or is
    new, settles at once, so a first creation is as parallel as ever; one that changed has settled
    when its Node is ready again. Waiting for a turn is done here and not in the engine, so it takes
    none of its parallel slots.

    `kubeconfig` is an Output that is known before any worker is. Hooks are not run in previews,
    except the ones that compare versions.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: ClusterPlan,
        secrets: pulumi.Output[ClusterSecrets],
        kubeconfig: pulumi.Output[str],
        parent: pulumi.Resource,
    ) -> None:
        self._plan = plan
        self._secrets = secrets
        self._kubeconfig = kubeconfig
        self._order = [worker.name for worker in plan.workers]
        self._resources = {f"{name}-{worker.name}": worker.name for worker in plan.workers}
        self._new: set[str] = set()
        self._changed: set[str] = set()
        self._hooks = {
            "new": pulumi.ResourceHook(f"{name}-worker-is-new", self._note_new),
            "changes": pulumi.ResourceHook(f"{name}-worker-changes", self._empty_changed),
            "boots": pulumi.ResourceHook(f"{name}-worker-boots", self._forget_predecessor),
            "fleet": pulumi.ResourceHook(
                f"{name}-fleet-changes",
                self._check_fleet,
                pulumi.ResourceHookOptions(on_dry_run=True),
            ),
        }
        fleet = Fleet(
            name,
            {"workers": self._order, "kubernetes": self._in_turn(self._reachable)},
            pulumi.ResourceOptions(
                parent=parent,
                hooks=pulumi.ResourceHookBinding(before_update=[self._hooks["fleet"]]),
            ),
        )
        self._parent = parent
        self._before: Callable[[], Awaitable[object]] = fleet.urn.future

    @property
    def instance_hooks(self) -> pulumi.ResourceHookBinding:
        """For a worker's instance: a Node of its name that stands there is another machine's."""
        return pulumi.ResourceHookBinding(before_create=[self._hooks["boots"]])

    def turn_of(
        self, name: str, node: NodePlan, *, parent: pulumi.Resource, more: pulumi.Inputs
    ) -> WorkerGeneration:
        """Register a worker's generation when its turn comes; `settles` has to follow.

        `more` says what else, beside user-data, replaces or restarts the machine.
        """
        plan = self._plan
        content = pulumi.Output.unsecret(
            self._secrets.apply(lambda secrets: generation(plan, node.name, secrets=secrets))
        )
        return WorkerGeneration(
            name,
            {**more, "bootstrap": content, "kubernetes": self._in_turn(self._before)},
            pulumi.ResourceOptions(
                parent=parent,
                hooks=pulumi.ResourceHookBinding(
                    before_create=[self._hooks["new"]], before_update=[self._hooks["changes"]]
                ),
            ),
        )

    def settles(
        self, node: NodePlan, *, instance_id: pulumi.Output[str], resource: pulumi.Resource
    ) -> pulumi.Output[str]:
        """The instance id once the worker is what it shall be; the next turn waits for it."""

        async def settle(id_: str) -> str:
            if node.name in self._changed and not pulumi.runtime.is_dry_run():
                try:
                    await self._until_back(node, id_, resource)
                except (ClusterError, pulumi.RunError) as error:
                    pulumi.log.error(str(error), resource)
                    raise pulumi.RunError(str(error)) from error
            return id_

        settled = cast("pulumi.Output[str]", instance_id.apply(cast("Any", settle)))
        self._before = settled.future
        return settled

    def _in_turn(self, before: Callable[[], Awaitable[object]]) -> pulumi.Output[str]:
        """The Kubernetes version, known when `before` is over. Records no dependency."""

        async def wait() -> str:
            if not pulumi.runtime.is_dry_run():
                await before()
            return self._plan.kubernetes.version

        return pulumi.Output.from_input(wait())

    async def _reachable(self) -> None:
        """A hook takes one of the engine's slots: it must not wait there for an address."""
        await self._kubeconfig.future()

    @asynccontextmanager
    async def _cluster(self, *, within: float | None = None) -> AsyncIterator[ClusterApi]:
        text = await self._kubeconfig.future()
        if not text:
            raise ClusterError("its address is not known")
        async with cluster_api(text) if within is None else cluster_api(text, within=within) as api:
            yield api

    def _note_new(self, args: pulumi.ResourceHookArgs) -> None:
        self._new.add(self._resources[args.name])

    async def _empty_changed(self, args: pulumi.ResourceHookArgs) -> None:
        node, within = self._resources[args.name], drain_seconds()
        self._changed.add(node)
        if within == 0:
            pulumi.log.warn(f"{node} changes without a drain: {SECONDS} is 0")
            return
        try:
            async with self._cluster() as api:
                await self._check_kubelet(api, node)
                await self._until_others_stand(api, node)
                standing = (await api.nodes()).get(node)
                if standing is None:
                    return
                await api.cordon(node)
                await drain(
                    api, node, within=within, wait_for_end=standing.ready, report=pulumi.log.info
                )
                if (args.old_inputs or {}).get("image") != (args.new_inputs or {}).get("image"):
                    # A new disk under the same instance joins again: no Ready Node may be there.
                    await api.delete_node(node)
        except ClusterError as error:
            raise pulumi.RunError(_not_emptied(node, error)) from error

    async def _until_others_stand(self, api: ClusterApi, node: str) -> None:
        """Never two workers away: wait for one that an earlier, broken-off run was busy with."""
        began = reported = time.monotonic()
        while missing := self._missing(await api.nodes(), node):
            now = time.monotonic()
            if now - began >= READY_WITHIN:
                raise ClusterError(
                    f"{', '.join(missing)} not ready, and two workers are never away at once. Mend "
                    f"that first: look at its console output, or replace it by `pulumi up --target "
                    f"'**{missing[0]}**'` with {SECONDS}=0"
                )
            if now - reported >= _REPORT_EVERY:
                reported = now
                pulumi.log.info(f"{node}: waiting until {', '.join(missing)} is ready")
            await asyncio.sleep(_ASK_EVERY)
        for name in self._order:
            # Left by a run that was broken off before it could take the cordon away.
            known = (await api.nodes()).get(name)
            if known is not None and known.rolling and name != node:
                await api.uncordon(name)

    def _missing(self, nodes: Mapping[str, KubernetesNode], node: str) -> list[str]:
        earlier = self._order[: self._order.index(node)]
        return [
            name
            for name in self._order
            if name != node
            and name not in self._new
            and (not nodes[name].ready if name in nodes else name in earlier)
        ]

    async def _check_kubelet(
        self, api: ClusterApi, node: str, *, version: str | None = None
    ) -> None:
        wanted = version_of(version or self._plan.kubernetes.version)
        problem = kubelet_problem(node, wanted, version_of(await api.version()))
        if problem is not None:
            raise pulumi.RunError(problem)

    async def _forget_predecessor(self, args: pulumi.ResourceHookArgs) -> None:
        """Its Node would keep the old machine's provider id for ever, as a kubelet changes none."""
        node = self._resources[args.name]
        try:
            async with self._cluster(within=_GLANCE) as api:
                await self._check_kubelet(api, node)
                if await api.delete_node(node):
                    pulumi.log.info(f"{node}: the Node of the machine before it is deleted")
        except ClusterError:
            # No API server yet, as in a first creation: then there is no Node either.
            return

    async def _check_fleet(self, args: pulumi.ResourceHookArgs) -> None:
        old, new = args.old_inputs or {}, args.new_inputs or {}
        problem = kubernetes_problem(version_of(old["kubernetes"]), version_of(new["kubernetes"]))
        if problem is not None:
            raise pulumi.RunError(problem)
        if pulumi.runtime.is_dry_run():
            return
        removed = sorted(set(old["workers"]) - set(new["workers"]))
        within = drain_seconds()
        if within == 0:
            return
        try:
            async with self._cluster() as api:
                if old["kubernetes"] != new["kubernetes"]:
                    name = [*new["workers"], *old["workers"], "a node"][0]
                    await self._check_kubelet(api, name, version=new["kubernetes"])
                await expel(api, removed, within=within, report=pulumi.log.info)
        except ClusterError as error:
            raise pulumi.RunError(_not_emptied(", ".join(removed) or "workers", error)) from error

    async def _until_back(self, node: NodePlan, id_: str, resource: pulumi.Resource) -> None:
        began = reported = time.monotonic()
        provider_id = f"{self._plan.region}.{id_}"
        while (lacking := await self._lacking(node, provider_id)) is not None:
            now = time.monotonic()
            if now - began >= READY_WITHIN:
                raise pulumi.RunError(
                    f"{node.name} did not come back within {READY_WITHIN:.0f} s: {lacking}. No "
                    "other worker has been touched. Its console output says how far it came (ECS "
                    f"console, instance {id_}); then run `pulumi up` again."
                )
            if now - reported >= _REPORT_EVERY:
                reported = now
                pulumi.log.info(f"waiting for {node.name}: {lacking}", resource, ephemeral=True)
            await asyncio.sleep(_ASK_EVERY)

    async def _lacking(self, node: NodePlan, provider_id: str) -> str | None:
        """What a changed worker lacks before the next one may go; None when it is whole."""
        pools = [pool.name for pool in self._plan.ip_pools.values() if pool.node == node.name]
        try:
            async with self._cluster() as api:
                return await lacking(api, node.name, provider_id=provider_id, pools=pools)
        except ClusterError as error:
            return f"the API server: {error}"


def takes_new_user_data(node: NodePlan, plan: ClusterPlan) -> bool:
    """Whether a control plane is to be replaced by the machine that its user-data now describes.

    Raises `pulumi.RunError` where that would lose the cluster: its only etcd member is on it.
    """
    named = {name.strip() for name in os.environ.get(CONTROL_PLANES, "").split(",")}
    if node.name not in named:
        return False
    if len(plan.control_planes) == 1:
        raise pulumi.RunError(
            f"{CONTROL_PLANES}: {node.name} is the only control plane and holds the only etcd. "
            "It is upgraded on the machine: docs/runbooks/upgrade.md"
        )
    return True


def _not_emptied(node: str, error: ClusterError) -> str:
    return (
        f"{error} (before {node} changes; with a cluster that does not answer any more, "
        f"{SECONDS}=0 goes on without a drain)"
    )
