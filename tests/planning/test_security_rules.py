"""The security group's rules."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from planning.security import security_rules
from tests.clusters import existing_kubernetes, small, three_control_planes
from tests.planning.documents import STACKS, planned, stack_plan

pytestmark = pytest.mark.unit

WORLD = IPv4Network("0.0.0.0/0")


def test_the_guides_rules_are_these_and_no_more() -> None:
    rules = security_rules(stack_plan("local"))
    assert {name: (r.protocol, r.port_range, str(r.cidr)) for name, r in rules.items()} == {
        "api-127-0-0-0-8": ("tcp", "6443/6443", "127.0.0.0/8"),
        "members": ("all", "-1/-1", "None"),
        "out": ("all", "-1/-1", "0.0.0.0/0"),
        "services-tcp": ("tcp", "30000/32767", "100.64.0.0/10"),
        "services-udp": ("udp", "30000/32767", "100.64.0.0/10"),
    }


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_comes_in_from_everywhere(stack: str) -> None:
    rules = security_rules(stack_plan(stack)).values()
    assert not [rule for rule in rules if rule.direction == "ingress" and rule.cidr == WORLD]


def test_a_load_balancer_in_front_of_the_api_may_reach_it() -> None:
    assert "api-load-balancer" in security_rules(planned(three_control_planes()))
    assert "api-load-balancer" not in security_rules(planned(small()))


def test_without_a_cloud_controller_nothing_is_open_for_services() -> None:
    plan = planned(small({"cloudController": {"enabled": False}}))
    assert not [name for name in security_rules(plan) if name.startswith("services")]


def test_backends_that_are_pods_can_be_on_any_port() -> None:
    plan = planned(small({"cloudController": {"backendType": "eni"}}))
    assert security_rules(plan)["services-tcp"].port_range == "1/65535"


def test_an_existing_clusters_api_is_not_ours_to_open() -> None:
    rules = security_rules(planned(existing_kubernetes()))
    assert not [name for name in rules if name.startswith("api")]


def test_the_users_rules_keep_their_names() -> None:
    ingress = {"office": {"protocol": "tcp", "ports": "22/22", "source": "198.51.100.0/24"}}
    rule = security_rules(planned(small({"network": {"ingress": ingress}})))["ingress-office"]
    assert (rule.protocol, rule.port_range, rule.cidr) == (
        "tcp",
        "22/22",
        IPv4Network("198.51.100.0/24"),
    )
    assert rule.description == "office"


def test_names_follow_from_what_a_rule_is_for_and_not_from_its_place() -> None:
    cidrs = ["203.0.113.0/24", "198.51.100.7/32"]
    rules = [
        security_rules(planned(small({"kubernetes": {"endpoint": {"allowedCidrs": order}}})))
        for order in (cidrs, cidrs[::-1])
    ]
    assert rules[0] == rules[1]
    assert "api-198-51-100-7-32" in rules[0]


def test_one_service_straight_to_its_pods_opens_their_ports_to_load_balancers() -> None:
    service = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}, "backendType": "eni"}
    rules = security_rules(planned(small({"services": {"web": service}})))
    assert rules["services-tcp"].port_range == "1/65535"
    assert rules["services-tcp"].cidr == IPv4Network("100.64.0.0/10")
