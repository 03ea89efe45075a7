"""What the vendor's sample answers of VPC show and few tests need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.localcloud.products.test_vpc_by_sdk import ZONE, network
from tests.localcloud.sdk_api import Api

pytestmark = pytest.mark.unit
TAG = [{"Key": "a", "Value": "b"}]


def test_a_list_shows_the_ipv6_block_of_a_vpc(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", EnableIpv6=True)["VpcId"]
    (listed,) = api.vpc("DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]
    (block,) = listed["Ipv6CidrBlocks"]["Ipv6CidrBlock"]
    assert block == {"Ipv6CidrBlock": listed["Ipv6CidrBlock"], "Ipv6Isp": "BGP"}


def test_a_block_that_was_added_is_in_the_answer(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="172.31.0.0/16")["VpcId"]
    ipv4 = api.vpc("AssociateVpcCidrBlock", VpcId=vpc, SecondaryCidrBlock="192.168.0.0/16")
    assert ipv4 == {"CidrBlock": "192.168.0.0/16", "IpVersion": "IPV4"}
    ipv6 = api.vpc("AssociateVpcCidrBlock", VpcId=vpc, IpVersion="IPV6")
    shown = api.vpc("DescribeVpcAttribute", VpcId=vpc)
    assert ipv6 == {"CidrBlock": shown["Ipv6CidrBlock"], "IpVersion": "IPV6"}


def test_a_route_shows_since_when_it_is_there(api: Api) -> None:
    began = datetime.now(UTC).replace(second=0, microsecond=0)
    vpc, vswitch = network(api)
    gateway = api.vpc("CreateNatGateway", VpcId=vpc, VSwitchId=vswitch, NatType="Enhanced")
    table = api.vpc("DescribeRouteTableList", VpcId=vpc)["RouterTableList"]["RouterTableListType"]
    entries = api.vpc("DescribeRouteEntryList", RouteTableId=table[0]["RouteTableId"])
    routes = entries["RouteEntrys"]["RouteEntry"]
    assert gateway["NatGatewayId"] in [r["NextHops"]["NextHop"][0]["NextHopId"] for r in routes]
    times = [datetime.strptime(r["GmtModified"], "%Y-%m-%dT%H:%M%z") for r in routes]
    assert len(times) == 3
    assert all(began <= time <= began + timedelta(minutes=5) for time in times)


def test_everything_that_can_have_tags_shows_them(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="172.31.0.0/16", EnableIpv6=True)["VpcId"]
    vswitch = api.vpc(
        "CreateVSwitch",
        VpcId=vpc,
        CidrBlock="172.31.0.0/20",
        ZoneId=ZONE,
        Ipv6CidrBlock=1,
        Tag=TAG,
    )["VSwitchId"]
    assert api.vpc("DescribeVSwitchAttributes", VSwitchId=vswitch)["Tags"]["Tag"] == TAG
    (listed,) = api.vpc("DescribeVSwitches", VSwitchId=vswitch)["VSwitches"]["VSwitch"]
    assert listed["Tags"]["Tag"] == TAG
    api.vpc(
        "CreateVSwitchCidrReservation",
        VSwitchId=vswitch,
        VSwitchCidrReservationCidr="172.31.1.0/24",
        Tag=TAG,
    )
    (reservation,) = api.vpc("ListVSwitchCidrReservations")["VSwitchCidrReservations"]
    assert reservation["Tags"] == TAG
    api.vpc("AllocateEipAddress", Tag=TAG)
    (eip,) = api.vpc("DescribeEipAddresses")["EipAddresses"]["EipAddress"]
    assert eip["Tags"]["Tag"] == TAG
    api.vpc("CreateNatGateway", VpcId=vpc, VSwitchId=vswitch, NatType="Enhanced", Tag=TAG)
    (nat,) = api.vpc("DescribeNatGateways")["NatGateways"]["NatGateway"]
    assert nat["Tags"]["Tag"] == [{"TagKey": "a", "TagValue": "b"}]
    gateway = api.vpc("CreateIpv6Gateway", VpcId=vpc, Tag=TAG)["Ipv6GatewayId"]
    shown = api.vpc("DescribeIpv6GatewayAttribute", Ipv6GatewayId=gateway)
    (listed,) = api.vpc("DescribeIpv6Gateways")["Ipv6Gateways"]["Ipv6Gateway"]
    assert shown["Tags"]["Tag"] == listed["Tags"]["Tag"] == TAG
    api.vpc("AllocateIpv6Address", VSwitchId=vswitch, Tag=TAG)
    (address,) = api.vpc("DescribeIpv6Addresses")["Ipv6Addresses"]["Ipv6Address"]
    assert address["Tags"]["Tag"] == TAG


def test_a_list_of_tags_goes_on_by_token(api: Api) -> None:
    tags = [*TAG, {"Key": "c", "Value": "d"}]
    vpc = api.vpc("CreateVpc", CidrBlock="172.31.0.0/16", Tag=tags)["VpcId"]
    named = {"ResourceType": "VPC", "ResourceId": [vpc], "MaxResults": 1}
    first = api.vpc("ListTagResources", **named)
    rest = api.vpc("ListTagResources", NextToken=first["NextToken"], **named)
    rows = [page["TagResources"]["TagResource"][0]["TagKey"] for page in (first, rest)]
    assert rows == ["a", "c"]
