"""VPC, vSwitches, security group, and the ways in and out."""

from __future__ import annotations

import copy

import pytest

from tests.clusters import adopted, adopted_there, small, three_control_planes
from tests.deploying import deploy
from tests.recording import Cloud, Run

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def run() -> Run:
    return deploy(small())


@pytest.fixture(scope="module")
def adopting() -> Run:
    return deploy(adopted())


def test_every_vswitch_waits_for_the_secondary_cidr(run: Run) -> None:
    block = run.one("Ipv4CidrBlock")
    vswitches = run.of("Switch")
    assert len(vswitches) > 1
    assert all(block.urn in vswitch.dependencies for vswitch in vswitches.values())


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


def test_members_reach_each_other_by_the_groups_policy_and_by_no_rule(run: Run) -> None:
    assert run.one("SecurityGroup").inputs["innerAccessPolicy"] == "Accept"
    rules = run.of("SecurityGroupRule").values()
    assert [rule.name for rule in rules if "sourceSecurityGroupId" in rule.inputs] == []


def test_an_enterprise_group_admits_its_members_by_the_ranges_of_their_vswitches() -> None:
    run = deploy(small({"network": {"securityGroup": {"type": "enterprise"}}}))
    group = run.one("SecurityGroup").inputs
    assert group["securityGroupType"] == "enterprise"
    assert "innerAccessPolicy" not in group
    rules = run.of("SecurityGroupRule")
    assert {
        name: (rule.inputs["cidrIp"], rule.inputs["ipProtocol"])
        for name, rule in rules.items()
        if name.startswith("small-members")
    } == {
        "small-members-primary-cn-hangzhou-i": ("10.0.0.0/20", "all"),
        "small-members-secondary-cn-hangzhou-i": ("10.1.0.0/20", "all"),
    }


def test_the_api_server_is_open_to_the_allowed_ranges_only(run: Run) -> None:
    open_to = {
        rule.inputs.get("cidrIp")
        for rule in run.of("SecurityGroupRule").values()
        if rule.inputs["type"] == "ingress" and rule.inputs["portRange"] == "6443/6443"
    }
    assert open_to == {"203.0.113.0/24"}


@pytest.mark.parametrize("ipv6", [{}, {"gateway": False}])
def test_ipv6_resources_exist_only_where_ipv6_is_on(ipv6: dict[str, bool]) -> None:
    run = deploy(small({"network": {"ipv6": ipv6}}))
    assert "enableIpv6" not in run.one("Network").inputs
    assert not run.of("Ipv6Gateway")


def test_the_vpc_has_ipv6_as_soon_as_it_has_an_ipv6_gateway() -> None:
    run = deploy(small({"network": {"ipv6": {"gateway": True}}}))
    assert run.one("Network").inputs["enableIpv6"] is True
    assert run.one("Ipv6Gateway")


def test_gateways_keep_their_first_vswitch() -> None:
    run = deploy(three_control_planes())
    assert run.one("NatGateway").ignore_changes == ("vswitchId",)
    assert run.one("ApplicationLoadBalancer").ignore_changes == ("vswitchId",)


def test_adopted_resources_are_not_registered(adopting: Run) -> None:
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


@pytest.mark.parametrize("preview", [False, True])
def test_a_wrong_range_of_an_adopted_vswitch_stops_the_run_before_anything_is_created(
    preview: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    there = adopted_there(adopted())
    there["vswitches"]["vsw-theirs"]["cidrBlock"] = "10.0.0.0/21"
    cloud = Cloud(there=there)
    with pytest.raises(Exception, match=r"10\.0\.0\.0/21"):
        deploy(adopted(), cloud=cloud, preview=preview)
    assert [kind for kind in cloud.requested if kind.startswith("alicloud:")] == []


def test_an_snat_entry_of_somebody_elses_stops_the_run_and_ours_does_not() -> None:
    there = adopted_there(adopted())
    entry = {"id": "snat-1", "snatEntryName": "theirs", "sourceVswitchId": "vsw-theirs"}
    there["entries"] = {"stb-ngw-theirs": [entry]}
    with pytest.raises(Exception, match=r"egress: false"):
        deploy(adopted(), cloud=Cloud(there=there))
    ours = entry | {"snatEntryName": "small-primary-cn-hangzhou-i"}
    there["entries"] = {"stb-ngw-theirs": [ours]}
    assert deploy(adopted(), cloud=Cloud(there=there)).of("SnatEntry")


def test_a_zone_and_a_subnet_that_are_added_change_nothing_that_is_there() -> None:
    document = three_control_planes()
    for pool in document["nodePools"].values():
        pool["zones"] = ["cn-hangzhou-i"]
    before = deploy(document)
    after = copy.deepcopy(document)
    subnets = after["network"]["subnets"]
    subnets["primary"]["zones"]["cn-hangzhou-b"] = {"cidr": "10.0.32.0/20"}
    subnets["apps"] = {"zones": {"cn-hangzhou-i": {"cidr": "10.0.48.0/20"}}}
    after_run = {resource.urn: resource for resource in deploy(after).resources}
    moved = [
        resource.name
        for resource in before.resources
        if after_run[resource.urn].inputs != resource.inputs
        # The record contains the plan, and changes with every edit.
        and resource.kind not in {"AppliedPlan", "Instance", "SecurityGroup"}
    ]
    assert moved == []
