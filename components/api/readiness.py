"""Waits for an API server that is still being installed, without blocking the engine."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import pulumi

from components.api.api_access import api_client, request_errors
from components.api.durations import seconds_from_environment
from components.waiting import wait_until

if TYPE_CHECKING:
    import httpx

READY_SECONDS: Final = "SPIDERPOOL_ALICLOUD_READY_SECONDS"
"""Environment variable: seconds that a machine, or the first API server, may take to be ready."""
READY_WITHIN: Final = 20 * 60.0
"""Seconds, unless the environment sets others. A machine boots, installs packages and pulls images,
which takes minutes, and many minutes with a slow mirror."""
_ASK_EVERY = 1.0
_ANSWER_WITHIN = 5.0

_QUESTIONS = ("/readyz", "/api/v1/namespaces/kube-system")
"""The second needs the administrators' binding, which kubeadm creates after the first succeeds."""


def ready_seconds() -> float:
    """Seconds that a machine may take to be ready. Raises `pulumi.RunError` for another value."""
    return seconds_from_environment(
        READY_SECONDS,
        default=READY_WITHIN,
        positive=True,
        remedy="Write 1200, which is 20 minutes.",
    )


async def until_ready(
    kubeconfig: str,
    *,
    within: float,
    report: Callable[[str], object],
    ask_every: float = _ASK_EVERY,
) -> str:
    """Return `kubeconfig` once its API server is ready and accepts its administrator.

    `within` and `ask_every` are in seconds; `report` gets a sentence every 15 seconds.
    Raises `pulumi.RunError` after `within`, with the last answer and where to look.
    """
    async with api_client(kubeconfig, within=_ANSWER_WITHIN) as client:
        server = str(client.base_url).rstrip("/")
        await wait_until(
            lambda: _ask(client),
            within=within,
            ask_every=ask_every,
            give_up=lambda waited, answer: pulumi.RunError(_gave_up(server, waited, answer)),
            report=lambda waited, answer: report(
                f"waiting for the API server at {server}, {waited:.0f} s: {answer}"
            ),
        )
    return kubeconfig


async def _ask(client: httpx.AsyncClient) -> str | None:
    """None when every question is answered with HTTP 200, else the question and the failure."""
    for path in _QUESTIONS:
        try:
            answer = await client.get(path)
        except request_errors() as error:
            return f"{path}: {type(error).__name__} {error}".strip()
        if answer.status_code != HTTPStatus.OK:
            return f"{path}: HTTP {answer.status_code}"
    return None


def _gave_up(server: str, waited: float, answer: str) -> str:
    return (
        f"The API server at {server} was not ready after {waited:.0f} s (last answer: {answer}). "
        "Look at the console output of the first control plane (ECS console, or "
        "`aliyun ecs GetInstanceConsoleOutput --InstanceId …`): its bootstrap script reports what "
        "failed. If it is up, check that your own address is in kubernetes.endpoint.allowedCidrs, "
        "or, without a public endpoint, that you run inside the VPC. Then run `pulumi up` again. "
        f"Where a mirror is slow, set {READY_SECONDS}={2 * READY_WITHIN:.0f} for that run."
    )
