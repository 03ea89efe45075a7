"""A sweep recognises what the program creates: names and tags of the sweep, of the resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import pytest

from config.facts.tags import TAG_CONTROLLER
from operations.sweep.owned_names import OwnedNames
from planning.read import plan_from
from tests.clusters import Document, adopted, small, three_control_planes
from tests.deploying import deploy
from tests.recording import Run

pytestmark = pytest.mark.unit


def _dual_stack() -> Document:
    zones = {
        "primary": {"cn-hangzhou-i": {"cidr": "10.0.0.0/20", "ipv6Index": 1}},
        "secondary": {"cn-hangzhou-i": {"cidr": "10.1.0.0/20", "ipv6Index": 2}},
    }
    subnets = {name: {"zones": of} for name, of in zones.items()}
    return small({"network": {"ipv6": {"enabled": True}, "subnets": subnets}})


_CLUSTERS: Mapping[str, Callable[[], Document]] = {
    "small": small,
    "three control planes": three_control_planes,
    "adopted network": adopted,
    "IPv6": _dual_stack,
}


@cache
def _run(cluster: str) -> Run:
    return deploy(_CLUSTERS[cluster]())


@pytest.fixture(params=_CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(cluster: str) -> Run:
    return _run(cluster)


@pytest.fixture
def owned(cluster: str) -> OwnedNames:
    return OwnedNames.of(plan_from(_CLUSTERS[cluster]()))


def _values(run: Run, kind: str, key: str) -> set[str]:
    """That input of every cloud resource of the kind."""
    cloud = (r for r in run.of(kind).values() if r.type.startswith("alicloud:"))
    return {str(resource.inputs[key]) for resource in cloud}


def test_the_role_and_its_policy_have_the_name_that_a_sweep_looks_up(
    run: Run, owned: OwnedNames
) -> None:
    assert _values(run, "Role", "roleName") == {owned.role}
    assert _values(run, "Policy", "policyName") == {owned.role}


def test_every_eip_has_one_of_the_names_that_a_sweep_looks_for(run: Run, owned: OwnedNames) -> None:
    assert _values(run, "EipAddress", "addressName") <= owned.eips
    assert _run("small").of("EipAddress").keys() == owned.eips


def test_every_vswitch_and_what_belongs_to_it_has_a_name_of_the_sweep(
    run: Run, owned: OwnedNames
) -> None:
    assert _values(run, "Switch", "vswitchName") <= owned.vswitches
    assert _values(run, "SnatEntry", "snatEntryName") <= owned.vswitches
    reservations = _values(run, "VswitchCidrReservation", "vswitchCidrReservationName")
    assert reservations <= owned.vswitches


def test_all_vswitches_of_the_sweep_are_created_where_none_is_adopted() -> None:
    owned = OwnedNames.of(plan_from(small()))
    assert _values(_run("small"), "Switch", "vswitchName") == owned.vswitches


def test_the_endpoints_load_balancer_and_server_group_have_the_name_of_the_sweep() -> None:
    run, owned = _run("three control planes"), OwnedNames.of(plan_from(three_control_planes()))
    balancer = run.one("ApplicationLoadBalancer").inputs
    assert balancer["loadBalancerName"] == run.one("ServerGroup").inputs["name"] == owned.api
    assert balancer["tags"][TAG_CONTROLLER] == owned.cluster


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("Network", "vpcName"),
        ("SecurityGroup", "securityGroupName"),
        ("NatGateway", "natGatewayName"),
        ("Ipv6Gateway", "ipv6GatewayName"),
    ],
)
def test_what_there_is_once_is_called_after_the_cluster(
    run: Run, owned: OwnedNames, kind: str, key: str
) -> None:
    assert _values(run, kind, key) <= {owned.cluster}


def test_secondary_ranges_are_those_that_a_sweep_takes_off(run: Run, owned: OwnedNames) -> None:
    assert _values(run, "Ipv4CidrBlock", "secondaryCidrBlock") == owned.secondary_cidrs


def test_whatever_has_tags_has_those_by_which_a_sweep_recognises_it(
    run: Run, owned: OwnedNames
) -> None:
    tagged = [r for r in run.resources if r.type.startswith("alicloud:") and "tags" in r.inputs]
    assert len(tagged) > 5
    for resource in tagged:
        assert owned.tags.items() <= resource.inputs["tags"].items(), resource.urn
