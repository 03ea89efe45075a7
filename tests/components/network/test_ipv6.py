"""Two stacks: an IPv6 address for each IPv4 one, pools for both, and public bandwidth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clusters import Document, small
from tests.deploying import deploy, first_preview
from tests.recording import UNKNOWN, Cloud, Run

pytestmark = pytest.mark.unit


def _dual(**ipv6: Any) -> Document:  # noqa: ANN401 - a stack file's own values
    zones = {
        "primary": {"cn-hangzhou-i": {"cidr": "10.0.0.0/20", "ipv6Index": 1}},
        "secondary": {"cn-hangzhou-i": {"cidr": "10.1.0.0/20", "ipv6Index": 2}},
    }
    return small(
        {
            "network": {
                "ipv6": {"enabled": True, **ipv6},
                "subnets": {name: {"zones": of} for name, of in zones.items()},
            }
        }
    )


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(_dual(egress=True, bandwidth=5))


def test_an_eni_has_an_ipv6_address_for_the_host_and_for_each_pod(run: Run) -> None:
    eni = run.of("EcsNetworkInterface")["small-workers-0-eth1"].inputs
    ipv4 = [eni["primaryIpAddress"], *eni["privateIpAddresses"]]
    assert len(eni["ipv6Addresses"]) == len(ipv4) == 6
    assert all(address.startswith("2408:4005:3a0:1202::a01:") for address in eni["ipv6Addresses"])


def test_each_ipv4_pool_has_an_ipv6_pool(run: Run) -> None:
    pools = {
        p.inputs["metadata"]["name"]: p.inputs["spec"] for p in run.of("SpiderIPPool").values()
    }
    assert len(pools) == 8
    spec = pools["workers-0-eth1-v6"]
    assert spec["subnet"] == "2408:4005:3a0:1202::/64"
    assert spec["gateway"] == "2408:4005:3a0:1202:ffff:ffff:ffff:fffd"
    assert spec["ips"] == ["2408:4005:3a0:1202::a01:91-2408:4005:3a0:1202::a01:95"]
    assert spec["nodeName"] == ["workers-0"]


def test_a_pool_of_one_stack_takes_nothing_from_the_other(run: Run) -> None:
    assert run.outputs["ipPools"]["workers-0-eth1"]["ips"] == ["10.1.0.145-10.1.0.149"]


def test_each_pods_address_has_its_own_way_out(run: Run) -> None:
    bandwidths = run.of("Ipv6InternetBandwidth")
    assert len(bandwidths) == 2 * 2 * 5
    one = bandwidths["small-workers-0-eth1-10-1-0-145"]
    assert one.inputs["ipv6AddressId"] == "ipv6-2408-4005-3a0-1202--a01-91"
    assert one.inputs["bandwidth"] == 5
    assert run.of("Instance")["small-workers-0"].urn in one.dependencies


def test_without_egress_nothing_is_bought() -> None:
    assert not deploy(_dual(egress=False)).of("Ipv6InternetBandwidth")


def test_a_first_preview_knows_what_there_will_be_but_no_ipv6_address() -> None:
    shown = first_preview(_dual(egress=True))
    assert len(shown.of("Ipv6InternetBandwidth")) == 20
    spec = shown.of("SpiderIPPool")["small-workers-0-eth1-v6"].inputs["spec"]
    assert spec["ips"] == UNKNOWN
    assert spec["subnet"] == UNKNOWN


def test_the_run_stops_when_an_ipv6_address_is_missing() -> None:
    cloud = Cloud(lies={"small-workers-0-eth0": {"ipv6Addresses": []}})
    with pytest.raises(Exception, match="planned IPv6 addresses"):
        deploy(_dual(), cloud=cloud)
