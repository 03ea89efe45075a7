"""SpiderIPPools on the API server: reads their addresses and holders, and changes their `ips`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from components.api.api_access import api_client, request_errors
from components.api.api_answers import document_of, failure_of, message_of
from components.waiting import wait_until
from config.facts.field_managers import CREATORS
from config.ranges import Address
from planning.addresses.canonical import holds, without
from planning.spiderpool.chart import API_VERSION

if TYPE_CHECKING:
    import httpx

FIELD_MANAGER: Final = "pulumi-kubernetes"
"""The field manager under which Pulumi's provider creates objects. Its updates take over
the fields of this manager (fixCSAFieldManagers in await.go of pulumi-kubernetes 4.32.0), and its
previews are forced when this manager owns fields (patchForce). So a change under this name never
conflicts with the pool's own resource later."""

_POOLS: Final = f"/apis/{API_VERSION}/spiderippools"
_REFUSALS: Final = (
    HTTPStatus.CONFLICT,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_MERGE: Final = "application/merge-patch+json"
ANSWER_WITHIN: Final = 15.0
"""Seconds; longer than the 10 s that the API server gives a webhook."""
_WEBHOOK_WITHIN: Final = 60.0
_WEBHOOK_AGAIN: Final = 2.0
"""Seconds."""


class PoolError(Exception):
    """The API server did not answer, or refused."""


class RefusedError(PoolError):
    """The API server refused the change: a newer revision, a webhook, or missing rights."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The parts of a SpiderIPPool that the guard of addresses uses."""

    name: str
    ips: tuple[str, ...]
    holders: Mapping[Address, str]
    """Address → `namespace/name` of the pod that has it."""
    revision: str
    """Its `resourceVersion`."""
    by_pulumi: bool
    """Created or changed by a Pulumi program."""
    ending: bool
    """Being deleted, and kept by its finalizer: it gives no more addresses to pods."""

    def among(self, addresses: Iterable[Address]) -> frozenset[Address]:
        """Those of the addresses that are in the pool."""
        return frozenset(address for address in addresses if holds(self.ips, address))


class PoolApi:
    """Requests about pools, by an open client. Every call raises `PoolError`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def pools(self) -> Sequence[Pool]:
        """Every pool of the cluster; none where Spiderpool is not installed."""
        answer = await self._send("GET", _POOLS)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return ()
        return [_pool(item) for item in _checked(answer)["items"]]

    async def set_ips(self, pool: Pool, ips: Sequence[str]) -> Pool:
        """Give the pool these `ips`, if it has not changed since it was read.

        The webhook refuses to remove an address that a pod has
        (validateIPPoolIPInUse in pkg/ippoolmanager/ippool_validate.go of Spiderpool 1.2.2). It
        checks the object that the API server is about to write, and an allocation writes the same
        object, so no pod can take an address in between. A webhook that does not answer is asked
        again for a while: its controller may be starting on another node.
        """
        answers: list[httpx.Response] = []

        async def webhook_silence() -> str | None:
            answers[:] = [
                await self._send(
                    "PATCH",
                    f"{_POOLS}/{pool.name}?fieldManager={FIELD_MANAGER}",
                    json={
                        "metadata": {"resourceVersion": pool.revision},
                        "spec": {"ips": list(ips)},
                    },
                    headers={"Content-Type": _MERGE},
                )
            ]
            return failure_of(answers[0]) if _is_webhook_silent(answers[0]) else None

        await wait_until(
            webhook_silence,
            within=_WEBHOOK_WITHIN,
            ask_every=_WEBHOOK_AGAIN,
            give_up=lambda _, failure: PoolError(failure),
        )
        (answer,) = answers
        if answer.status_code in _REFUSALS:
            raise RefusedError(failure_of(answer))
        return _pool(_checked(answer))

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return await self._client.request(method, path, **more)
        except request_errors() as error:
            raise PoolError(f"{type(error).__name__} {error}".strip()) from error


@asynccontextmanager
async def pool_api(kubeconfig: str, *, within: float = ANSWER_WITHIN) -> AsyncIterator[PoolApi]:
    """Open a client; opening sends no request. `within` is seconds for a response.

    Raises `UnusableKubeconfigError` as `api_client` does.
    """
    async with api_client(kubeconfig, within=within) as client:
        yield PoolApi(client)


def shrunk(pool: Pool, addresses: Iterable[Address]) -> tuple[str, ...]:
    """The pool's `ips` without these addresses, in the canonical form of Spiderpool's webhook."""
    return without(pool.ips, addresses)


def _pool(item: Mapping[str, Any]) -> Pool:
    metadata = item["metadata"]
    # A JSON text: address → {"pod": "namespace/name", "podUid": …}.
    records = (item.get("status") or {}).get("allocatedIPs") or "{}"
    managers = [str(entry.get("manager")) for entry in metadata.get("managedFields") or ()]
    return Pool(
        name=metadata["name"],
        ips=tuple(item["spec"].get("ips") or ()),
        holders={
            ip_address(address): str(record.get("pod"))
            for address, record in json.loads(records).items()
        },
        revision=metadata["resourceVersion"],
        by_pulumi=any(manager.startswith(CREATORS) for manager in managers),
        ending="deletionTimestamp" in metadata,
    )


def _is_webhook_silent(answer: httpx.Response) -> bool:
    """Whether the API server could not call a webhook whose failurePolicy is Fail."""
    return (
        answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        and "failed calling webhook" in message_of(answer)
    )


def _checked(answer: httpx.Response) -> Any:  # noqa: ANN401 - Kubernetes' JSON
    return document_of(answer, error=PoolError)
