from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.machines.guest.kubelet.ipam.pools import (
    NoAddressError,
    Request,
    addresses,
    allocations,
    candidates,
    first_free,
    with_allocations,
)

pytestmark = pytest.mark.unit

REQUEST = Request(
    pod_namespace="default",
    pod_labels={"app": "web"},
    pod_annotations={},
    namespace_labels={"team": "a"},
    namespace_annotations={},
    node="worker",
    node_labels={"zone": "h"},
    nic="eth0",
    network="kube-system/ipvlan-eth0",
    agent_namespace="kube-system",
)


def pool(name: str, **spec: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {
        "metadata": {"name": name},
        "spec": {
            "subnet": "172.31.192.0/20",
            "ips": ["172.31.199.190-172.31.199.194"],
            "default": True,
            **spec,
        },
    }


GUIDE = [
    pool(f"{node}-{nic}", nodeName=[node], multusName=[f"kube-system/ipvlan-{nic}"])
    for node in ("master", "worker")
    for nic in ("eth0", "eth1")
]


def names(request: Request, pools: list[dict[str, Any]]) -> list[list[str]]:
    return [[p["metadata"]["name"] for p in family] for family in candidates(request, pools)]


def test_a_pod_takes_the_pool_of_its_node_and_network() -> None:
    assert names(REQUEST, GUIDE) == [["worker-eth0"]]


def test_another_network_takes_another_pool() -> None:
    request = replace(REQUEST, network="kube-system/ipvlan-eth1")
    assert names(request, GUIDE) == [["worker-eth1"]]


def test_a_bare_network_name_is_one_of_the_agents_namespace() -> None:
    pools = [pool("bare", multusName=["ipvlan-eth0"])]
    assert names(REQUEST, pools) == [["bare"]]


def test_without_a_pool_the_error_has_each_pool_and_its_reason() -> None:
    with pytest.raises(NoAddressError) as caught:
        candidates(replace(REQUEST, node="other"), GUIDE)
    assert all(f"{p['metadata']['name']}: unmatched nodeName" in str(caught.value) for p in GUIDE)


def test_a_pool_that_is_not_default_must_be_named() -> None:
    named = pool("named", default=False)
    with pytest.raises(NoAddressError, match="no pool selection rules"):
        candidates(REQUEST, [named])
    annotated = replace(REQUEST, pod_annotations={"ipam.spidernet.io/ippool": '{"ipv4": ["nam*"]}'})
    assert names(annotated, [named]) == [["named"]]


def test_a_pods_own_choice_beats_its_namespaces_and_the_defaults() -> None:
    pools = [pool("default"), pool("ns", default=False), pool("own", default=False)]
    by_namespace = replace(
        REQUEST, namespace_annotations={"ipam.spidernet.io/default-ipv4-ippool": '["ns"]'}
    )
    by_pod = replace(
        by_namespace,
        pod_annotations={"ipam.spidernet.io/ippools": '[{"interface": "eth0", "ipv4": ["own"]}]'},
    )
    assert names(by_namespace, pools) == [["ns"]]
    assert names(by_pod, pools) == [["own"]]


def test_a_networks_own_pools_beat_the_defaults_and_lose_to_a_namespaces() -> None:
    pools = [pool("default"), pool("ns", default=False), pool("network", default=False)]
    by_network = replace(REQUEST, network_pools={4: ["netw*"]})
    by_namespace = replace(
        by_network, namespace_annotations={"ipam.spidernet.io/default-ipv4-ippool": '["ns"]'}
    )
    assert names(by_network, pools) == [["network"]]
    assert names(by_namespace, pools) == [["ns"]]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("{", "invalid format of Pod annotation 'ipam.spidernet.io/ippool'"),
        ('{"ipv4": ["nowhere"]}', "failed to get original IPPool nowhere"),
        ('{"ipv4": ["own", "o*"]}', "duplicate IPPool own"),
        ('{"ipv6": ["own"]}', "own: expect an IPv6 IPPool"),
        ('{"ipv4": ["x*"]}', "no matched IPv4 IPPool"),
        ("{}", "no pool selection rules"),
    ],
)
def test_a_pods_own_choice_that_cannot_be_had_falls_through_to_nothing(
    annotation: str, reason: str
) -> None:
    request = replace(REQUEST, pod_annotations={"ipam.spidernet.io/ippool": annotation})
    with pytest.raises(NoAddressError, match=reason):
        names(request, [pool("default"), pool("own", default=False)])


