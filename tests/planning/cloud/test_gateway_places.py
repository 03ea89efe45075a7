"""NAT gateway and load balancers: apart from nodes, and never moved by what is added later."""

from __future__ import annotations

import copy
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.report import ConfigError
from planning.cloud.gateway_places import GATEWAYS
from planning.cloud.load_balancers import gateways, taken_addresses
from planning.cloud.notices import notices
from planning.cloud.quotas import quotas
from planning.cloud.services import placement
from planning.model import ClusterPlan
from tests.clusters import Document, adopted, small, three_control_planes
from tests.planning.documents import STACKS, planned, stack_plan

pytestmark = pytest.mark.unit

ZONES = [f"cn-hangzhou-{letter}" for letter in "bfghijk"]


def _with_subnet(document: Document, name: str, zones: dict[str, str]) -> Document:
    changed = copy.deepcopy(document)
    subnets = changed["network"]["subnets"]
    subnet = subnets.setdefault(name, {"egress": False, "zones": {}})
    subnet["zones"] |= {zone: {"cidr": cidr} for zone, cidr in zones.items()}
    return changed


def _pinned_to_one_zone(document: Document) -> Document:
    for pool in document["nodePools"].values():
        pool["zones"] = ["cn-hangzhou-i"]
    return document


def _places(plan: ClusterPlan) -> tuple[object, ...]:
    return (
        plan.network.nat_vswitch,
        plan.network.api_vswitch,
        plan.network.vswitches[plan.network.nat_vswitch or ""].cidr,
        {name: placement(plan, service) for name, service in plan.services.items()},
    )


def test_gateways_get_a_vswitch_of_their_own_at_the_end_of_the_vpc() -> None:
    plan = planned(three_control_planes())
    assert plan.network.nat_vswitch == plan.network.api_vswitch == "gateways-cn-hangzhou-i"
    vswitch = plan.network.vswitches["gateways-cn-hangzhou-i"]
    assert vswitch.cidr == IPv4Network("10.0.255.240/28")
    assert not vswitch.snat


def test_nothing_is_added_where_nothing_would_be_in_it() -> None:
    plan = planned(adopted())
    assert GATEWAYS not in {vswitch.subnet for vswitch in plan.network.vswitches.values()}


def test_a_subnet_of_that_name_is_taken_as_it_is() -> None:
    document = _with_subnet(small(), "gateways", {"cn-hangzhou-i": "10.0.64.0/24"})
    plan = planned(document)
    assert plan.network.nat_vswitch == "gateways-cn-hangzhou-i"
    assert plan.network.vswitches["gateways-cn-hangzhou-i"].cidr == IPv4Network("10.0.64.0/24")


def test_a_subnet_that_the_stack_names_wins() -> None:
    document = _with_subnet(three_control_planes(), "services", {"cn-hangzhou-i": "10.0.64.0/24"})
    document["network"]["nat"] = {"subnet": "services"}
    plan = planned(document)
    assert plan.network.nat_vswitch == plan.network.api_vswitch == "services-cn-hangzhou-i"


def test_a_zone_that_the_stack_names_wins() -> None:
    zones = {"cn-hangzhou-i": "10.0.64.0/24", "cn-hangzhou-k": "10.0.65.0/24"}
    document = _with_subnet(small(), "services", zones)
    document["network"]["nat"] = {"subnet": "services", "zone": "cn-hangzhou-k"}
    assert planned(document).network.nat_vswitch == "services-cn-hangzhou-k"


@given(
    st.dictionaries(
        st.from_regex(r"\A[a-z]{1,6}\Z"),
        st.sets(st.sampled_from(ZONES), min_size=1),
        max_size=3,
    ),
    st.sets(st.sampled_from(ZONES)),
)
def test_subnets_and_zones_that_are_added_later_move_nothing(
    subnets: dict[str, set[str]], zones: set[str]
) -> None:
    inside = {
        "selector": {"app": "web"},
        "ports": {"web": {"port": 80}},
        "addressType": "intranet",
        "subnet": "primary",
    }
    before = _pinned_to_one_zone(three_control_planes()) | {"services": {"inside": inside}}
    ranges = (str(cidr) for cidr in IPv4Network("10.1.128.0/17").subnets(new_prefix=24))
    after = before
    for name, added in sorted(subnets.items()):
        after = _with_subnet(after, name, {zone: next(ranges) for zone in sorted(added)})
    more = zones - {"cn-hangzhou-i"}
    after = _with_subnet(after, "primary", {zone: next(ranges) for zone in sorted(more)})
    assert _places(planned(after)) == _places(planned(before))


