"""A client of the API server that writes without a pause and records what was acknowledged."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httpx

from components.api.api_access import api_client

LABEL: Final = "writing-client"
_PATH: Final = "/api/v1/namespaces/default/configmaps"
_EVERY: Final = 0.2
_ANSWER_WITHIN: Final = 3.0


@dataclass
class Writes:
    """What one client wrote."""

    acknowledged: list[str] = field(default_factory=list)
    """Names of the ConfigMaps whose creation was answered with 201, in order."""
    refusals: list[str] = field(default_factory=list)
    longest_silence: float = 0.0
    """Seconds between two acknowledgements, or since the last one."""


@contextmanager
def writing(kubeconfig: str, *, run: str) -> Iterator[Writes]:
    """Create a ConfigMap several times a second for as long as the block lasts.

    `run` tells the objects of several runs apart. Each write has a connection of its own, like a
    new client's. A write without an answer is not repeated under its name, so that each
    acknowledged name was written once.
    """
    writes, ends = Writes(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_write(kubeconfig, run, writes, ends)))
    thread.start()
    try:
        yield writes
    finally:
        ends.set()
        thread.join(30)


def stored(kubeconfig: str, *, run: str) -> set[str]:
    """Names of the ConfigMaps of a run that the cluster has."""

    async def ask() -> set[str]:
        async with api_client(kubeconfig, within=30) as client:
            response = await client.get(f"{_PATH}?labelSelector={LABEL}%3D{run}")
            response.raise_for_status()
            return {item["metadata"]["name"] for item in response.json()["items"]}

    return asyncio.run(ask())


async def _write(kubeconfig: str, run: str, writes: Writes, ends: threading.Event) -> None:
    last, number = time.monotonic(), 0
    while not ends.is_set():
        number += 1
        name = f"{LABEL}-{run}-{number}"
        body = {"metadata": {"name": name, "labels": {LABEL: run}}, "data": {"n": str(number)}}
        try:
            async with api_client(kubeconfig, within=_ANSWER_WITHIN) as client:
                response = await client.post(_PATH, json=body)
            if response.status_code == HTTPStatus.CREATED:
                writes.acknowledged.append(name)
                writes.longest_silence = max(writes.longest_silence, time.monotonic() - last)
                last = time.monotonic()
            else:
                writes.refusals.append(f"HTTP {response.status_code}")
        except httpx.HTTPError as error:
            writes.refusals.append(type(error).__name__)
        await asyncio.sleep(_EVERY)
    writes.longest_silence = max(writes.longest_silence, time.monotonic() - last)
