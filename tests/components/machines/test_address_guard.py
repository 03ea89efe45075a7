"""Pools shrink before their ENI does, or nothing changes and the refusal names the pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import Any
from unittest.mock import patch

import pulumi
import pytest

from components.api.pool_api import Pool, PoolApi, PoolError, RefusedError
from components.machines.addresses.address_guard import (
    AddressesInUseError,
    AddressGuard,
    refuse_if_used,
    release,
)
from components.machines.addresses.leaving_addresses import Leaving
from tests.fake_pools import FakePools, a_pool

pytestmark = pytest.mark.unit

ENI = "guide-master-eth1"


def cluster(*pools: Pool, **more: Any) -> FakePools:  # noqa: ANN401 - fields of FakePools
    return FakePools(pools_by_name={pool.name: pool for pool in pools}, **more)


def change(*addresses: str, cloud_chooses: bool = False) -> Leaving:
    return Leaving(addresses=frozenset(map(ip_address, addresses)), cloud_chooses=cloud_chooses)


def allocate(name: str, address: str) -> Callable[[FakePools], None]:
    """A pod that gets an address while the pool is about to shrink."""

    def now(pools: FakePools) -> None:
        live = pools.pools_by_name[name]
        pools.pools_by_name[name] = replace(
            live,
            holders={**live.holders, ip_address(address): "default/late"},
            revision=f"{int(live.revision) + 1}",
        )

    return now


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what it returns
    return asyncio.run(coroutine)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.machines.addresses.address_guard._PAUSE", 0.0)


def test_free_addresses_are_taken_out_of_their_pools_of_both_families() -> None:
    pools = cluster(
        a_pool("master-eth1", "10.0.0.1-10.0.0.4", web="10_0_0_1"),
        a_pool("master-eth1-v6", "2001:db8::1-2001:db8::4"),
        a_pool("other", "10.0.1.1-10.0.1.4"),
    )
    run(release(pools, ENI, change("10.0.0.4", "2001:db8::4")))
    assert pools.written == [
        ("master-eth1", ("10.0.0.1-10.0.0.3",)),
        ("master-eth1-v6", ("2001:db8::1-2001:db8::3",)),
    ]


def test_a_pool_whose_last_address_leaves_is_empty_until_it_is_deleted() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.2"))
    run(release(pools, ENI, change("10.0.0.1", "10.0.0.2")))
    assert pools.written == [("p", ())]


def test_an_address_that_a_pod_has_is_refused_with_its_name_and_nothing_changes() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.4", web="10_0_0_4", db="10_0_0_3"))
    with pytest.raises(AddressesInUseError) as refused:
        run(release(pools, ENI, change("10.0.0.3", "10.0.0.4")))
    assert "default/db (10.0.0.3), default/web (10.0.0.4)" in str(refused.value)
    assert "SpiderReservedIP with the ips 10.0.0.3, 10.0.0.4" in str(refused.value)
    assert pools.written == []


def test_a_lower_count_says_why_no_pod_may_have_any_address() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.2", web="10_0_0_1"))
    chosen = change("10.0.0.1", "10.0.0.2", cloud_chooses=True)
    with pytest.raises(AddressesInUseError, match="the cloud chooses which addresses leave"):
        run(release(pools, ENI, chosen))


def test_a_pod_that_gets_the_address_meanwhile_is_named_too() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.2"), before_write=allocate("p", "10.0.0.2"))
    with pytest.raises(AddressesInUseError, match=r"default/late \(10\.0\.0\.2\)"):
        run(release(pools, ENI, change("10.0.0.2")))
    assert pools.pools_by_name["p"].ips == ("10.0.0.1-10.0.0.2",)


def test_a_pod_that_gets_another_address_meanwhile_is_no_obstacle() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.2"), before_write=allocate("p", "10.0.0.1"))
    run(release(pools, ENI, change("10.0.0.2")))
    assert pools.pools_by_name["p"].ips == ("10.0.0.1",)


def test_a_pool_that_shrank_already_gets_its_addresses_back_when_another_cannot() -> None:
    pools = cluster(
        a_pool("v4", "10.0.0.1-10.0.0.2"),
        a_pool("v6", "2001:db8::1-2001:db8::2"),
        before_write=allocate("v6", "2001:db8::2"),
    )
    with pytest.raises(AddressesInUseError, match="default/late"):
        run(release(pools, ENI, change("10.0.0.2", "2001:db8::2")))
    assert pools.pools_by_name["v4"].ips == ("10.0.0.1-10.0.0.2",)


def test_a_webhook_that_keeps_refusing_ends_the_change_with_its_message() -> None:
    class Closed(FakePools):
        async def set_ips(self, pool: Pool, ips: Sequence[str]) -> Pool:  # noqa: ARG002
            raise RefusedError("HTTP 403: the rights do not suffice")

    pools = Closed(pools_by_name={"p": a_pool("p", "10.0.0.1-10.0.0.2")})
    with pytest.raises(PoolError, match="the rights do not suffice"):
        run(release(pools, ENI, change("10.0.0.2")))


def test_a_pool_of_somebody_else_is_not_changed() -> None:
    pools = cluster(a_pool("theirs", "10.0.0.1-10.0.0.2", by_pulumi=False))
    with pytest.raises(AddressesInUseError, match=r"theirs \(10\.0\.0\.2\).*kubectl edit"):
        run(release(pools, ENI, change("10.0.0.2")))


def test_a_pool_that_is_being_deleted_gives_nothing_and_is_left_alone() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.2", ending=True))
    assert run(refuse_if_used(pools, ENI, change("10.0.0.2"))) == {}


# -- the hook


def guard(kubeconfig: str | None) -> AddressGuard:
    guard = AddressGuard.__new__(AddressGuard)

    class Later:
        async def future(self) -> str | None:
            return kubeconfig

    guard._kubeconfig = Later()  # type: ignore[assignment]  # an Output needs an engine
    return guard


def hook(
    pools: FakePools,
    *,
    preview: bool = False,
    drained: bool = False,
    kubeconfig: str | None = "a kubeconfig",
) -> list[str]:
    """What the hook logs for 10.0.0.2 leaving; raises what it raises."""
    logged: list[str] = []

    @asynccontextmanager
    async def api(_text: str, *, within: float) -> AsyncIterator[PoolApi]:
        assert within > 0
        yield pools

    args = pulumi.ResourceHookArgs(
        urn="",
        id="eni-1",
        name=ENI,
        type="",
        old_inputs={"privateIpAddresses": ["10.0.0.1", "10.0.0.2"]},
        old_outputs={"privateIpAddresses": ["10.0.0.2", "10.0.0.1"]},
        new_inputs={"privateIpAddresses": ["10.0.0.1"]},
    )
    with (
        patch("components.machines.addresses.address_guard.pool_api", api),
        patch("pulumi.runtime.is_dry_run", lambda: preview),
        patch("pulumi.log.info", lambda text, *_: logged.append(text)),
        patch("pulumi.log.warn", lambda text, *_: logged.append(text)),
    ):
        run(guard(kubeconfig)._check(args, drained=drained))
    return logged


def test_an_up_shrinks_the_pool_first() -> None:
    pools = cluster(a_pool("p", "10.0.0.1-10.0.0.2"))
    assert hook(pools) == []
    assert pools.written == [("p", ("10.0.0.1",))]


def test_a_preview_changes_nothing_and_refuses_all_the_same() -> None:
    free = cluster(a_pool("p", "10.0.0.1-10.0.0.2"))
    assert hook(free, preview=True) == []
    assert free.written == []
    with pytest.raises(pulumi.RunError, match=r"default/web \(10\.0\.0\.2\)"):
        hook(cluster(a_pool("p", "10.0.0.1-10.0.0.2", web="10_0_0_2")), preview=True)


def test_a_preview_warns_only_where_a_roll_out_may_drain_the_node_first() -> None:
    def used() -> FakePools:
        return cluster(a_pool("p", "10.0.0.1-10.0.0.2", web="10_0_0_2"))

    (warning,) = hook(used(), preview=True, drained=True)
    assert "default/web (10.0.0.2)" in warning
    assert "A roll-out that drains the node first frees them" in warning
    with pytest.raises(pulumi.RunError, match="default/web"):
        hook(used(), drained=True)


@pytest.mark.parametrize("kubeconfig", ["a kubeconfig", None])
def test_a_preview_without_an_answer_reports_that_and_passes(kubeconfig: str | None) -> None:
    (message,) = hook(cluster(away="ConnectError"), preview=True, kubeconfig=kubeconfig)
    assert (
        "10.0.0.2 leave the ENI. The cluster could not be asked whether pods have them" in message
    )


@pytest.mark.parametrize("kubeconfig", ["a kubeconfig", None])
def test_an_up_that_cannot_ask_is_refused_with_the_reason_and_the_way(
    kubeconfig: str | None,
) -> None:
    with pytest.raises(pulumi.RunError, match=r"not changed.*SPIDERPOOL_ALICLOUD_DRAIN_SECONDS=0"):
        hook(cluster(away="ConnectError"), kubeconfig=kubeconfig)


def test_the_way_out_of_a_dead_cluster_asks_nobody_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0")
    (message,) = hook(cluster(away="ConnectError"))
    assert "was not asked which pods have them" in message
