"""From "the controller is ready" to "its webhooks are reached": a moment that fails creations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import pulumi

from components.api.api_access import UnusableKubeconfigError
from components.api.cluster_api import ClusterError, cluster_api
from planning.model import ClusterPlan
from planning.spiderpool.chart import API_VERSION, coordinator_spec

REACHED_WITHIN: Final = 120.0
"""Seconds, after the controller's own probe says that it serves."""
_ANSWER_WITHIN: Final = 15.0
"""Longer than the 10 s that the chart gives a webhook."""
_ASK_EVERY = 1.0
_REPORT_EVERY: Final = 15.0
_PATH: Final = f"/apis/{API_VERSION}/spidercoordinators"


def reached_hook(
    name: str, plan: ClusterPlan, kubeconfig: pulumi.Output[str]
) -> pulumi.ResourceHook:
    """Return the hook that follows the release's creation and its updates.

    Helm waits until the controller's pod is ready. Each control plane's kube-proxy learns of that
    a moment later, and until then the API server refuses every object that the webhooks judge
    (`failed calling webhook`). The provider does not try again, so the first objects after the
    release would fail the run.

    It never fails the run itself: when the time is over, the objects' own errors say more.
    """

    async def wait(_: pulumi.ResourceHookArgs) -> None:
        try:
            await until_reached(plan, await kubeconfig.future() or "", report=pulumi.log.info)
        except UnusableKubeconfigError as error:
            pulumi.log.info(f"Spiderpool's webhooks are not waited for: the kubeconfig, {error}")
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

    `within` and `ask_every` are in seconds; `report` gets a sentence every quarter of a minute.
    Raises `ClusterError`, with the last answer, when the time is over, and
    `UnusableKubeconfigError` for one that says nothing to us.
    """
    began = reported = time.monotonic()
    # A load balancer before several API servers takes them in turn.
    in_a_row = max(1, len(plan.control_planes))
    missing = in_a_row
    while missing > 0:
        # A connection of its own each time, or it would be the same API server each time.
        lacking = await _lacking(plan, kubeconfig)
        if lacking is None:
            missing -= 1
            continue
        missing = in_a_row
        now = time.monotonic()
        if now - began >= within:
            raise ClusterError(
                f"Spiderpool's webhooks were not reached within {now - began:.0f} s: {lacking}"
            )
        if now - reported >= _REPORT_EVERY:
            reported = now
            report(f"waiting for Spiderpool's webhooks, {now - began:.0f} s: {lacking}")
        await asyncio.sleep(ask_every)


async def _lacking(plan: ClusterPlan, kubeconfig: str) -> str | None:
    """None when a webhook was reached; else why not."""
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
