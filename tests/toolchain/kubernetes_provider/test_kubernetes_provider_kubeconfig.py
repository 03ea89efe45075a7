from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.toolchain.kubernetes_provider.servers.fake_api_server import kubeconfig_for
from toolchain.kubernetes_provider.cluster import kubeconfig
from toolchain.kubernetes_provider.errors import RefusedClusterError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "server",
    [
        "https://127.0.0.1:6443",
        "https://127.66.0.10:6443",
        "https://[::1]:6443",
        "https://localhost:6443",
    ],
)
def test_addresses_on_loopback_are_accepted(server: str) -> None:
    credentials = kubeconfig.credentials(kubeconfig.parse(kubeconfig_for(server)))
    assert credentials.server == server


@pytest.mark.parametrize(
    "server",
    [
        "https://8.8.8.8:6443",
        "https://10.0.0.1:6443",
        "https://127.0.0.1.example.com:6443",
        "https://127.0.0.1@203.0.113.7:6443",
        "https://cluster.example.com",
        "https://[2001:db8::1]:6443",
        "https://0.0.0.0:6443",
        "https://2130706433:6443",
        "not a url",
    ],
)
def test_every_other_address_is_refused_with_a_way_out(server: str) -> None:
    with pytest.raises(RefusedClusterError) as refused:
        kubeconfig.credentials(kubeconfig.parse(kubeconfig_for(server)))
    assert server.rpartition("@")[2] in str(refused.value)
    assert "127.0.0.0/8" in str(refused.value)
    assert "pulumi plugin install" in str(refused.value)


def test_a_proxy_is_refused() -> None:
    document = json.loads(kubeconfig_for("https://127.0.0.1:6443"))
    document["clusters"][0]["cluster"]["proxy-url"] = "http://127.0.0.1:3128"
    with pytest.raises(RefusedClusterError, match="proxy-url"):
        kubeconfig.credentials(document)


def test_a_credential_program_is_refused() -> None:
    document = json.loads(kubeconfig_for("https://127.0.0.1:6443"))
    document["users"][0]["user"] = {"exec": {"command": "steal"}}
    with pytest.raises(RefusedClusterError, match="exec"):
        kubeconfig.credentials(document)


def test_the_server_of_the_chosen_context_is_judged() -> None:
    document = json.loads(kubeconfig_for("https://127.0.0.1:6443"))
    document["clusters"].append({"name": "far", "cluster": {"server": "https://8.8.8.8"}})
    document["contexts"].append({"name": "far", "context": {"cluster": "far", "user": "u"}})
    with pytest.raises(RefusedClusterError, match=r"8\.8\.8\.8"):
        kubeconfig.credentials(document, context="far")


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig_for("https://127.0.0.1:1"), encoding="utf-8")
    assert kubeconfig.credentials(kubeconfig.parse(str(path))).server == "https://127.0.0.1:1"


@pytest.mark.parametrize("text", ["nonsense", "{", "/no/such/file", "a: 1"])
def test_a_malformed_kubeconfig_counts_as_unreachable(text: str) -> None:
    with pytest.raises(UnreachableError):
        kubeconfig.parse(text)


def test_helm_gets_the_one_cluster_in_use() -> None:
    document = json.loads(kubeconfig_for("https://127.0.0.1:6443"))
    document["clusters"].append({"name": "far", "cluster": {"server": "https://8.8.8.8"}})
    text = kubeconfig.minimal(kubeconfig.credentials(document))
    assert [entry["cluster"] for entry in json.loads(text)["clusters"]] == [
        {"server": "https://127.0.0.1:6443"}
    ]
    assert kubeconfig.credentials(kubeconfig.parse(text)).token == "not-a-real-token"  # noqa: S105 - fake


def test_credentials_do_not_show_in_their_representation() -> None:
    credentials = kubeconfig.credentials(kubeconfig.parse(kubeconfig_for("https://127.0.0.1:1")))
    assert "not-a-real-token" not in repr(credentials)
