"""Waits until the API servers reach Spiderpool's webhooks, some time after its pod is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pulumi

from components.api.api_access import UnusableKubeconfigError
from components.api.cluster_api import ClusterError, cluster_api
from components.waiting import wait_until
from planning.model import ClusterPlan
from planning.spiderpool.chart import API_VERSION, coordinator_spec

REACHED_WITHIN: Final = 120.0
"""Seconds after the controller's own probe has succeeded."""
_ANSWER_WITHIN: Final = 15.0
"""Longer than the 10 s that the chart gives a webhook."""
_ASK_EVERY = 1.0
_PATH: Final = f"/apis/{API_VERSION}/spidercoordinators"


def reached_hook(
    name: str, plan: ClusterPlan, kubeconfig: pulumi.Output[str]
) -> pulumi.ResourceHook:
    """Return the hook that follows the release's creation and its updates.

    Helm waits until the controller's pod is ready. Each control plane's kube-proxy follows a moment
    later, and until then the API server refuses every object that the webhooks check (`failed
    calling webhook`). The provider does not retry, so the first objects after the release would
    fail the run.

    The hook itself never fails the run: after `REACHED_WITHIN`, the objects' own errors say more.
    """

    async def wait(_: pulumi.ResourceHookArgs) -> None:
        try:
            await until_reached(plan, await kubeconfig.future() or "", report=pulumi.log.info)
        except UnusableKubeconfigError as error:
            pulumi.log.info(
                "The run does not wait for Spiderpool's webhooks: the kubeconfig cannot be used "
                f"({error})."
            )
        except ClusterError as error:
            pulumi.log.warn(str(error))

    return pulumi.ResourceHook(f"{name}-webhooks-are-reached", wait)


async def until_reached(
    plan: ClusterPlan,
    kubeconfig: str,
    *,
    within: float = REACHED_WITHIN,
    report: Callable[[str], object],
    ask_every: float = _ASK_EVERY,
) -> None:
    """Return once every API server reaches Spiderpool's webhooks.

    `within` and `ask_every` are in seconds; `report` gets a sentence every 15 seconds.
    Raises `ClusterError`, with the last answer, after `within`, and `UnusableKubeconfigError`.
    """

    async def missing() -> str | None:
        # A load balancer in front of several API servers takes them in turn.
        for _ in range(max(1, len(plan.control_planes))):
            # Each question opens its own connection: one connection leads to one API server.
            reason = await _unreached(plan, kubeconfig)
            if reason is not None:
                return reason
        return None

    await wait_until(
        missing,
        within=within,
        ask_every=ask_every,
        give_up=lambda waited, reason: ClusterError(
            f"Spiderpool's webhooks were not reached within {waited:.0f} s: {reason}"
        ),
        report=lambda waited, reason: report(
            f"waiting for Spiderpool's webhooks, {waited:.0f} s: {reason}"
        ),
    )


async def _unreached(plan: ClusterPlan, kubeconfig: str) -> str | None:
    """Why no webhook was reached; None when one was."""
    try:
        async with cluster_api(kubeconfig, within=_ANSWER_WITHIN) as api:
            return await api.unreached_webhook(_PATH, _candidate(plan))
    except ClusterError as error:
        return str(error)


def _candidate(plan: ClusterPlan) -> Mapping[str, object]:
    return {
        "apiVersion": API_VERSION,
        "kind": "SpiderCoordinator",
        "metadata": {"name": "default"},
        "spec": dict(coordinator_spec(plan)),
    }
