"""`recover`: prepares a stack for the next `up` after a run that was killed or lost an answer.

Cloud resources that such a run created and the state does not have are removed, never adopted:
nothing depends on them yet, and the next `up` creates them again
(docs/decisions/recover-by-removal.md). The exception is a disk on its machine
(`operations.sweep.disk_attachments`). Objects inside the cluster are adopted
(docs/decisions/recover-inside-kubernetes.md).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from config.facts.field_managers import OWN_PREFIX
from operations.engine.cluster_access import reaching
from operations.engine.waiting import holds_within
from operations.failure import ExitCode, OperationError
from operations.secrets.admin_access import admin_kubeconfig, token_secret
from operations.sweep.cloud import Api, CloudError
from operations.sweep.cluster import (
    DEAD_CLUSTER,
    ClusterRecovery,
    Finding,
    LiveCluster,
    has_work,
    plan_recovery,
)
from operations.sweep.command import Ask, Say, Swept, SweptStack, clean
from operations.sweep.disk_attachments import has_disks, unrecorded_attachments
from operations.sweep.interrupted import Creation, Object, interrupted_creations, settled
from operations.sweep.leftovers import leftovers
from operations.sweep.owned_names import OwnedNames
from operations.sweep.state import StackState
from operations.sweep.unrecorded_objects import has_provider, unrecorded_creations

_QUIET = 10.0
"""Seconds without anything new in the cloud, after which a killed run's plugins are done: they
finish their requests although the engine is gone."""
_LONGEST = 300.0
_LOOK = 2.5
_PREVIEW_WITHIN = 1800.0
_READY_WITHIN = 60.0
"""Seconds for an API server whose machine may still be booting."""


Agree = Callable[[Sequence[Finding]], bool]
"""Shows what is done besides removals in the cloud, and returns whether it may be."""


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What a recovery did."""

    pending: Sequence[str]
    """Operations that were interrupted, as `creating <type> <name>`."""
    unlocked: bool
    swept: Swept
    findings: Sequence[Finding] = ()
    """What it repaired in the state and inside the cluster, or did not change."""
    is_cluster_silent: bool = False
    """The API server did not answer, so the releases in it were not checked."""
    failed_preview: str = ""
    """Why objects that the state does not have were not looked for; empty if they were."""

    def as_document(self, stack: str) -> dict[str, object]:
        """Return the recovery as JSON-ready data."""
        return {
            **self.swept.as_document(stack),
            "pending": list(self.pending),
            "unlocked": self.unlocked,
            "cluster": [finding.as_document() for finding in self.findings],
            "clusterAnswers": not self.is_cluster_silent,
        }

    @property
    def did_nothing(self) -> bool:
        """Whether the stack was in order."""
        return not (self.pending or self.unlocked or self.swept.leftovers or self.findings)


def recover_stack(
    swept: SweptStack, *, ask: Ask, agree: Agree, say: Say, looks_ahead: bool = False
) -> Recovered:
    """Release a dead run's lock, remove its leftovers, and settle its pending operations.

    Attached disks and objects inside the cluster are taken into the state, and pending releases
    rolled back. A second call continues an interrupted one; on a healthy stack it does nothing.

    With `looks_ahead` a preview shows what the next run would create inside the cluster, where no
    operation is pending: it may be there already.

    Raises:
        OperationError: Another run is at work, Pulumi does not know the stack, the cluster has to
            be asked and does not answer, or something could not be removed; the pending operations
            are then still in the state.
    """
    state = swept.deployment_state()
    unlocked = swept.stack.lock() is not None
    if unlocked:
        swept.stack.unlock()
        say("the lock of a run that has ended")
    api = swept.api()
    if state.pending:
        wait_until_quiet(api, swept.owned, state)
    deployment = swept.stack.deployment() or {}
    attachments = _unrecorded(api, deployment)
    unrecorded, failed_preview = _unrecorded_objects(swept, deployment) if looks_ahead else ((), "")
    with _cluster(swept, deployment, asks=bool(unrecorded)) as cluster:
        inside = (
            ClusterRecovery()
            if cluster is None
            else plan_recovery(
                deployment,
                cluster,
                field_manager=_field_manager,
                unrecorded=unrecorded,
                token=(
                    token_secret(swept.name, config_file=swept.stack.config_file)
                    if state.pending or unlocked
                    else None
                ),
            )
        )
        findings = (*map(_taken_over, attachments), *inside.findings)
        if findings and not agree(findings):
            raise OperationError(
                f"Nothing was changed. The next `pulumi up` of stack {swept.name} would stop at "
                f"{', '.join(finding.title for finding in findings)}. Run this again and agree, or "
                "add --yes.",
                code=ExitCode.LEFTOVERS,
            )
        cleaned = clean(api, swept.owned, state, ask=ask, say=say)
        if not cleaned.is_clean:
            raise OperationError(
                f"Neither the cloud nor the state was changed: {len(cleaned.leftovers)} resources "
                f"of stack {swept.name} are in the cloud and not in its state, and the next "
                "`pulumi up` may fail on them. Run this again and agree, or add --yes.",
                code=ExitCode.LEFTOVERS,
            )
        for call in inside.calls:
            call()
    if state.pending or attachments or inside.resources:
        resources = (*attachments, *inside.resources)
        swept.stack.write_deployment(settled(deployment, resources))
    return Recovered(
        pending=state.pending,
        unlocked=unlocked,
        swept=cleaned,
        findings=findings,
        is_cluster_silent=cluster is None and has_work(deployment),
        failed_preview=failed_preview,
    )


