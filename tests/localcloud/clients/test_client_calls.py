"""Calls as programs of others make them. Each test names the source that it was written from.

Versions: Cilium v1.18.4 (`pkg/alibabacloud/api/api.go`), Terway 89aadf8b (`pkg/aliyun/client`),
Gardener's machine-controller-manager-provider-alicloud de6c5585, cloud-provider-alibaba-cloud
eeb0ddc6.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.localcloud.products.test_ecs_by_sdk import IMAGE, Place
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
Call = Callable[..., dict[str, Any]]
TAGS = [
    {"Key": "kubernetes.io/cluster/shoot", "Value": "1"},
    {"Key": "kubernetes.io/role/worker", "Value": "1"},
]


@pytest.fixture
def place(api: Api) -> Place:
    return Place(api)


def rows(answer: Mapping[str, Any], outer: str, inner: str) -> list[dict[str, Any]]:
    return list(answer[outer][inner])


def all_by_token(call: Call, action: str, outer: str, inner: str, **query: Any) -> list[Any]:  # noqa: ANN401  # JSON
    """Read until the token is empty, as all four programs do."""
    everything: list[Any] = []
    token: str | None = None
    while token != "":
        page = call(action, **query, **({"NextToken": token} if token else {}))
        everything += rows(page, outer, inner)
        token = page["NextToken"]
    return everything


@pytest.mark.parametrize("size", [{}, {"MaxResults": 10}, {"MaxResults": 500}])
def test_enis_are_read_by_token_until_it_is_empty(place: Place, size: dict[str, int]) -> None:
    """Cilium and Terway take 500 a page; the cloud provider sets no size."""
    enis = {place.eni()["NetworkInterfaceId"] for _ in range(23)}
    read = all_by_token(
        place.api.ecs,
        "DescribeNetworkInterfaces",
        "NetworkInterfaceSets",
        "NetworkInterfaceSet",
        **size,
    )
    assert [len(read), {eni["NetworkInterfaceId"] for eni in read}] == [23, enis]


def test_enis_of_an_instance_are_read_by_a_page_of_1000(place: Place) -> None:
    """Cilium, describeNetworkInterfacesByInstance: it stops when the page was not full."""
    primary, other = (place.eni()["NetworkInterfaceId"] for _ in "ab")
    instance = place.run(primary, other)
    page = place.api.ecs(
        "DescribeNetworkInterfaces", InstanceId=instance, PageNumber=1, PageSize=1000
    )
    assert page["TotalCount"] < page["PageNumber"] * page["PageSize"]
    read = rows(page, "NetworkInterfaceSets", "NetworkInterfaceSet")
    assert {eni["NetworkInterfaceId"]: eni["Type"] for eni in read} == {
        primary: "Primary",
        other: "Secondary",
    }


def test_enis_are_found_by_the_tags_of_their_instances(place: Place) -> None:
    """Cilium, describeNetworkInterfacesFromInstances: tags, then instances, then ENIs."""
    ecs = place.api.ecs
    tagged = {place.run(Tag=TAGS) for _ in "ab"}
    place.run()
    listed = rows(
        ecs("ListTagResources", ResourceType="instance", Tag=TAGS), "TagResources", "TagResource"
    )
    assert {row["ResourceId"] for row in listed} == tagged
    page = ecs("DescribeInstances", InstanceIds=json.dumps(sorted(tagged)), PageSize=100)
    nics = [
        nic["NetworkInterfaceId"]
        for instance in rows(page, "Instances", "Instance")
        for nic in rows(instance, "NetworkInterfaces", "NetworkInterface")
    ]
    page = ecs("DescribeNetworkInterfaces", NetworkInterfaceId=nics, PageSize=100)
    read = rows(page, "NetworkInterfaceSets", "NetworkInterfaceSet")
    assert {eni["InstanceId"] for eni in read} == tagged


def test_vswitches_and_vpcs_are_read_by_pages_of_50(place: Place) -> None:
    """Cilium, GetVSwitches and GetVPCs: the free addresses decide where an ENI is created."""
    page = place.api.vpc("DescribeVSwitches", PageNumber=1, PageSize=50)
    assert page["TotalCount"] < page["PageNumber"] * page["PageSize"]
    before = rows(page, "VSwitches", "VSwitch")[0]["AvailableIpAddressCount"]
    place.eni(SecondaryPrivateIpAddressCount=3)
    page = place.api.vpc("DescribeVSwitches", PageNumber=1, PageSize=50)
    assert rows(page, "VSwitches", "VSwitch")[0]["AvailableIpAddressCount"] == before - 4
    page = place.api.vpc("DescribeVpcs", PageNumber=1, PageSize=50)
    assert [vpc["VpcId"] for vpc in rows(page, "Vpcs", "Vpc")] == [place.vpc]


def test_instance_types_are_read_by_pages_of_100(api: Api) -> None:
    """Cilium and Terway: the limits of ENIs and addresses come from here."""
    read = all_by_token(
        api.ecs, "DescribeInstanceTypes", "InstanceTypes", "InstanceType", MaxResults=100
    )
    names = [kind["InstanceTypeId"] for kind in read]
    assert sorted(set(names)) == sorted(names)
    assert all(kind["EniTotalQuantity"] >= kind["EniQuantity"] >= 1 for kind in read)
    assert all(kind["EniPrivateIpAddressQuantity"] >= 1 for kind in read)


def test_machines_are_listed_by_two_tags_without_a_page_size(place: Place) -> None:
    """Gardener, GetAllInstances in pkg/alicloud/utils.go."""
    machines = {place.run(Tag=TAGS) for _ in range(12)}
    place.run(Tag=TAGS[:1])
    read = all_by_token(place.api.ecs, "DescribeInstances", "Instances", "Instance", Tag=TAGS)
    assert [len(read), {instance["InstanceId"] for instance in read}] == [12, machines]


def test_a_parameter_that_is_empty_counts_as_left_out(place: Place) -> None:
    """Gardener, NewRunInstancesRequest in pkg/spi/spi.go: it sends what the class leaves empty."""
    answer = place.api.ecs(
        "RunInstances",
        ImageId=IMAGE,
        InstanceType="ecs.g7.large",
        VSwitchId=place.vswitch,
        SecurityGroupId=place.group,
        PrivateIpAddress="",
        InstanceChargeType="",
        InternetChargeType="",
        SpotStrategy="",
        IoOptimized="",
        KeyPairName="",
        ZoneId="",
    )
    (instance,) = answer["InstanceIdSets"]["InstanceIdSet"]
    assert place.instance(instance)["InstanceChargeType"] == "PostPaid"


def test_security_groups_are_read_by_token_without_a_page_size(place: Place) -> None:
    """The cloud provider, DescribeSecurityGroups in pkg/provider/alibaba/ecs/ecs.go."""
    for number in range(12):
        place.api.ecs(
            "CreateSecurityGroup",
            VpcId=place.vpc,
            SecurityGroupName=f"service-{number}",
            Tag=TAGS[:1],
        )
    read = all_by_token(
        place.api.ecs, "DescribeSecurityGroups", "SecurityGroups", "SecurityGroup", Tag=TAGS[:1]
    )
    names = {group["SecurityGroupName"] for group in read}
    assert names == {f"service-{number}" for number in range(12)}


def test_an_eni_is_found_by_the_address_of_a_pod(place: Place) -> None:
    """The cloud provider, DescribeNetworkInterfaces in pkg/provider/alibaba/ecs/ecs.go."""
    eni = place.eni(PrivateIpAddress=["172.31.193.7"])["NetworkInterfaceId"]
    query = {
        "VpcId": place.vpc,
        "Status": "InUse",
        "PrivateIpAddress": ["172.31.193.7", "172.31.193.99"],
        "MaxResults": 100,
    }
    page = place.api.ecs("DescribeNetworkInterfaces", **query)
    assert rows(page, "NetworkInterfaceSets", "NetworkInterfaceSet") == []
    place.run(eni)
    page = place.api.ecs("DescribeNetworkInterfaces", **query)
    (shown,) = rows(page, "NetworkInterfaceSets", "NetworkInterfaceSet")
    assert shown["NetworkInterfaceId"] == eni


def test_a_call_that_was_refused_can_be_repeated_by_its_token(place: Place) -> None:
    """Terway, options.go and token.go: it puts the ClientToken of a failed call back."""
    small = place.api.vpc(
        "CreateVSwitch",
        VpcId=place.vpc,
        CidrBlock="172.31.0.0/28",
        ZoneId="cn-hangzhou-h",
    )["VSwitchId"]
    fills = place.eni(VSwitchId=small, SecondaryPrivateIpAddressCount=11)["NetworkInterfaceId"]
    request = {"VSwitchId": small, "ClientToken": "0d7bc57e-4f14-4ba5-9a49-5c0a4a3c0a11"}
    with refused("InvalidVSwitchId.IpNotEnough"):
        place.eni(**request)
    place.api.ecs("DeleteNetworkInterface", NetworkInterfaceId=fills)
    assert place.eni(**request)["NetworkInterfaceId"] == place.eni(**request)["NetworkInterfaceId"]