def test_a_choice_for_other_interfaces_alone_is_a_mistake() -> None:
    choice = '[{"interface": "net1", "ipv4": ["own"]}]'
    request = replace(REQUEST, pod_annotations={"ipam.spidernet.io/ippools": choice})
    with pytest.raises(NoAddressError, match="interface eth0 must be specified"):
        names(request, [pool("default"), pool("own")])


def test_a_choice_without_names_goes_by_the_interfaces_order() -> None:
    choice = '[{"ipv4": ["first"]}, {"ipv4": ["second"]}]'
    request = replace(REQUEST, pod_annotations={"ipam.spidernet.io/ippools": choice})
    pools = [pool("first"), pool("second")]
    assert names(request, pools) == [["first"]]
    assert names(replace(request, nic="net1"), pools) == [["second"]]


def test_the_narrower_pool_comes_first() -> None:
    pools = [
        pool("any"),
        pool("network", multusName=["ipvlan-eth0"]),
        pool("node", nodeName=["worker"]),
        pool("pod", podAffinity={"matchLabels": {"app": "web"}}),
    ]
    assert names(REQUEST, pools) == [["pod", "node", "network", "any"]]


@pytest.mark.parametrize(
    "spec",
    [
        {"disable": True},
        {"namespaceName": ["other"]},
        {"namespaceAffinity": {"matchLabels": {"team": "b"}}},
        {"nodeAffinity": {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}},
        {"podAffinity": {"matchLabels": {"app": "db"}}},
    ],
)
def test_a_pool_for_others_is_left_out(spec: dict[str, Any]) -> None:
    assert names(REQUEST, [pool("any"), pool("others", **spec)]) == [["any"]]


def test_a_terminating_pool_gives_nothing() -> None:
    leaving = pool("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    with pytest.raises(NoAddressError, match="leaving: terminating"):
        candidates(REQUEST, [leaving])


def test_one_default_ipv6_pool_anywhere_makes_ipv6_a_must_for_all() -> None:
    elsewhere = pool("v6", ipVersion=6, subnet="fd00::/64", nodeName=["master"])
    with pytest.raises(NoAddressError, match="IPv6"):
        candidates(REQUEST, [*GUIDE, elsewhere])


def test_the_first_free_address_in_list_order_is_taken() -> None:
    used = with_allocations(pool("p"), {"172.31.199.190": {"pod": "default/a", "podUid": "1"}})
    assert first_free(used) == "172.31.199.191"


def test_excluded_addresses_are_not_taken() -> None:
    assert first_free(pool("p", excludeIPs=["172.31.199.190-172.31.199.191"])) == "172.31.199.192"


def test_reserved_addresses_are_not_taken() -> None:
    def reservation(*ips: str, **metadata: str) -> dict[str, Any]:
        return {"metadata": metadata, "spec": {"ips": list(ips)}}

    reserved = (reservation("172.31.199.190", "fd00::-fd00:ffff::"), reservation("172.31.199.191"))
    assert first_free(pool("p"), reserved) == "172.31.199.192"
    leaving = (reservation("172.31.199.190", deletionTimestamp="2026-01-01T00:00:00Z"),)
    assert first_free(pool("p"), leaving) == "172.31.199.190"


def test_an_exhausted_pool_has_no_free_address() -> None:
    entry = {"pod": "default/a", "podUid": "1"}
    full = with_allocations(pool("p"), dict.fromkeys(addresses(pool("p")["spec"]["ips"]), entry))
    assert first_free(full) is None
    assert (full["status"]["totalIPCount"], full["status"]["allocatedIPCount"]) == (5, 5)


def test_a_pool_without_allocations_has_no_record() -> None:
    assert "allocatedIPs" not in with_allocations(pool("p"), {})["status"]


@given(st.lists(st.integers(0, 4), max_size=12))
def test_no_address_is_ever_taken_twice(releases: list[int]) -> None:
    current = pool("p")
    for step, release in enumerate(releases):
        records = allocations(current)
        free = first_free(current)
        assert free not in records
        if free:
            records[free] = {"pod": f"default/{step}", "podUid": str(step)}
        if release and records:
            records.pop(sorted(records)[release % len(records)])
        current = with_allocations(current, records)
