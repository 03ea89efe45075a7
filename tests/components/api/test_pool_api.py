"""Changes of pools while the webhook that checks them does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from components.api import pool_api
from components.api.pool_api import Pool, PoolApi, PoolError
from tests.fake_pools import a_pool

pytestmark = pytest.mark.unit

SILENT = httpx.Response(
    500,
    json={
        "message": 'Internal error occurred: failed calling webhook "spiderippool": '
        "dial tcp 10.233.30.1:5722: connect: connection refused"
    },
)
BROKEN = httpx.Response(500, json={"message": "etcdserver: request timed out"})


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_api, "_WEBHOOK_WITHIN", 0.2)
    monkeypatch.setattr(pool_api, "_WEBHOOK_AGAIN", 0.01)


def shrunk_to(answers: Iterator[httpx.Response]) -> Pool:
    async def shrink() -> Pool:
        async with httpx.AsyncClient(
            base_url="https://api.invalid", transport=httpx.MockTransport(lambda _: next(answers))
        ) as client:
            return await PoolApi(client).set_ips(a_pool("p", "10.0.0.1-10.0.0.2"), ["10.0.0.1"])

    return asyncio.run(shrink())


def changed() -> httpx.Response:
    pool = {"metadata": {"name": "p", "resourceVersion": "2"}, "spec": {"ips": ["10.0.0.1"]}}
    return httpx.Response(200, text=json.dumps(pool))


def test_a_webhook_whose_controller_starts_is_asked_again() -> None:
    assert shrunk_to(iter([SILENT, SILENT, changed()])).ips == ("10.0.0.1",)


def test_a_webhook_that_stays_silent_is_an_error_with_its_words() -> None:
    def always() -> Iterator[httpx.Response]:
        while True:
            yield SILENT

    with pytest.raises(PoolError, match="connection refused"):
        shrunk_to(always())


def test_another_error_of_the_server_ends_it_at_once() -> None:
    with pytest.raises(PoolError, match="etcdserver"):
        shrunk_to(iter([BROKEN]))