def _unrecorded(api: Api, deployment: Object) -> tuple[Object, ...]:
    if not has_disks(deployment):
        return ()
    try:
        disks = api.every("ecs", "DescribeDisks", "Disks", "Disk", DiskType="data")
    except CloudError as error:
        raise OperationError(
            f"The cloud refuses {error}. Without the list of disks it is unknown which of them "
            "are attached. Grant ecs:DescribeDisks, and run this again."
        ) from error
    return unrecorded_attachments(deployment, disks)


def _unrecorded_objects(
    swept: SweptStack, deployment: Object
) -> tuple[tuple[tuple[Creation, str | None], ...], str]:
    """What the next run would create, and why that is not known; a preview may show too little."""
    if deployment.get("pending_operations") or not has_provider(deployment):
        return (), ""
    try:
        planned = swept.stack.planned_creations(deadline=_PREVIEW_WITHIN)
    except OperationError as error:
        return (), str(error)
    return unrecorded_creations(planned, deployment), ""


def _taken_over(attachment: Object) -> Finding:
    disk, _, machine = str(attachment["id"]).partition(":")
    title = f"disk {disk} on machine {machine}"
    return Finding(title=title, step="taken into the state", is_mended=True)


@contextmanager
def _cluster(swept: SweptStack, deployment: Object, *, asks: bool) -> Iterator[LiveCluster | None]:
    """Yield the cluster; None when it is not needed or does not answer.

    Raises:
        OperationError: an object may have been created, and the API server does not answer.
    """
    if not (asks or has_work(deployment)):
        yield None
        return
    creations = interrupted_creations(deployment)
    try:
        kubeconfig = admin_kubeconfig(swept.name, swept.places, config_file=swept.stack.config_file)
    except OperationError:
        # The interrupted edit may give the API server an address that nothing has yet.
        if creations:
            raise
        yield None
        return
    with reaching(kubeconfig, swept.stack.runner) as runner:
        cluster = LiveCluster.of(runner, swept.places.bin)
        within = _READY_WITHIN if creations else 0
        if holds_within(cluster.is_ready, within=within, every=_LOOK):
            yield cluster
            return
    if creations and swept.stack.runner.env.get(DEAD_CLUSTER) != "true":
        titles = ", ".join(creation.title for creation in creations)
        raise OperationError(
            f"The API server of stack {swept.name} does not answer from here, and a run was cut "
            f"off while it created {titles}. Without an answer it is unknown whether that is in "
            "the cluster. Make the API server reachable (`kubectl get --raw /readyz`), and run "
            f"this again. For a cluster that is gone for good, set {DEAD_CLUSTER}=true "
            "(docs/runbooks/dead-cluster.md)."
        )
    yield None


def _field_manager() -> str:
    """Create a name in the provider's form."""
    return f"{OWN_PREFIX}{secrets.token_hex(4)}"


def wait_until_quiet(
    api: Api,
    owned: OwnedNames,
    state: StackState,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no new leftover has appeared for `_QUIET` seconds, at most `_LONGEST` seconds."""
    began = since = clock()
    before: set[tuple[str, str]] | None = None
    while clock() - since < _QUIET and clock() - began < _LONGEST:
        now = {(item.kind, item.id) for item in leftovers(api, owned, state)}
        if now != before:
            before, since = now, clock()
        pause(_LOOK)
