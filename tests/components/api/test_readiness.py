"""Waiting for an API server that starts to answer late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pulumi
import pytest
import yaml

from components.api.readiness import ready_seconds, until_ready
from planning.model import ClusterPlan
from planning.read import plan_from
from tests.clusters import fake_secrets, small
from tests.small_api_server import api_server, kubeconfig_of, pair_for_loopback

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def plan() -> ClusterPlan:
    return plan_from(small())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair_for_loopback(tmp_path_factory.mktemp("apiserver"))


def _wait(text: str, *, within: float = 5, report: Callable[[str], object] = str) -> str:
    return asyncio.run(until_ready(text, within=within, report=report, ask_every=0.01))


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "inf", ""])
def test_a_time_to_be_ready_that_is_none_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_READY_SECONDS", text)
    with pytest.raises(pulumi.RunError, match=r"not a number of seconds\. Write 1200"):
        ready_seconds()


def test_the_environment_sets_how_long_a_machine_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ready_seconds() == 1200
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_READY_SECONDS", "2400")
    assert ready_seconds() == 2400


def test_a_ready_api_server_is_asked_once_for_each_thing(
    plan: ClusterPlan, certificate: Path
) -> None:
    with api_server(lambda *_: 200, certificate) as (address, asked):
        text = kubeconfig_of(plan, address)
        assert _wait(text) == text
    assert asked == ["/readyz", "/api/v1/namespaces/kube-system"]


def test_it_waits_while_the_api_server_says_it_is_not_ready(
    plan: ClusterPlan, certificate: Path
) -> None:
    def late(path: str, before: int) -> int:
        return 200 if path != "/readyz" or before >= 3 else 500

    with api_server(late, certificate) as (address, asked):
        _wait(kubeconfig_of(plan, address))
    assert asked.count("/readyz") == 4


def test_it_waits_for_the_administrators_rights_too(plan: ClusterPlan, certificate: Path) -> None:
    def unbound(path: str, before: int) -> int:
        return 403 if path.startswith("/api/") and before < 2 else 200

    with api_server(unbound, certificate) as (address, asked):
        _wait(kubeconfig_of(plan, address))
    assert asked.count("/api/v1/namespaces/kube-system") == 3


def test_it_gives_up_with_the_last_answer_and_where_to_look(
    plan: ClusterPlan, certificate: Path
) -> None:
    with api_server(lambda *_: 503, certificate) as (address, _):
        text = kubeconfig_of(plan, address)
        with pytest.raises(pulumi.RunError) as refused:
            _wait(text, within=0.1)
    message = str(refused.value)
    assert "HTTP 503" in message
    assert "console output" in message
    assert "allowedCidrs" in message


def test_nobody_listening_is_waited_for_like_anything_else(
    plan: ClusterPlan, certificate: Path
) -> None:
    with api_server(lambda *_: 200, certificate) as (address, _):
        text = kubeconfig_of(plan, address)
    with pytest.raises(pulumi.RunError, match="ConnectError"):
        _wait(text, within=0.1)


def test_an_api_server_of_another_cluster_is_not_this_one(
    plan: ClusterPlan, certificate: Path
) -> None:
    secrets = fake_secrets()
    stranger = replace(secrets, ca=replace(secrets.ca, certificate=secrets.webhook_ca))
    with api_server(lambda *_: 200, certificate) as (address, asked):
        text = kubeconfig_of(plan, address, stranger)
        with pytest.raises(pulumi.RunError, match="CERTIFICATE_VERIFY_FAILED"):
            _wait(text, within=0.1)
    assert not asked


def test_no_key_is_in_a_message_and_none_stays_on_disk(
    plan: ClusterPlan, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with api_server(lambda *_: 503, certificate) as (address, _):
        text = kubeconfig_of(plan, address)
        with pytest.raises(pulumi.RunError) as refused:
            _wait(text, within=0.1)
    user = yaml.safe_load(text)["users"][0]["user"]
    assert user["client-key-data"] not in str(refused.value)
    assert not list(tmp_path.iterdir())
