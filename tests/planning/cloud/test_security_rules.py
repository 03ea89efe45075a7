"""The security group's rules."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

import pytest

from config.report import ConfigError
from planning.cloud.security import SecurityRule, security_rules
from tests.clusters import Document, existing_kubernetes, small, three_control_planes
from tests.planning.documents import STACKS, planned, stack_plan

pytestmark = pytest.mark.unit

WORLD = IPv4Network("0.0.0.0/0")


def test_the_guides_rules_are_these_and_no_more() -> None:
    rules = security_rules(stack_plan("local"))
    assert {name: (r.protocol, r.port_range, str(r.cidr)) for name, r in rules.items()} == {
        "api-127-0-0-0-8": ("tcp", "6443/6443", "127.0.0.0/8"),
        "out": ("all", "-1/-1", "0.0.0.0/0"),
    }


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_comes_in_from_everywhere(stack: str) -> None:
    rules = security_rules(stack_plan(stack)).values()
    assert not [rule for rule in rules if rule.direction == "ingress" and rule.cidr == WORLD]


def test_a_classic_load_balancer_needs_no_rule() -> None:
    service = {"selector": {"app": "web"}, "ports": {"web": {"port": 80}}}
    with_balancers = planned(three_control_planes() | {"services": {"web": service}})
    assert security_rules(with_balancers) == security_rules(planned(small()))


def test_network_load_balancers_come_from_their_own_vswitches_to_node_ports() -> None:
    rules = security_rules(planned(_edge({"shop": {}})))
    assert _ways_in(rules) == {
        "nlb-edge-cn-hangzhou-i-tcp-30000-32767": ("tcp", "30000/32767", "10.0.64.0/24"),
        "nlb-edge-cn-hangzhou-k-tcp-30000-32767": ("tcp", "30000/32767", "10.0.65.0/24"),
    }


def test_one_service_straight_to_its_pods_opens_their_ports_and_no_others() -> None:
    straight: dict[str, object] = {
        "backendType": "eni",
        "ports": {"grpc": {"port": 9000, "targetPort": 9001}},
    }
    rules = security_rules(planned(_edge({"orders": straight, "shop": {}})))
    assert {ports for _, ports, _ in _ways_in(rules).values()} == {"9001/9001", "30000/32767"}


def test_a_udp_port_is_checked_over_tcp() -> None:
    rules = security_rules(
        planned(_edge({"dns": {"ports": {"dns": {"port": 53, "protocol": "udp"}}}}))
    )
    assert {protocol for protocol, _, _ in _ways_in(rules).values()} == {"tcp", "udp"}


def test_an_nlb_that_exists_already_is_somewhere_in_the_vpc() -> None:
    rules = security_rules(planned(_edge({"shop": {"id": "nlb-theirs", "subnet": None}})))
    assert {cidr for _, _, cidr in _ways_in(rules).values()} == {"10.0.0.0/16", "10.1.0.0/16"}


def test_services_that_need_the_same_rule_share_it() -> None:
    one = security_rules(planned(_edge({"shop": {}})))
    two = security_rules(planned(_edge({"shop": {}, "site": {}})))
    assert _ways_in(one) == _ways_in(two)


def test_without_a_cloud_controller_nothing_is_open_for_load_balancers() -> None:
    plan = planned(small({"cloudController": {"enabled": False}}))
    assert not [name for name in security_rules(plan) if name.startswith("nlb")]


@pytest.mark.parametrize(
    ("ingress", "path", "other"),
    [
        (
            {"api": {"ports": "6443/6443", "source": "203.0.113.0/24"}},
            "network.ingress.api",
            "kubernetes.endpoint.allowedCidrs",
        ),
        (
            {
                "one": {"ports": "80/80", "source": "198.51.100.0/24"},
                "two": {"ports": "80/80", "source": "198.51.100.0/24", "description": "again"},
            },
            "network.ingress.two",
            "network.ingress.one",
        ),
    ],
)
def test_rules_that_the_cloud_keeps_as_one_are_refused_by_both_paths(
    ingress: dict[str, object], path: str, other: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        planned(small({"network": {"ingress": ingress}}))
    (problem,) = refusal.value.problems
    assert problem.path == path
    assert other in problem.rule


def test_no_rule_has_an_equal_one_in_any_stack() -> None:
    for stack in STACKS:
        rules = security_rules(stack_plan(stack)).values()
        assert len({(r.direction, r.protocol, r.port_range, r.cidr) for r in rules}) == len(rules)


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


def test_names_of_rules_for_allowed_networks_say_the_network() -> None:
    assert "api-203-0-113-0-24" in security_rules(planned(small()))


def _edge(services: dict[str, dict[str, object]]) -> Document:
    """`small` with a subnet for load balancers in two zones, and NLBs in it."""
    zones = {"cn-hangzhou-i": {"cidr": "10.0.64.0/24"}, "cn-hangzhou-k": {"cidr": "10.0.65.0/24"}}
    base = {
        "selector": {"app": "web"},
        "ports": {"web": {"port": 80}},
        "loadBalancer": "nlb",
        "subnet": "edge",
    }
    return small(
        {
            "network": {"subnets": {"edge": {"egress": False, "zones": zones}}},
            "services": {name: {**base, **changes} for name, changes in services.items()},
        }
    )


def _ways_in(rules: Mapping[str, SecurityRule]) -> dict[str, tuple[str, str, str]]:
    return {
        name: (rule.protocol, rule.port_range, str(rule.cidr))
        for name, rule in rules.items()
        if name.startswith("nlb-")
    }
