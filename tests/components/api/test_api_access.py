"""Which kubeconfigs the program can use itself, and what it says of the others."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography import x509

from components.api.api_access import Access, UnusableKubeconfigError, access_of, api_client
from planning.nodes.endpoint import endpoint_name
from planning.nodes.kubeconfig import kubeconfig
from planning.read import plan_from
from tests.clusters import fake_secrets, small
from tests.small_api_server import api_server, kubeconfig_of, pair_for

pytestmark = pytest.mark.unit


def accessed(change: Callable[[dict[str, Any]], object] = lambda _: None) -> Access:
    """What is read of the administrator's kubeconfig after a change."""
    text = kubeconfig(plan_from(small()), secrets=fake_secrets(), server_address="10.0.0.1")
    document = yaml.safe_load(text)
    change(document)
    return access_of(yaml.safe_dump(document))


def test_ours_names_the_server_and_no_token() -> None:
    access = accessed()
    assert (access.server, access.token) == ("https://10.0.0.1:6443", None)


def test_a_token_is_used_where_there_is_one() -> None:
    bearer = "not-a-real-token"

    def with_token(document: dict[str, Any]) -> None:
        document["users"][0]["user"] = {"token": bearer}

    assert accessed(with_token).token == bearer


def test_the_current_context_counts_not_the_first() -> None:
    def with_another_first(document: dict[str, Any]) -> None:
        other = {"certificate-authority-data": "", "server": "https://other:6443"}
        document["clusters"].insert(0, {"name": "other", "cluster": other})
        document["contexts"].insert(
            0, {"name": "other", "context": {"cluster": "other", "user": "other"}}
        )

    assert accessed(with_another_first).server == "https://10.0.0.1:6443"


@pytest.mark.parametrize(
    ("server", "local"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://127.66.0.3:6443", True),
        ("https://[::1]:6443", True),
        ("https://10.0.0.1:6443", False),
        ("https://api.example.com:6443", False),
    ],
)
def test_loopback_is_never_reached_through_a_proxy(server: str, *, local: bool) -> None:
    def at(document: dict[str, Any]) -> None:
        document["clusters"][0]["cluster"]["server"] = server

    assert accessed(at).is_local is local


def test_the_certificate_is_checked_for_the_name_that_the_kubeconfig_gives(tmp_path: Path) -> None:
    plan = plan_from(small())
    pair = pair_for(x509.DNSName(endpoint_name(plan)), tmp_path)

    async def asked(kubeconfig: str) -> int:
        async with api_client(kubeconfig, within=5) as client:
            return (await client.get("/readyz")).status_code

    with api_server(lambda *_: 200, pair) as (address, _):
        text = kubeconfig_of(plan, address)
        document = yaml.safe_load(text)
        document["clusters"][0]["cluster"]["tls-server-name"] = endpoint_name(plan)
        assert asyncio.run(asked(yaml.safe_dump(document))) == 200
        with pytest.raises(httpx.ConnectError, match="IP address mismatch"):
            asyncio.run(asked(text))


def _logs_in(document: dict[str, Any]) -> None:
    document["users"][0]["user"] = {"exec": {"command": "login"}}


def _names_files(document: dict[str, Any]) -> None:
    document["clusters"][0]["cluster"] = {"certificate-authority": "ca.pem", "server": "https://a"}


def _has_no_context(document: dict[str, Any]) -> None:
    del document["current-context"]


def _names_nobody(document: dict[str, Any]) -> None:
    document["contexts"][0]["context"]["user"] = "nobody"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_logs_in, "it has no client-certificate-data"),
        (_names_files, "it has no certificate-authority-data"),
        (_has_no_context, "it has no current-context"),
        (_names_nobody, "it has no nobody"),
    ],
)
def test_what_it_lacks_is_named(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(UnusableKubeconfigError, match=f"^{message}$"):
        accessed(change)


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [", "current-context: [x]\ncontexts: 3\n", "\ttab: {"]
)
def test_what_is_not_a_kubeconfig_is_malformed(text: str) -> None:
    with pytest.raises(UnusableKubeconfigError, match=r"^it is malformed$"):
        access_of(text)


def test_a_message_never_quotes_the_key() -> None:
    secret = base64.b64encode(b"-----BEGIN PRIVATE KEY----- not a key").decode()

    def broken(document: dict[str, Any]) -> None:
        document["users"][0]["user"]["client-key-data"] = secret

    with pytest.raises(UnusableKubeconfigError) as refused:
        accessed(broken)
    assert str(refused.value) == "it is malformed"
