"""Waits for the pods of a Deployment in the program, in two steps, instead of in the provider.

The provider waits until all replicas are available before anything that depends on the Deployment
begins. The cloud controller has a replica for each control plane, and control planes join one after
another. What depends on it needs only the first replica.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pulumi

from components.api.cluster_api import ClusterError, DeploymentStatus, cluster_api
from components.api.readiness import ready_seconds
from components.waiting import wait_until

SKIP_AWAIT: Final = "pulumi.com/skipAwait"
"""Annotation of an object for which the provider does not wait."""
_ASK_EVERY = 1.0

Missing = Callable[[DeploymentStatus], str | None]
"""What a Deployment lacks; None when it lacks nothing."""


class Availability:
    """When a Deployment that this run creates or updates has its pods.

    A Deployment that does not change is not asked for. In a preview nothing is.
    """

    def __init__(
        self, name: str, *, namespace: str, deployment: str, kubeconfig: pulumi.Output[str]
    ) -> None:
        self._namespace = namespace
        self._deployment = deployment
        self._kubeconfig = kubeconfig
        self._is_changed = False
        note = pulumi.ResourceHook(f"{name}-is-rolled-out", self._note)
        self.hooks = pulumi.ResourceHookBinding(before_create=[note], before_update=[note])

    def first(self, resource: pulumi.Resource) -> pulumi.Output[pulumi.Resource]:
        """The Deployment, once one of its new pods is available."""

        async def wait() -> pulumi.Resource:
            await self._wait(resource, first_missing)
            return resource

        return pulumi.Output.from_input(wait())

    def all(self, resource: pulumi.Resource) -> pulumi.Output[None]:
        """Resolves once all pods are; the engine waits for every Output, and so does the run."""
        return pulumi.Output.from_input(self._wait(resource, rest_missing))

    def _note(self, _: pulumi.ResourceHookArgs) -> None:
        self._is_changed = True

    async def _wait(self, resource: pulumi.Resource, missing: Missing) -> None:
        await resource.urn.future()
        if pulumi.runtime.is_dry_run() or not self._is_changed:
            return
        try:
            await until_available(
                await self._kubeconfig.future() or "",
                self._namespace,
                self._deployment,
                missing,
                within=ready_seconds(),
                report=lambda message: pulumi.log.info(message, resource, ephemeral=True),
            )
        except pulumi.RunError as error:
            pulumi.log.error(str(error), resource)
            raise


async def until_available(  # noqa: PLR0913 - times are there for tests
    kubeconfig: str,
    namespace: str,
    deployment: str,
    missing: Missing,
    *,
    within: float,
    report: Callable[[str], object],
    ask_every: float = _ASK_EVERY,
) -> None:
    """Return once `missing` finds that a Deployment lacks nothing.

    `within` and `ask_every` are in seconds; `report` gets a sentence every 15 seconds.
    Raises `pulumi.RunError` after `within`, with what is missing and where to look.
    """
    name = f"Deployment {namespace}/{deployment}"

    async def ask() -> str | None:
        try:
            async with cluster_api(kubeconfig) as api:
                return missing(await api.deployment(namespace, deployment))
        except ClusterError as error:
            return f"the API server: {error}"

    await wait_until(
        ask,
        within=within,
        ask_every=ask_every,
        give_up=lambda waited, reason: pulumi.RunError(
            f"{name} did not get its pods within {waited:.0f} s: {reason}. `kubectl --namespace "
            f"{namespace} describe pods` shows what they lack. Correct that, then run `pulumi up` "
            "again."
        ),
        report=lambda waited, reason: report(f"waiting for {name}, {waited:.0f} s: {reason}"),
    )


def first_missing(status: DeploymentStatus) -> str | None:
    """What a Deployment lacks until one of its new pods is available; None when one is."""
    if not status.is_current:
        return "its controller has not processed the latest change yet"
    if min(status.updated, status.available) < 1:
        return f"0 of {status.requested} pods are available"
    return None


def rest_missing(status: DeploymentStatus) -> str | None:
    """What a Deployment lacks until it is rolled out; None when it is."""
    if not status.is_current:
        return "its controller has not processed the latest change yet"
    if (status.updated, status.available) != (status.requested, status.requested):
        return (
            f"{status.available} of {status.requested} pods are available, and {status.updated} "
            "have the latest change"
        )
    return None
