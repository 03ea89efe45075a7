"""Keeps the last accepted plan in the state, and checks each edit against it before all else.

Why it is done this way: docs/decisions/transitions.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pulumi

from components.api.api_access import UnusableKubeconfigError
from components.api.cluster_api import ClusterError, cluster_api
from components.state import state_resources
from planning.model import ClusterPlan
from planning.names import CONTROL_PLANE
from planning.nodes.kubeconfig import kubeconfig
from planning.nodes.machine import unit_version
from planning.nodes.secrets import ClusterSecrets
from planning.transitions.earlier import clusters, earlier_machines, has_machines
from planning.transitions.edits import check_edit
from planning.transitions.holders import Cluster, Holders, NoAnswer, NotAsked, holders_of
from planning.transitions.reading import EarlierRelease, Record, read_record
from planning.transitions.record import record
from planning.transitions.steps import Accepted
from planning.transitions.upgrades import version_of
from planning.transitions.words import lines

BeforeChanges = Callable[[Record | EarlierRelease, Record, str | None], Awaitable[None]]
"""Called in an update once an edit is accepted: with the plans before and after, and a kubeconfig
for the API server's address of the last complete run, or None.

No resource of a provider is registered until it returns, so it must not wait for one.
"""

_NO_RECORD: Final = "no run of this release has been complete yet"
_PREVIEW_WITHIN: Final = 3.0
"""Seconds that a preview waits for each answer of the API server before it continues."""
_UPDATE_WITHIN: Final = 10.0
"""Seconds that an update waits for each answer."""


@dataclass(frozen=True, kw_only=True)
class AppliedPlanArgs:
    """The inputs of an `AppliedPlan`."""

    plan: ClusterPlan
    secrets: pulumi.Output[ClusterSecrets]
    kubeconfig: pulumi.Output[str] | None
    """The kubeconfig of a cluster that somebody else built; None if this program builds it."""
    before_changes: BeforeChanges | None = None
    at_creation: Callable[[], None] | None = None
    """Called when the state has neither a plan nor a machine: this is the first run."""


class AppliedPlan(pulumi.ComponentResource):
    """The last accepted plan, as the record with which the next plan is compared.

    Owns nothing. It is registered before any other resource: both providers have an input that
    resolves only afterwards, so a refusal leaves everything as it is. Its hook runs in previews,
    too.

    An update asks the cluster which addresses pods have, and refuses to remove any when there is no
    answer. A preview waits only briefly, and reports a missing answer. The API server's address is
    that of the last complete run, from this resource's outputs, because the resources that know the
    current one are registered later.

    Errors: `pulumi.RunError` with every reason against the edit.
    """

    def __init__(self, name: str, args: AppliedPlanArgs, *, parent: pulumi.Resource) -> None:
        self._args = args
        self._document = record(args.plan)
        changes = pulumi.ResourceHook(
            f"{name}-plan-changes",
            self._before_update,
            pulumi.ResourceHookOptions(on_dry_run=True),
        )
        first = pulumi.ResourceHook(
            f"{name}-plan-is-new",
            self._before_create,
            pulumi.ResourceHookOptions(on_dry_run=True),
        )
        options = pulumi.ResourceOptions(
            parent=parent,
            hooks=pulumi.ResourceHookBinding(before_create=[first], before_update=[changes]),
            # Earlier releases recorded the workers and the Kubernetes version under this type.
            aliases=[pulumi.Alias(type_="spiderpool-alicloud:rollout:Fleet")],
        )
        super().__init__(
            "spiderpool-alicloud:transition:AppliedPlan",
            name,
            self._document,
            options,
        )

    @property
    def accepted(self) -> pulumi.Output[None]:
        """Resolves once the edit is accepted; each provider has an input that depends on it."""
        return self.urn.apply(lambda _: None)

    def reached_at(self, server: pulumi.Output[str] | None) -> None:
        """Record the API server's address for the next run, and complete the registration."""
        self.register_outputs({} if server is None else {"server": server})

    async def _before_create(self, args: pulumi.ResourceHookArgs) -> None:
        resources = await state_resources()
        if others := sorted(clusters(resources) - {args.name}):
            raise pulumi.RunError(
                f"name: {args.name}. The name of a cluster never changes, because every resource "
                f"is named after it: the run would create {args.name} and destroy "
                f"{', '.join(others)}. Write name: {others[0]}, or use another stack for "
                f"{args.name}."
            )
        if not has_machines(resources):
            self._check(Record(), self._record(), NotAsked(reason="there is no cluster yet"))
            if self._args.at_creation is not None:
                self._args.at_creation()
        elif self._args.plan.kubernetes.mode == "existing":
            # Earlier releases wrote no record in this mode. The edit is compared with the machines.
            before = EarlierRelease(machines=earlier_machines(args.name, resources))
            self._check(before, self._record(), NotAsked(reason=_NO_RECORD))

    async def _before_update(self, args: pulumi.ResourceHookArgs) -> None:
        before = read_record(args.old_inputs)
        after = self._record()
        if isinstance(before, EarlierRelease):
            machines = earlier_machines(args.name, await state_resources())
            before = replace(before, machines=machines)
        cluster = await self._ask(args.old_outputs or {})
        self._check(before, after, cluster)
        if self._args.before_changes is not None and not pulumi.runtime.is_dry_run():
            try:
                access = await self._access(args.old_outputs or {})
            except ClusterError:
                access = None
            await self._args.before_changes(
                before, after, access if isinstance(access, str) else None
            )

    def _record(self) -> Record:
        after = read_record(self._document)
        if isinstance(after, EarlierRelease):
            raise TypeError("this release does not read its own record")
        return after

    def _check(self, before: Record | EarlierRelease, after: Record, cluster: Cluster) -> None:
        """Log the steps. Raises `pulumi.RunError` with every reason against the edit."""
        transition = check_edit(before, after, cluster)
        sentences = lines(transition)
        if not isinstance(transition, Accepted):
            refusal = "This edit is refused, and nothing is changed."
            if before == Record():
                refusal = "This cluster cannot be created, and nothing is changed."
            head = f"{refusal} {_reasons(len(sentences))}"
            raise pulumi.RunError("\n".join((head, *(f"  {each}" for each in sentences))))
        for sentence in sentences:
            pulumi.log.info(sentence, self)

    async def _ask(self, outputs: Mapping[str, Any]) -> Cluster:
        dry = pulumi.runtime.is_dry_run()
        try:
            text = await self._access(outputs)
            if isinstance(text, NotAsked):
                return text
            async with cluster_api(text, within=_PREVIEW_WITHIN if dry else _UPDATE_WITHIN) as api:
                api_server = version_of(await api.version())
                nodes = await api.nodes()
                return Holders(
                    api_server=api_server,
                    control_planes=tuple(
                        sorted(name for name, node in nodes.items() if CONTROL_PLANE in node.labels)
                    ),
                    pods=holders_of(await api.ip_pools()),
                    units={name: unit_version(node.annotations) for name, node in nodes.items()},
                )
        except UnusableKubeconfigError as error:
            return NotAsked(reason=f"the cluster's kubeconfig cannot be used here ({error})")
        except (ClusterError, ValueError) as error:
            if dry:
                return NotAsked(reason=f"the API server gave no answer ({error})")
            return NoAnswer(reason=str(error))

    async def _access(self, outputs: Mapping[str, Any]) -> str | NotAsked:
        """A kubeconfig, or why there is none."""
        plan = self._args.plan
        if plan.kubernetes.mode == "existing":
            own = None if self._args.kubeconfig is None else await self._args.kubeconfig.future()
            return own or NotAsked(reason="the stack has no kubeconfig of the cluster")
        secrets = await self._args.secrets.future()
        if not isinstance(secrets, ClusterSecrets):
            return NotAsked(reason="the stack's secrets are not known here")
        server = outputs.get("server")
        if not isinstance(server, str):
            if pulumi.runtime.is_dry_run():
                return NotAsked(reason="no run has been complete yet")
            raise ClusterError("no run has been complete yet, so its address is not known")
        return kubeconfig(plan, secrets=secrets, server_address=server)


def _reasons(count: int) -> str:
    return "There is one reason:" if count == 1 else f"There are {count} reasons:"
