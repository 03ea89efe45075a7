"""The verdict table: the real webhook's verdict on a pool, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from localcloud.machines.guest.kubelet.client import ApiError
from planning.spiderpool.verdict import judge as our_judge
from tests.engine.spiderpool.cluster import POOLS, Judge, Spec

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

V4 = "10.6.0.0/24"
V6 = "2408:4005:3a0:1201::/64"

STANDING: Mapping[str, Spec] = {
    "standing-v4": {"subnet": V4, "ips": ["10.6.0.10-10.6.0.20"], "nodeName": ["master"]},
    "disabled-v4": {"subnet": V4, "ips": ["10.6.0.30"], "disable": True},
    "standing-v6": {"subnet": V6, "ips": ["2408:4005:3a0:1201::10"]},
}
"""Pools that are there already."""

FREE = ["10.6.0.100-10.6.0.109"]


def v4(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"subnet": V4, "ips": FREE, **fields}


def v6(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"subnet": V6, "ips": ["2408:4005:3a0:1201::100"], **fields}


def route(dst: str, gw: str = "10.6.0.254") -> dict[str, str]:
    return {"dst": dst, "gw": gw}


REFUSED: Mapping[str, tuple[Spec, str]] = {
    "an address of another pool": (v4(ips=["10.6.0.15"]), "overlap with IPPool standing-v4"),
    "a range that touches another pool": (v4(ips=["10.6.0.5-10.6.0.10"]), "standing-v4"),
    "an address of a disabled pool": (v4(ips=["10.6.0.30"]), "overlap with IPPool disabled-v4"),
    "an IPv6 address of another pool": (v6(ips=["2408:4005:3a0:1201::10"]), "standing-v6"),
    "another mask over the same range": (
        {"subnet": "10.6.0.0/25", "ips": ["10.6.0.100"]},
        "which 'spec.subnet' is 10.6.0.0/24",
    ),
    "host bits": ({"subnet": "10.7.0.5/24"}, "please change it to 10.7.0.0/24"),
    "IPv6 not in canonical text": (
        {"subnet": "2408:4005:03A0:1202::/64"},
        "please change it to 2408:4005:3a0:1202::/64",
    ),
    "no subnet at all": ({"ips": []}, "subnet"),
    "a subnet that is none": ({"subnet": "ten"}, "'spec.subnet' may be invalid"),
    "an address outside the subnet": (v4(ips=["10.8.0.1"]), "not match base subnet"),
    "an excluded address outside the subnet": (v4(excludeIPs=["10.8.0.1"]), "not match base"),
    "CIDR notation among the addresses": (v4(ips=["10.6.0.128/28"]), "invalid range"),
    "spaces in a range": (v4(ips=["10.6.0.40 - 10.6.0.41"]), "invalid IP"),
    "leading zeros": (v4(ips=["10.6.0.040"]), "invalid IP"),
    "three ends": (v4(ips=["10.6.0.40-10.6.0.41-10.6.0.42"]), "invalid range"),
    "a gateway outside the subnet": (v4(gateway="10.7.0.254"), "not pertains"),
    "a link-local IPv6 gateway": (v6(gateway="fe80::1"), "not pertains"),
    "the gateway within a range": (v4(gateway="10.6.0.105"), "conflicts with 'spec.gateway'"),
    "the gateway as an address": (
        v4(ips=["10.6.0.110"], gateway="10.6.0.110"),
        "conflicts with 'spec.gateway'",
    ),
    "a default route": (v4(routes=[route("0.0.0.0/0")]), "default route"),
    "an IPv6 default route": (
        v6(routes=[route("::/0", "2408:4005:3a0:1201::1")]),
        "default route",
    ),
    "two routes to one place": (
        v4(routes=[route("10.0.0.0/8"), route("10.0.0.0/8")]),
        "duplicate route",
    ),
    "a route by a foreign gateway": (v4(routes=[route("10.0.0.0/8", "10.7.0.1")]), "not pertains"),
    "a route of the other family": (v4(routes=[route("fd00::/8")]), "invalid CIDR"),
    "an empty pod selector": (v4(podAffinity={}), "empty podAffinity"),
    "the other version": (v4(ipVersion=6), "invalid CIDR"),
    "a version that is none": (v4(ipVersion=5), "Unsupported value"),
}

ACCEPTED: Mapping[str, Spec] = {
    "disjoint addresses of a subnet that others have": v4(nodeName=["worker"]),
    "the gateway when it is excluded": v4(gateway="10.6.0.105", excludeIPs=["10.6.0.105"]),
    "no gateway": v4(),
    "no addresses": {"subnet": V4},
    "network and broadcast address": v4(ips=["10.6.0.0", "10.6.0.255"]),
    "a node and a network that nobody knows": v4(nodeName=["nobody"], multusName=["no/where"]),
    "a second default pool": v4(default=True),
    "an excluded part that another pool has": v4(
        ips=["10.6.0.5-10.6.0.25"], excludeIPs=["10.6.0.10-10.6.0.20"]
    ),
    "a route within the VPC": v4(routes=[route("10.0.0.0/8")]),
}

OURS_ALONE: Mapping[str, Spec] = {
    "a range written backwards": v4(ips=["10.6.0.109-10.6.0.100"]),
    "the gateway in other IPv6 text": v6(
        ips=["2408:4005:3a0:1201:0000::0105"], gateway="2408:4005:3a0:1201::105"
    ),
    "the default route in other text": v4(routes=[route("10.0.0.0/0")]),
    "a range that the next update panics on": v6(
        ips=["2408:4005:3a0:1201:0:1::-2408:4005:3a0:1201:0:1:ffff:ffff"]
    ),
}
"""The webhook lets them pass, and we do not: each harms without a word."""

REWRITTEN: Mapping[str, tuple[Spec, list[str]]] = {
    "duplicates, neighbours and disorder": (
        v4(ips=["10.6.0.103", "10.6.0.101", "10.6.0.102", "10.6.0.101", "10.6.0.200-10.6.0.201"]),
        ["10.6.0.101-10.6.0.103", "10.6.0.200-10.6.0.201"],
    ),
    "IPv6 in upper case and with zeros": (
        v6(ips=["2408:4005:3A0:1201:0000:0000:0001:0002", "2408:4005:3a0:1201::1:4"]),
        ["2408:4005:3a0:1201::1:2", "2408:4005:3a0:1201::1:4"],
    ),
    "a single entry stays as it was written": (
        v4(ips=["10.6.0.101-10.6.0.101"]),
        ["10.6.0.101-10.6.0.101"],
    ),
}


@pytest.fixture(scope="module")
def standing(judge: Judge) -> Iterator[Judge]:
    with judge.pools(STANDING):
        yield judge


@pytest.mark.parametrize("row", REFUSED)
def test_the_webhook_refuses(standing: Judge, row: str) -> None:
    spec, reason = REFUSED[row]
    assert reason in (standing.refusal(spec) or "accepted")
    if "subnet" in spec:
        assert our_judge(spec, others=STANDING).webhook


@pytest.mark.parametrize("row", ACCEPTED)
def test_the_webhook_accepts(standing: Judge, row: str) -> None:
    assert standing.refusal(ACCEPTED[row]) is None
    assert our_judge(ACCEPTED[row], others=STANDING).accepted


@pytest.mark.parametrize("row", OURS_ALONE)
def test_we_refuse_what_the_webhook_lets_pass(standing: Judge, row: str) -> None:
    assert standing.refusal(OURS_ALONE[row]) is None
    verdict = our_judge(OURS_ALONE[row], others=STANDING)
    assert verdict.ours
    assert not verdict.webhook


@pytest.mark.parametrize("row", REWRITTEN)
def test_the_webhook_rewrites(standing: Judge, row: str) -> None:
    spec, expected = REWRITTEN[row]
    with standing.pools({"rewritten": spec}):
        stored = standing.pool("rewritten")
        assert stored is not None
        assert stored["spec"]["ips"] == expected


def test_a_pool_gets_its_version_its_label_and_its_finalizer(standing: Judge) -> None:
    stored = standing.pool("standing-v6")
    assert stored is not None
    assert stored["spec"]["ipVersion"] == 6
    assert stored["metadata"]["finalizers"] == ["spiderpool.spidernet.io"]
    label = stored["metadata"]["labels"]["ipam.spidernet.io/ippool-cidr"]
    assert label == "2408-4005-3a0-1201---64"


@pytest.fixture(scope="module")
def used(judge: Judge) -> Iterator[Judge]:
    """A pool with two addresses in use by pods that exist in its status only."""
    spec = {"subnet": "10.9.0.0/24", "ips": ["10.9.0.10-10.9.0.19"], "gateway": "10.9.0.253"}
    with judge.pools({"used": spec}):
        take(judge, {"10.9.0.10": "default/one", "10.9.0.15": "default/two"})
        yield judge
        take(judge, {})


def take(judge: Judge, pods_by_address: Mapping[str, str]) -> None:
    status: dict[str, Any] = {"allocatedIPCount": len(pods_by_address), "totalIPCount": 10}
    if pods_by_address:
        records = {ip: {"pod": pod, "podUid": pod} for ip, pod in pods_by_address.items()}
        status["allocatedIPs"] = json.dumps(records)
    judge.record("used", status)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subnet": "10.9.0.0/25"}, "is not changeable"),
        ({"ipVersion": 6}, "is not changeable"),
        ({"ips": ["10.9.0.11-10.9.0.19"]}, "default/one"),
        ({"excludeIPs": ["10.9.0.15"]}, "default/two"),
    ],
)
def test_an_update_is_refused(used: Judge, changes: Spec, reason: str) -> None:
    with pytest.raises(ApiError, match=reason):
        used.update("used", changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"ips": ["10.9.0.10-10.9.0.29"]},
        {"ips": ["10.9.0.10-10.9.0.15"]},
        {"gateway": "10.9.0.254"},
        {"routes": [{"dst": "10.0.0.0/8", "gw": "10.9.0.253"}]},
        {"nodeName": ["renamed"], "multusName": ["kube-system/ipvlan-eth1"]},
        {"default": True},
        {"disable": True},
    ],
)
def test_an_update_of_a_used_pool_is_accepted(used: Judge, changes: Spec) -> None:
    used.update("used", changes)
    assert set(used.allocated("used")) == {"10.9.0.10", "10.9.0.15"}


def test_a_pool_that_ends_is_frozen_until_its_last_address_is_free(judge: Judge) -> None:
    spec = {"subnet": "10.10.0.0/24", "ips": ["10.10.0.10-10.10.0.19"]}
    judge.create("ending", spec)
    # A pod that runs: the collector leaves its address alone.
    pod = judge.client.get("/api/v1/namespaces/kube-system/pods")["items"][0]["metadata"]
    allocation = {"pod": f"{pod['namespace']}/{pod['name']}", "podUid": pod["uid"]}
    status = {
        "allocatedIPs": json.dumps({"10.10.0.10": allocation}),
        "allocatedIPCount": 1,
        "totalIPCount": 10,
    }
    judge.record("ending", status)
    judge.client.request("DELETE", f"{POOLS}/ending")
    with pytest.raises(ApiError, match="terminating"):
        judge.update("ending", {"default": True})
    merge = "application/merge-patch+json"
    free = {"metadata": {"finalizers": None}}
    judge.client.request("PATCH", f"{POOLS}/ending", free, merge)
    assert judge.pool("ending") is None
