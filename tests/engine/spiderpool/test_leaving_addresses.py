"""Pools lose addresses before their ENI does, judged by the real webhook."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address
from typing import TypeVar

import pytest

from components.api.pool_api import FIELD_MANAGER, Pool, PoolApi, RefusedError, pool_api
from components.machines.addresses.address_guard import AddressesInUseError, release
from components.machines.addresses.leaving_addresses import Leaving
from tests.engine.spiderpool.cluster import GROUP, POOLS, Judge, thing

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NAME = "leaving-eth1"
SUBNET = "10.31.0.0/24"
IPS = ["10.31.0.10-10.31.0.14"]
Result = TypeVar("Result")


@pytest.fixture
def pool(judge: Judge) -> Iterator[str]:
    """A pool as Pulumi's provider creates it, with five free addresses."""
    body = thing("SpiderIPPool", NAME, {"subnet": SUBNET, "ips": IPS})
    judge.client.request("POST", f"{POOLS}?fieldManager={FIELD_MANAGER}", body)
    yield NAME
    hold(judge, None)
    judge.remove(NAME)


def hold(judge: Judge, address: str | None) -> None:
    """Give pod default/web this address, or none."""
    record = {address: {"pod": "default/web", "podUid": "one"}} if address else None
    judge.record(
        NAME,
        {
            "allocatedIPs": json.dumps(record) if record else None,
            "allocatedIPCount": 1 if record else 0,
            "totalIPCount": 5,
        },
    )


def change(*addresses: str) -> Leaving:
    return Leaving(addresses=frozenset(map(ip_address, addresses)), cloud_chooses=False)


def ask(judge: Judge, question: Callable[[PoolApi], Awaitable[Result]]) -> Result:
    async def asked() -> Result:
        async with pool_api(judge.kubeconfig.read_text(), within=15) as api:
            return await question(api)

    return asyncio.run(asked())


def ips(judge: Judge) -> list[str]:
    pool = judge.pool(NAME)
    assert pool is not None
    return list(pool["spec"].get("ips") or ())


def test_a_used_address_is_refused_with_the_pod_and_the_pool_stays(judge: Judge, pool: str) -> None:
    hold(judge, "10.31.0.14")
    with pytest.raises(AddressesInUseError, match=r"default/web \(10\.31\.0\.14\)"):
        ask(judge, lambda api: release(api, pool, change("10.31.0.13", "10.31.0.14")))
    assert ips(judge) == IPS


def test_free_addresses_go_and_the_pod_keeps_its_own(judge: Judge, pool: str) -> None:
    hold(judge, "10.31.0.10")
    ask(judge, lambda api: release(api, pool, change("10.31.0.12", "10.31.0.14")))
    assert ips(judge) == ["10.31.0.10-10.31.0.11", "10.31.0.13"]


def test_the_last_address_leaves_an_empty_pool(judge: Judge, pool: str) -> None:
    every = [f"10.31.0.{n}" for n in range(10, 15)]
    ask(judge, lambda api: release(api, pool, change(*every)))
    assert ips(judge) == []


def test_neither_an_old_look_nor_a_new_one_gets_past_an_allocation(judge: Judge, pool: str) -> None:
    async def looked(api: PoolApi) -> Pool:
        return next(p for p in await api.pools() if p.name == pool)

    before = ask(judge, looked)
    hold(judge, "10.31.0.14")
    with pytest.raises(RefusedError, match="HTTP 409"):
        ask(judge, lambda api: api.set_ips(before, ["10.31.0.10"]))
    after = ask(judge, looked)
    with pytest.raises(RefusedError, match=r"used by Pod default/web"):
        ask(judge, lambda api: api.set_ips(after, ["10.31.0.10"]))
    assert ips(judge) == IPS


def test_the_way_that_the_refusal_names_is_open(judge: Judge, pool: str) -> None:
    """An address that a pod has can be reserved; once the pod is gone, it leaves."""
    hold(judge, "10.31.0.14")
    reserved = thing("SpiderReservedIP", "leaving", {"ips": ["10.31.0.14"]})
    judge.client.request("POST", f"{GROUP}/spiderreservedips", reserved)
    hold(judge, None)
    ask(judge, lambda api: release(api, pool, change("10.31.0.14")))
    judge.client.request("DELETE", f"{GROUP}/spiderreservedips/leaving")
    assert ips(judge) == ["10.31.0.10-10.31.0.13"]
