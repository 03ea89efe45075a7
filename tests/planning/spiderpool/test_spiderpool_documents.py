"""Spiderpool's chart values and objects."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from functools import reduce
from ipaddress import IPv6Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.report import ConfigError
from planning.model import AddressCounting, ClusterPlan
from planning.spiderpool.address_requests import manifests
from planning.spiderpool.chart import (
    chart_values,
    coordinator_spec,
    ip_pool_spec,
    multus_config_spec,
    webhook_certificates,
)
from planning.spiderpool.fixed_values import REASONS, fixed_values, leaves
from planning.spiderpool.value_checks import value_problems
from tests.clusters import fake_secrets, small
from tests.guide_pools import GUIDE_POOLS
from tests.planning.documents import STACKS, planned, stack_plan

pytestmark = pytest.mark.unit


def values(plan: ClusterPlan) -> dict[str, Any]:
    return chart_values(plan, secrets=fake_secrets())


def at(document: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - a value of any kind
    return reduce(lambda level, key: level[key], path.split("."), document)


def with_values(own: dict[str, Any], **spiderpool: object) -> ClusterPlan:
    return planned(small({"spiderpool": {"values": own, **spiderpool}}))


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ipam.enableStatefulSet", False),
        ("ipam.enableKubevirtStaticIP", False),
        ("ipam.spiderSubnet.enable", False),
        ("ipam.enableIPv4", True),
        ("ipam.enableIPv6", False),
        ("multus.multusCNI.defaultCniCRName", "ipvlan-eth0"),
        ("multus.multusCNI.install", True),
        ("multus.multusCNI.uninstall", False),
        ("multus.enableMultusConfig", True),
        ("plugins.installCNI", True),
        ("coordinator.enabled", True),
        ("coordinator.name", "default"),
        ("spiderpoolController.hostnetwork", True),
        ("spiderpoolController.cleanup.enable", False),
        ("spiderpoolController.tls.method", "provided"),
        ("clusterDefaultPool.installIPv4IPPool", False),
    ],
)
def test_what_must_hold_holds_in_every_stack(stack: str, path: str, value: object) -> None:
    assert at(values(stack_plan(stack)), path) == value


def test_plugins_that_nothing_here_needs_are_off() -> None:
    plugins = values(stack_plan("local"))["plugins"]
    assert [name for name, on in plugins.items() if on] == ["installCNI"]


def test_cni_plugins_can_be_left_to_the_image() -> None:
    assert values(with_values({}, installCni=False))["plugins"]["installCNI"] is False


def test_mainland_china_pulls_through_its_mirror_by_default() -> None:
    registry = "global.imageRegistryOverride"
    assert at(values(stack_plan("prod")), registry) == "ghcr.m.daocloud.io"
    assert at(values(stack_plan("local")), registry) == ""
    assert at(values(with_values({}, imageRegistry="mirror.example.com")), registry) == (
        "mirror.example.com"
    )


def test_the_webhooks_certificate_is_the_stacks_own() -> None:
    provided = at(values(stack_plan("local")), "spiderpoolController.tls.provided")
    secrets = fake_secrets()
    assert {name: b64decode(text).decode() for name, text in provided.items()} == {
        "tlsCa": secrets.webhook_ca,
        "tlsCert": secrets.webhook.certificate,
        "tlsKey": secrets.webhook.key,
    }
    assert provided == webhook_certificates(secrets)


def test_without_secrets_only_the_certificate_is_missing() -> None:
    plan = stack_plan("local")
    whole = values(plan)
    del whole["spiderpoolController"]["tls"]["provided"]
    assert chart_values(plan, secrets=None) == whole


def test_the_users_values_lie_over_defaults_and_under_what_must_hold() -> None:
    own = {
        "ipam": {"gc": {"gcAll": {"intervalInSecond": 30}}},
        "spiderpoolAgent": {"resources": {"limits": {"cpu": "2"}}},
    }
    chart_values = values(with_values(own))
    assert at(chart_values, "ipam.gc.gcAll.intervalInSecond") == 30
    assert at(chart_values, "ipam.gc.enabled") is True
    assert at(chart_values, "spiderpoolAgent.resources.limits.cpu") == "2"
    assert at(chart_values, "spiderpoolAgent.tuneSysctlConfig") is True


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ({"coordinator": {"enabled": False}}, "spiderpool.values.coordinator.enabled"),
        ({"plugins": {"installCNI": False}}, "spiderpool.values.plugins.installCNI"),
        ({"global": {"configName": "mine"}}, "spiderpool.values.global.configName"),
        ({"multus": {"multusCNI": None}}, "spiderpool.values.multus.multusCNI"),
        ({"coordinator": {"name": {"a": "b"}}}, "spiderpool.values.coordinator.name"),
    ],
)
def test_a_contradiction_is_refused_with_its_path(own: dict[str, Any], path: str) -> None:
    plan = with_values(own)
    assert [problem.path for problem in value_problems(plan)] == [path]
    with pytest.raises(ConfigError):
        chart_values(plan, secrets=None)


def test_a_typed_key_is_named_where_there_is_one() -> None:
    (problem,) = value_problems(with_values({"plugins": {"installCNI": False}}))
    assert problem.remedy == "Take it out, and write spiderpool.installCni instead."


def test_repeating_a_fixed_value_is_not_a_contradiction() -> None:
    assert value_problems(with_values({"coordinator": {"enabled": True}})) == ()


def test_the_guides_four_pools_have_the_guides_specs() -> None:
    pools = stack_plan("local").ip_pools
    assert {name: ip_pool_spec(pool, ips=pool.ips) for name, pool in pools.items()} == GUIDE_POOLS


def test_a_pool_for_some_namespaces_and_pods_says_which() -> None:
    extra = {
        "interface": "eth0",
        "node": "workers-0",
        "addresses": ["10.0.0.145"],
        "namespaces": ["shop"],
        "podLabels": {"app": "till"},
    }
    plan = planned(small({"spiderpool": {"extraPools": {"shop": extra}}}))
    spec = ip_pool_spec(plan.ip_pools["shop"], ips=["10.0.0.145"])
    assert spec["namespaceName"] == ["shop"]
    assert spec["podAffinity"] == {"matchLabels": {"app": "till"}}


def test_an_ipv6_pool_has_the_subnet_that_the_cloud_gave() -> None:
    document = small({"network": {"ipv6": {"enabled": True}}})
    for index, subnet in enumerate(document["network"]["subnets"].values()):
        subnet["zones"]["cn-hangzhou-i"]["ipv6Index"] = index
    pool = planned(document).ip_pools["workers-0-eth0-v6"]
    network = IPv6Network("2408:4005:3a0:1200::/64")
    spec = ip_pool_spec(pool, ips=["2408:4005:3a0:1200::a00:91"], ipv6_network=network)
    assert spec["subnet"] == "2408:4005:3a0:1200::/64"
    assert spec["gateway"] == "2408:4005:3a0:1200:ffff:ffff:ffff:fffd"
    with pytest.raises(ValueError, match="/64 must be given"):
        ip_pool_spec(pool, ips=[])


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=5))
def test_a_pools_ips_are_those_that_the_cloud_gave(ips: list[str]) -> None:
    pool = stack_plan("local").ip_pools["master-eth0"]
    assert ip_pool_spec(pool, ips=ips)["ips"] == ips


@pytest.mark.parametrize("nic", ["eth0", "eth1"])
def test_a_multus_config_is_the_guides(nic: str) -> None:
    assert multus_config_spec(stack_plan("local"), nic) == {
        "cniType": "ipvlan",
        "enableCoordinator": True,
        "ipvlan": {"master": [nic]},
    }


def test_a_nic_that_no_node_has_gets_no_multus_config() -> None:
    with pytest.raises(KeyError):
        multus_config_spec(stack_plan("local"), "eth2")


def test_the_coordinator_takes_no_pod_range() -> None:
    assert coordinator_spec(stack_plan("local"))["podCIDRType"] == "none"


def test_two_controllers_run_only_where_a_node_is_left_for_a_rollout() -> None:
    replicas = "spiderpoolController.replicas"
    assert at(values(stack_plan("local")), replicas) == 1
    assert at(values(stack_plan("prod")), replicas) == 2


def test_the_users_coordinator_values_reach_the_coordinator() -> None:
    hijacked = ["169.254.0.0/16", "192.0.2.0/24"]
    own = {"hijackCIDR": hijacked, "vethMTU": 1400}
    plan = with_values({"coordinator": own})
    assert value_problems(plan) == ()
    assert coordinator_spec(plan) == {
        "mode": "auto",
        "podCIDRType": "none",
        "tunePodRoutes": True,
        **own,
        "hijackCIDR": [*hijacked, "100.100.100.200/32"],
    }


def test_a_cluster_without_a_nic_that_serves_on_every_node_draws_bound_pods_like_others() -> None:
    plan = stack_plan("local")
    spread = {"eth0": 1, "eth1": 1}
    nowhere = replace(plan, counting=AddressCounting(shares=spread, shares_everywhere={}))
    same = replace(plan, counting=AddressCounting(shares=spread, shares_everywhere=spread))
    assert manifests(nowhere) == manifests(same)


def test_every_value_that_must_hold_has_a_reason() -> None:
    assert {path for path, _ in leaves(fixed_values(stack_plan("local")))} == set(REASONS)
