"""Leftovers of a removed stack: its own resources, and those of its cloud controller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from operations.sweep.cloud import Account, OfficialApi
from tests.engine.lifecycle.clouds.light_cloud import LightCloud, light_cloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

OURS = {"spiderpool-alicloud/cluster": "guide", "spiderpool-alicloud/profile": "local"}
CONTROLLER = {"kubernetes.do.not.delete": "a0123", "ack.aliyun.com": "guide"}
LEFTOVERS = 5


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightCloud]:
    light = light_cloud(tmp_path_factory.mktemp("sweep") / "home")
    with light.running():
        yield light


@pytest.fixture(scope="module")
def api(light: LightCloud) -> OfficialApi:
    endpoint = f"127.0.0.1:{light.cloud.port}"
    return OfficialApi(Account.of("cn-hangzhou", endpoint=endpoint, ca=light.cloud.places.ca))


def tags(pairs: dict[str, str]) -> dict[str, Any]:
    return {
        f"Tag.{n}.{part}": text
        for n, pair in enumerate(pairs.items(), start=1)
        for part, text in zip(("Key", "Value"), pair, strict=True)
    }


def make_network(api: OfficialApi, name: str, owner: dict[str, str]) -> dict[str, str]:
    """A VPC with a vSwitch, a security group and an ENI."""
    vpc = api.call("vpc", "CreateVpc", VpcName=name, CidrBlock="172.31.0.0/16", **tags(owner))
    switch = api.call(
        "vpc",
        "CreateVSwitch",
        VpcId=vpc["VpcId"],
        ZoneId="cn-hangzhou-i",
        CidrBlock="172.31.192.0/20",
        VSwitchName=f"{name}-primary-cn-hangzhou-i",
    )
    group = api.call("ecs", "CreateSecurityGroup", VpcId=vpc["VpcId"], **tags(owner))
    eni = api.call(
        "ecs",
        "CreateNetworkInterface",
        VSwitchId=switch["VSwitchId"],
        SecurityGroupId=group["SecurityGroupId"],
        **tags(owner),
    )
    return {
        "VPC": vpc["VpcId"],
        "vSwitch": switch["VSwitchId"],
        "security group": group["SecurityGroupId"],
        "network interface": eni["NetworkInterfaceId"],
    }


def make_balancers(api: OfficialApi, network: dict[str, str]) -> dict[str, str]:
    """A CLB with an EIP, an NLB and a security group, tagged as the cloud controller does."""
    clb = api.call(
        "slb",
        "CreateLoadBalancer",
        LoadBalancerName="a0123",
        AddressType="intranet",
        VSwitchId=network["vSwitch"],
        DeleteProtection="on",
        ModificationProtectionStatus="ConsoleProtection",
    )["LoadBalancerId"]
    api.call(
        "slb",
        "TagResources",
        **{"ResourceId.1": clb, "ResourceType": "instance", **tags(CONTROLLER)},
    )
    eip = api.call("vpc", "AllocateEipAddress")["AllocationId"]
    api.call(
        "vpc",
        "TagResources",
        **{"ResourceId.1": eip, "ResourceType": "EIP", **tags(CONTROLLER)},
    )
    api.call(
        "vpc",
        "AssociateEipAddress",
        AllocationId=eip,
        InstanceId=clb,
        InstanceType="SlbInstance",
    )
    second = api.call(
        "vpc",
        "CreateVSwitch",
        VpcId=network["VPC"],
        ZoneId="cn-hangzhou-h",
        CidrBlock="172.31.208.0/20",
    )["VSwitchId"]
    api.call(
        "vpc", "TagResources", **{"ResourceId.1": second, "ResourceType": "VSWITCH", **tags(OURS)}
    )
    nlb = api.call(
        "nlb",
        "CreateLoadBalancer",
        VpcId=network["VPC"],
        AddressType="Intranet",
        **{
            "ZoneMappings.1.ZoneId": "cn-hangzhou-i",
            "ZoneMappings.1.VSwitchId": network["vSwitch"],
            "ZoneMappings.2.ZoneId": "cn-hangzhou-h",
            "ZoneMappings.2.VSwitchId": second,
            "DeletionProtectionConfig.Enabled": "true",
        },
        **tags(CONTROLLER),
    )["LoadbalancerId"]
    group = api.call(
        "ecs",
        "CreateSecurityGroup",
        VpcId=network["VPC"],
        SecurityGroupType="enterprise",
        **tags(CONTROLLER),
    )
    return {
        "load balancer": clb,
        "EIP": eip,
        "network load balancer": nlb,
        "security group": group["SecurityGroupId"],
        "second vSwitch": second,
    }


def swept(light: LightCloud, *argv: str, status: int) -> list[dict[str, Any]]:
    done = light.operations("sweep", "--json", *argv)
    assert done.status == status, done.transcript
    leftovers = json.loads(done.out)["leftovers"]
    assert isinstance(leftovers, list)
    return leftovers


def test_leftovers_are_listed_and_removed_and_nothing_else(
    light: LightCloud, api: OfficialApi
) -> None:
    others = make_network(api, "other", {"team": "another"})
    bound = api.call("vpc", "AllocateEipAddress", Name="guide-nat")["AllocationId"]
    balancer = api.call(
        "slb", "CreateLoadBalancer", AddressType="intranet", VSwitchId=others["vSwitch"]
    )["LoadBalancerId"]
    api.call(
        "vpc",
        "AssociateEipAddress",
        AllocationId=bound,
        InstanceId=balancer,
        InstanceType="SlbInstance",
    )
    foreign = light.alive()

    ours = make_network(api, "guide", OURS)
    controllers = make_balancers(api, ours)
    api.call(
        "ram",
        "CreateRole",
        RoleName="guide-cn-hangzhou-ccm",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "1",
                "Statement": [
                    {
                        "Action": "sts:AssumeRole",
                        "Effect": "Allow",
                        "Principal": {"Service": ["ecs.aliyuncs.com"]},
                    }
                ],
            }
        ),
    )
    lost = api.call("vpc", "AllocateEipAddress", Name="guide-nat")["AllocationId"]

    listed = {item["id"] for item in swept(light, status=LEFTOVERS)}
    expected = {*ours.values(), *controllers.values(), "guide-cn-hangzhou-ccm", lost}
    assert listed == expected
    assert all(i in str(light.alive()) for i in expected), "listing alone removed something"

    assert all(item["removed"] for item in swept(light, "--yes", status=0))
    assert swept(light, status=0) == []
    assert {k: ids for k, ids in light.alive().items() if k != "NlbJob"} == foreign


def test_an_unknown_stack_is_not_taken_for_one_without_resources(light: LightCloud) -> None:
    done = light.cloud.on_stack_file("sweep", "--stack", "elsewhere", "--yes", deadline=120)
    assert done.status == 2, done.transcript
    assert "--stack-removed" in done.err
