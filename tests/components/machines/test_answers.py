"""What the cloud answered, compared with the plan: plain data only."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pulumi
import pytest

from components.machines.answers import (
    addresses_of,
    in_order,
    ips_of_pools,
    pod_addresses_as_planned,
    pool_ips,
    primary_as_planned,
)
from planning.addresses.pod_addresses import Counted, Pinned, PodAddresses, Prefixes
from planning.model import InterfacePlan, IPPoolPlan
from planning.read import plan_from
from tests.clusters import counted

pytestmark = pytest.mark.unit


_PINNED = Pinned(tuple(IPv4Address("10.0.0.16") + n for n in range(3)))


def _nic(pods: PodAddresses = _PINNED) -> InterfacePlan:
    return InterfacePlan(
        name="eth0", vswitch="primary-a", primary=IPv4Address("10.0.0.10"), pods=pods
    )


def _pool(name: str, *ips: str) -> IPPoolPlan:
    return IPPoolPlan(
        name=name,
        node="a",
        interface="eth0",
        ip_version=4,
        subnet=IPv4Network("10.0.0.0/20"),
        gateway=IPv4Address("10.0.15.253"),
        ips=ips,
        node_name="a",
        multus_name="kube-system/ipvlan-eth0",
        vswitch="primary-a",
        default=True,
    )


def test_addresses_are_ordered_by_value_and_not_as_text() -> None:
    assert in_order(["10.0.0.100", "10.0.0.9"]) == ("10.0.0.9", "10.0.0.100")


def test_an_eni_without_any_is_not_an_error() -> None:
    assert in_order(None) == ()


def test_a_prefix_gives_all_its_sixteen_addresses() -> None:
    addresses = addresses_of(["10.0.0.16/28"])
    assert (addresses[0], addresses[-1], len(addresses)) == ("10.0.0.16", "10.0.0.31", 16)


def test_planned_addresses_in_another_order_are_the_planned_ones() -> None:
    answered = ["10.0.0.18", "10.0.0.16", "10.0.0.17"]
    assert pod_addresses_as_planned("a", _nic(), answered) == tuple(sorted(answered))


def test_a_refusal_names_what_is_missing_and_what_nobody_planned() -> None:
    with pytest.raises(pulumi.RunError) as refused:
        pod_addresses_as_planned("a", _nic(), ["10.0.0.16", "10.0.0.99"])
    text = str(refused.value)
    assert "a/eth0" in text
    assert "missing: 10.0.0.17-10.0.0.18" in text
    assert "not planned: 10.0.0.99" in text
    assert "pulumi up" in text


def test_of_counted_addresses_only_the_number_is_checked() -> None:
    nic = _nic(Counted(3))
    assert len(pod_addresses_as_planned("a", nic, ["10.0.0.7", "10.0.0.5", "10.0.0.6"])) == 3
    with pytest.raises(pulumi.RunError, match="2 pod addresses instead of 3"):
        pod_addresses_as_planned("a", nic, ["10.0.0.7", "10.0.0.5"])


def test_prefix_addresses_are_checked_like_pinned_ones() -> None:
    nic = _nic(Prefixes((IPv4Network("10.0.0.16/28"),)))
    assigned = addresses_of(["10.0.0.16/28"])
    assert pod_addresses_as_planned("a", nic, assigned) == assigned
    with pytest.raises(pulumi.RunError, match=r"missing: 10\.0\.0\.31"):
        pod_addresses_as_planned("a", nic, assigned[:-1])


def test_another_primary_address_stops_the_run() -> None:
    assert primary_as_planned("a", _nic(), "10.0.0.10") == "10.0.0.10"
    with pytest.raises(pulumi.RunError, match=r"10\.0\.0\.11 instead of the planned 10\.0\.0\.10"):
        primary_as_planned("a", _nic(), "10.0.0.11")


def test_the_pools_of_a_node_have_what_its_nics_have() -> None:
    plan = plan_from(counted())
    planned = [str(a) for a in plan.nodes["workers-0"].interfaces["eth0"].pods.planned]
    chosen = ["10.1.16.9", "10.1.16.7", "10.1.16.8"]
    pods = {"eth0": planned, "eth1": in_order(chosen)}
    assert ips_of_pools(plan, "workers-0", pods, {}) == {
        "workers-0-eth0": list(plan.ip_pools["workers-0-eth0"].ips),
        "workers-0-eth1": ["10.1.16.7-10.1.16.9"],
    }


def test_a_pool_takes_its_planned_part_of_what_the_eni_holds() -> None:
    assigned = ["10.0.0.16", "10.0.0.17", "10.0.0.18"]
    assert pool_ips(_pool("own", "10.0.0.17-10.0.0.18"), assigned, ()) == ["10.0.0.17-10.0.0.18"]


def test_a_pool_never_holds_an_address_that_the_eni_lost() -> None:
    pool = _pool("own", "10.0.0.16-10.0.0.18")
    assert pool_ips(pool, ["10.0.0.16", "10.0.0.18"], ()) == ["10.0.0.16", "10.0.0.18"]


def test_a_pool_without_planned_addresses_takes_what_its_siblings_leave() -> None:
    assigned = ["10.0.0.16", "10.0.0.17", "10.0.0.18"]
    assert pool_ips(_pool("own"), assigned, [_pool("extra", "10.0.0.17")]) == [
        "10.0.0.16",
        "10.0.0.18",
    ]
