"""Waiting for an API server that is still being installed, without holding up the engine."""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pulumi
import yaml

READY_WITHIN = 20 * 60.0
"""Seconds. A machine boots, installs packages and pulls images: minutes, on a slow mirror many."""
_REPORT_EVERY = 15.0
_ASK_EVERY = 2.0
_ANSWER_WITHIN = 5.0

_QUESTIONS = ("/readyz", "/api/v1/namespaces/kube-system")
"""The second needs the administrators' binding, which kubeadm makes after the first answers."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """How an API server is asked: where, and with whose certificate."""

    server: str
    tls: ssl.SSLContext = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Loopback is never reached through a proxy; Go's client holds it the same way."""
        try:
            return ip_address(urlsplit(self.server).hostname or "").is_loopback
        except ValueError:
            return False


async def until_ready(
    kubeconfig: str,
    *,
    within: float = READY_WITHIN,
    report: Callable[[str], object],
    ask_every: float = _ASK_EVERY,
) -> str:
    """Give `kubeconfig` back as soon as its API server is ready and knows its administrator.

    `within` and `ask_every` are in seconds; `report` gets a sentence every quarter of a minute.
    Raises `pulumi.RunError`, with the last answer and where to look, when the time is over.
    """
    access = access_of(kubeconfig)
    started = time.monotonic()
    reported = 0.0
    async with httpx.AsyncClient(
        base_url=access.server,
        verify=access.tls,
        timeout=_ANSWER_WITHIN,
        trust_env=not access.is_local,
    ) as client:
        while (answer := await _ask(client)) is not None:
            waited = time.monotonic() - started
            if waited >= within:
                raise pulumi.RunError(_gave_up(access.server, waited, answer))
            if waited - reported >= _REPORT_EVERY:
                reported = waited
                report(f"waiting for the API server at {access.server}, {waited:.0f} s: {answer}")
            await asyncio.sleep(min(ask_every, within - waited))
    return kubeconfig


async def _ask(client: httpx.AsyncClient) -> str | None:
    """None when every question is answered well, else what came instead."""
    for path in _QUESTIONS:
        try:
            answer = await client.get(path)
        except httpx.HTTPError as error:
            return f"{path}: {type(error).__name__} {error}".strip()
        if answer.status_code != HTTPStatus.OK:
            return f"{path}: HTTP {answer.status_code}"
    return None


def _gave_up(server: str, waited: float, answer: str) -> str:
    return (
        f"The API server at {server} was not ready after {waited:.0f} s (last answer: {answer}). "
        "Look at the console output of the first control plane (ECS console, or "
        "`aliyun ecs GetInstanceConsoleOutput --InstanceId …`): its bootstrap script says what "
        "failed. If it is up, check that your own address is in kubernetes.endpoint.allowedCidrs, "
        "or, without a public endpoint, that you run inside the VPC. Then run `pulumi up` again."
    )


def access_of(kubeconfig: str) -> Access:
    """The only cluster and user of a kubeconfig that carries its certificates itself."""
    document = yaml.safe_load(kubeconfig)
    cluster = document["clusters"][0]["cluster"]
    user = document["users"][0]["user"]
    tls = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
    # OpenSSL reads a client certificate from a file only: one that lives for this moment.
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_text(
            _decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"])
        )
        tls.load_cert_chain(pair)
    return Access(server=cluster["server"], tls=tls)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