def test_a_zone_added_to_the_gateways_subnet_moves_nothing() -> None:
    before = _with_subnet(small(), "services", {"cn-hangzhou-i": "10.0.64.0/24"})
    before["network"]["nat"] = {"subnet": "services"}
    after = _with_subnet(before, "services", {"cn-hangzhou-b": "10.0.65.0/24"})
    assert planned(after).network.nat_vswitch == planned(before).network.nat_vswitch


def test_a_subnet_over_the_gateways_range_is_refused_and_the_remedy_works() -> None:
    document = _with_subnet(small(), "last", {"cn-hangzhou-i": "10.0.240.0/20"})
    with pytest.raises(ConfigError) as refusal:
        planned(document)
    (problem,) = refusal.value.problems
    assert problem.path == "network.subnets.gateways"
    assert "cidr: 10.0.16.0/28" in problem.remedy
    remedied = _with_subnet(document, "gateways", {"cn-hangzhou-i": "10.0.16.0/28"})
    assert planned(remedied).network.nat_vswitch == "gateways-cn-hangzhou-i"


def test_a_network_load_balancer_takes_three_addresses_in_each_zone() -> None:
    zones = {"cn-hangzhou-i": "10.0.64.0/24", "cn-hangzhou-k": "10.0.65.0/24"}
    plan = planned(_with_nlb(_with_subnet(small(), "edge", zones), "edge"))
    assert taken_addresses(plan) == {
        "gateways-cn-hangzhou-i": 1,
        "edge-cn-hangzhou-i": 3,
        "edge-cn-hangzhou-k": 3,
    }


def test_services_are_counted_by_quotas() -> None:
    zones = {"cn-hangzhou-i": "10.0.64.0/24", "cn-hangzhou-k": "10.0.65.0/24"}
    document = _with_nlb(_with_subnet(three_control_planes(), "edge", zones), "edge")
    document["services"]["classic"] = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}}
    document["services"]["theirs"] = document["services"]["classic"] | {"id": "lb-theirs"}
    needed = {name: quota.needed for name, quota in quotas(planned(document)).items()}
    assert needed["CLB instances"] == 2, "the API server's and the service's"
    assert needed["NLB instances"] == 1
    assert needed["EIPs"] == 1 + 1 + 2, "the NAT gateway's, the API server's, one in each zone"


def test_a_gateway_among_nodes_is_announced_with_its_path() -> None:
    document = small()
    document["network"]["nat"] = {"subnet": "primary"}
    (notice,) = notices(planned(document))
    assert notice.startswith(
        "network.nat: the NAT gateway takes 1 address of primary-cn-hangzhou-i"
    )
    assert list(notices(planned(small()))) == []


@pytest.mark.parametrize("stack", STACKS)
def test_no_gateway_of_the_repositorys_stacks_is_among_nodes(stack: str) -> None:
    plan = stack_plan(stack)
    occupied = {nic.vswitch for node in plan.nodes.values() for nic in node.interfaces.values()}
    assert [g for g in gateways(plan) if occupied & set(g.vswitches)] == []


def test_where_the_cloud_keeps_no_primary_eni_the_plan_says_so() -> None:
    document = small({"region": "cn-fuzhou"})
    for subnet in document["network"]["subnets"].values():
        subnet["zones"] = {"cn-fuzhou-a": subnet["zones"]["cn-hangzhou-i"]}
    (notice,) = notices(planned(document))
    assert notice.startswith("In cn-fuzhou the cloud deletes an instance's primary ENI")


def _with_nlb(document: Document, subnet: str) -> Document:
    service: dict[str, Any] = {
        "selector": {"app": "web"},
        "ports": {"web": {"port": 80}},
        "loadBalancer": "nlb",
        "subnet": subnet,
    }
    return document | {"services": {"shop": service}}
