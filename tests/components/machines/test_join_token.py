"""The bootstrap token's Secret is there while machines are expected, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from components.api.cluster_api import ClusterApi, ClusterError
from components.machines.control_planes.join_token import (
    keep_token,
    revoke_token,
    secret_name,
    token_secret,
    until_joined,
)
from tests.clusters import fake_secrets
from tests.fake_cluster import FakeCluster, a_node

pytestmark = pytest.mark.unit

TOKEN = fake_secrets().bootstrap_token
NAME = secret_name(TOKEN)
MACHINES = {"workers-0": "cn-hangzhou.i-old", "workers-1": "cn-hangzhou.i-new"}


def joined() -> FakeCluster:
    """A cluster in which every machine has its Node, with a token that never ends."""
    cluster = FakeCluster(
        objects={
            "workers-0": a_node("workers-0"),
            "workers-1": a_node("workers-1", instance="i-new"),
        }
    )
    cluster.secrets[NAME] = {"token-id": "kept"}
    return cluster


def wait(cluster: FakeCluster, *expected: str, within: float = 60) -> list[str]:
    """What a run reports at its end."""
    reports: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[ClusterApi]:
        yield cluster

    asyncio.run(
        until_joined(
            opened,
            TOKEN,
            machines=MACHINES,
            expected=frozenset(expected),
            within=within,
            report=reports.append,
            ask_every=0.005,
        )
    )
    return reports


def test_the_secret_is_the_one_that_kubeadm_writes() -> None:
    secret = token_secret(TOKEN, ends=FakeCluster.now)
    identifier, _, rest = TOKEN.partition(".")
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert secret["metadata"]["name"] == f"bootstrap-token-{identifier}"
    assert secret["metadata"]["namespace"] == "kube-system"
    assert secret["stringData"]["token-id"] == identifier
    assert secret["stringData"]["token-secret"] == rest
    assert secret["stringData"]["expiration"] == "2026-01-01T00:00:00Z"


def test_a_run_that_finds_every_node_revokes_even_a_token_without_an_expiry() -> None:
    cluster = joined()
    assert wait(cluster, "workers-1") == []
    assert cluster.secrets == {}
    assert wait(cluster) == []


def test_a_token_without_an_expiry_gets_one_while_machines_are_expected() -> None:
    cluster = joined()
    asyncio.run(keep_token(cluster, TOKEN))
    assert cluster.secrets[NAME]["expiration"] == "2026-01-01T01:00:00Z"


@pytest.mark.parametrize(
    ("left", "after"), [(0, 60), (29, 60), (31, 31), (60, 60), (61, 60), (6000, 60)]
)
def test_a_token_is_renewed_before_a_machine_could_miss_it(left: int, after: int) -> None:
    cluster = joined()
    before = token_secret(TOKEN, ends=cluster.now + timedelta(minutes=left))
    cluster.secrets[NAME] = dict(before["stringData"])
    asyncio.run(keep_token(cluster, TOKEN))
    expected = cluster.now + timedelta(minutes=after)
    assert cluster.secrets[NAME]["expiration"] == f"{expected:%Y-%m-%dT%H:%M:%SZ}"


def test_a_machine_that_boots_late_is_waited_for_with_a_token_that_ends() -> None:
    cluster = joined()
    late = cluster.objects.pop("workers-1")
    questions = 0
    original = cluster._answer

    def answer() -> None:
        nonlocal questions
        questions += 1
        if questions == 4:
            assert cluster.secrets[NAME]["expiration"] == "2026-01-01T01:00:00Z"
            cluster.objects["workers-1"] = late
        original()

    cluster._answer = answer  # type: ignore[method-assign]
    assert wait(cluster, "workers-1") == []
    assert cluster.secrets == {}


def test_a_node_of_the_machine_before_is_not_the_one_that_is_expected() -> None:
    cluster = joined()
    cluster.objects["workers-1"] = a_node("workers-1", instance="i-lost")
    with pytest.raises(ClusterError, match="workers-1 has no Node yet") as refused:
        wait(cluster, "workers-1", within=0.05)
    assert cluster.secrets[NAME]["expiration"] == "2026-01-01T01:00:00Z"
    assert TOKEN not in str(refused.value)


def test_a_run_does_not_wait_for_machines_of_earlier_runs_and_lets_the_token_expire() -> None:
    cluster = joined()
    del cluster.objects["workers-0"]
    (report,) = wait(cluster)
    assert "workers-0" in report
    assert TOKEN not in report
    assert cluster.secrets[NAME]["expiration"] == "2026-01-01T01:00:00Z"


def test_a_node_that_is_not_ready_may_join_again_with_an_empty_disk() -> None:
    cluster = joined()
    cluster.objects["workers-0"] = a_node("workers-0", ready=False)
    (report,) = wait(cluster)
    assert report.startswith("workers-0: this machine has no Node, or its Node is not Ready.")
    assert cluster.secrets[NAME]["expiration"] == "2026-01-01T01:00:00Z"


def test_a_new_node_need_not_be_ready_because_its_network_comes_later() -> None:
    cluster = joined()
    cluster.objects["workers-1"] = a_node("workers-1", instance="i-new", ready=False)
    assert wait(cluster, "workers-1") == []
    assert NAME not in cluster.secrets


def test_an_api_server_that_is_away_for_a_moment_is_asked_again() -> None:
    cluster = joined()
    cluster.failures = 2
    assert wait(cluster) == []
    assert cluster.secrets == {}


def test_a_token_can_be_revoked_twice() -> None:
    cluster = joined()
    assert asyncio.run(revoke_token(cluster, TOKEN))
    assert not asyncio.run(revoke_token(cluster, TOKEN))
