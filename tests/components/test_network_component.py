"""VPC, vSwitches, security group, and the ways in and out."""

from __future__ import annotations

import pytest

from tests.clusters import adopted, small
from tests.deploying import deploy
from tests.recording import Run

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(small())


@pytest.fixture(scope="module")
def adopting() -> Run:
    return deploy(adopted())


def test_a_vswitch_in_a_secondary_cidr_waits_for_that_cidr(run: Run) -> None:
    block = run.one("Ipv4CidrBlock")
    vswitches = run.of("Switch")
    assert block.urn in vswitches["small-secondary-cn-hangzhou-i"].dependencies
    assert block.urn not in vswitches["small-primary-cn-hangzhou-i"].dependencies


def test_each_vswitch_with_egress_has_one_snat_entry_behind_the_eips_association(run: Run) -> None:
    association = run.of("EipAssociation")["small-nat"]
    entries = run.of("SnatEntry")
    assert set(entries) == {"small-primary-cn-hangzhou-i", "small-secondary-cn-hangzhou-i"}
    assert all(association.urn in entry.dependencies for entry in entries.values())


def test_a_subnet_without_egress_has_no_snat_entry() -> None:
    run = deploy(small({"network": {"subnets": {"secondary": {"egress": False}}}}))
    assert set(run.of("SnatEntry")) == {"small-primary-cn-hangzhou-i"}


def test_without_nat_there_is_no_gateway_no_address_and_no_export() -> None:
    run = deploy(small({"network": {"nat": {"enabled": False}}}))
    assert not run.of("NatGateway") | run.of("SnatEntry")
    assert set(run.of("EipAddress")) == {"small-api"}
    assert "natAddress" not in run.outputs


def test_security_rules_name_their_nic_type_or_their_ids_would_say_nil(run: Run) -> None:
    rules = run.of("SecurityGroupRule").values()
    assert rules
    assert {rule.inputs["nicType"] for rule in rules} == {"intranet"}


def test_a_rule_among_members_names_the_group_and_no_range(run: Run) -> None:
    group = run.of("SecurityGroupRule")["small-members"].inputs
    assert group["sourceSecurityGroupId"] == group["securityGroupId"]
    assert "cidrIp" not in group


def test_the_api_server_is_open_to_the_allowed_ranges_only(run: Run) -> None:
    open_to = {
        rule.inputs.get("cidrIp")
        for rule in run.of("SecurityGroupRule").values()
        if rule.inputs["type"] == "ingress" and rule.inputs["portRange"] == "6443/6443"
    }
    assert open_to == {"203.0.113.0/24"}


def test_the_vpc_has_ipv6_as_soon_as_it_has_an_ipv6_gateway() -> None:
    with_gateway = deploy(small({"network": {"ipv6": {"gateway": True}}}))
    without = deploy(small({"network": {"ipv6": {"gateway": False}}}))
    assert with_gateway.one("Network").inputs["enableIpv6"] is True
    assert with_gateway.one("Ipv6Gateway")
    assert without.one("Network").inputs["enableIpv6"] is False
    assert not without.of("Ipv6Gateway")


def test_nothing_stands_for_what_is_adopted(adopting: Run) -> None:
    assert not adopting.of("Network")
    assert not adopting.of("NatGateway")
    assert not adopting.of("Ipv4CidrBlock")
    assert not adopting.of("Ipv6Gateway")
    assert set(adopting.of("Switch")) == {"small-secondary-cn-hangzhou-i"}
    assert set(adopting.of("EipAddress")) == {"small-api"}


def test_what_is_adopted_is_used_by_its_id(adopting: Run) -> None:
    assert adopting.one("Switch").inputs["vpcId"] == "vpc-theirs"
    assert adopting.of("EcsNetworkInterface")["small-masters-0-eth0"].inputs["vswitchId"] == (
        "vsw-theirs"
    )
    entry = adopting.of("SnatEntry")["small-primary-cn-hangzhou-i"].inputs
    assert entry["sourceVswitchId"] == "vsw-theirs"
    assert entry["snatTableId"] == "stb-ngw-theirs"
    assert entry["snatIp"] == "47.98.1.2"
    assert adopting.outputs["natAddress"] == "47.98.1.2"


def test_an_adopted_eip_is_bound_to_our_nat_gateway() -> None:
    run = deploy(small({"network": {"nat": {"eipId": "eip-theirs", "eipAddress": "47.98.1.2"}}}))
    association = run.of("EipAssociation")["small-nat"].inputs
    assert association["allocationId"] == "eip-theirs"
    assert association["instanceId"].startswith("ngw-")


def test_protection_covers_what_would_hurt_to_lose() -> None:
    run = deploy(small({"protect": True}))
    protected = {(r.kind, r.name) for r in run.resources if r.protect}
    assert protected == {
        ("EipAddress", "small-api"),
        ("EipAddress", "small-nat"),
        ("MachineGeneration", "small-masters-0"),
        ("NatGateway", "small"),
        ("Network", "small"),
    }
