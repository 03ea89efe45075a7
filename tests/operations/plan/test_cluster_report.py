from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from rich.console import Console

from operations.plan.cluster_report import address_ranges, cluster_tables

pytestmark = pytest.mark.unit

OUTPUTS: Mapping[str, object] = {
    "vpcId": "vpc-1",
    "vswitchIds": {"primary-cn-hangzhou-i": "vsw-1"},
    "nodes": {
        "master": {
            "instanceId": "i-1",
            "providerId": "cn-hangzhou.i-1",
            "interfaces": {
                "eth0": {
                    "eniId": "eni-1",
                    "mac": "00:16:3e:00:00:01",
                    "primary": "172.31.199.183",
                    "podAddresses": ["172.31.199.186", "172.31.199.185", "172.31.199.187"],
                }
            },
        }
    },
    "ipPools": {
        "master-eth0": {
            "ips": ["172.31.199.185-172.31.199.189"],
            "subnet": "172.31.192.0/20",
            "gateway": "172.31.207.253",
            "nodeName": "master",
            "multusName": "kube-system/ipvlan-eth0",
        }
    },
    "natAddress": "127.66.0.2",
    "apiEndpoint": "https://127.66.0.1:6443",
    "kubeconfig": "[secret]",
}


def rendered(outputs: Mapping[str, object]) -> str:
    console = Console(width=200, file=io.StringIO())
    for table in cluster_tables(outputs):
        console.print(table)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_tables_show_every_node_nic_address_and_pool() -> None:
    text = rendered(OUTPUTS)
    for shown in (
        "master",
        "i-1",
        "eth0",
        "eni-1",
        "00:16:3e:00:00:01",
        "172.31.199.183",
        "172.31.199.185-187",
        "master-eth0",
        "172.31.207.253",
        "kube-system/ipvlan-eth0",
        "vpc-1",
        "vsw-1",
        "127.66.0.2",
        "https://127.66.0.1:6443",
    ):
        assert shown in text


def test_the_kubeconfig_is_never_shown() -> None:
    assert "secret-in-kubeconfig" not in rendered({**OUTPUTS, "kubeconfig": "secret-in-kubeconfig"})


def test_half_a_cluster_shows_what_is_unknown() -> None:
    text = rendered({"nodes": {"master": {"interfaces": {"eth0": {"primary": "10.0.0.1"}}}}})
    assert "10.0.0.1" in text
    assert "unknown until up" in text


def test_no_outputs_at_all_still_render() -> None:
    assert "Nodes" in rendered({})


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        (["10.0.0.2", "10.0.0.1", "10.0.0.3"], "10.0.0.1-3"),
        (["10.0.0.1", "10.0.0.3"], "10.0.0.1, 10.0.0.3"),
        (["10.0.0.255", "10.0.1.0"], "10.0.0.255-10.0.1.0"),
        (["10.0.0.1-10.0.0.5"], "10.0.0.1-10.0.0.5"),
        (["2001:db8::1"], "2001:db8::1"),
        ([], ""),
    ],
)
def test_addresses_are_written_as_a_person_would(addresses: list[str], text: str) -> None:
    assert address_ranges(addresses) == text
