"""Quotas of VPC that no recorded behaviour touches."""

from __future__ import annotations

import pytest

from tests.localcloud.products.test_ecs_by_sdk import ZONE
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


def test_an_account_has_ten_vpcs(api: Api) -> None:
    for _ in range(10):
        api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")
    with refused("QuotaExceeded.Vpc"):
        api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")


def test_a_vpc_has_a_hundred_and_fifty_vswitches(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    where = {"VpcId": vpc, "ZoneId": ZONE}
    for number in range(150):
        api.vpc("CreateVSwitch", CidrBlock=f"10.0.{number}.0/24", **where)
    with refused("QuotaExceeded.VSwitch"):
        api.vpc("CreateVSwitch", CidrBlock="10.0.150.0/24", **where)


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ({"VpcName": "x" * 129}, "InvalidVpcName.Malformed"),
        ({"VpcName": "https://a"}, "InvalidVpcName.Malformed"),
        ({"Description": "x" * 257}, "InvalidVpcDiscription.Malformed"),
    ],
)
def test_a_vpc_has_a_name_and_a_description(api: Api, texts: dict[str, str], code: str) -> None:
    with refused(code):
        api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", **texts)


@pytest.mark.parametrize("block", ["-1", "10.0.0.0/16", "2408:4005::/48", "2408:4005:0:100::1/56"])
def test_a_vpc_has_an_ipv6_block_of_56_bits(api: Api, block: str) -> None:
    with refused("IllegalParam.Ipv6CidrBlock"):
        api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", EnableIpv6=True, Ipv6CidrBlock=block)
    vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    with refused("IllegalParam.Ipv6Cidr"):
        api.vpc("ModifyVpcAttribute", VpcId=vpc, EnableIPv6=True, Ipv6CidrBlock=block)
    with refused("IllegalParam.Ipv6CidrBlock"):
        api.vpc("AssociateVpcCidrBlock", VpcId=vpc, IpVersion="IPV6", IPv6CidrBlock=block)


@pytest.mark.parametrize("value", [{"ISP": "Fast"}, {"Netmode": "private"}])
def test_an_eip_has_a_line_that_exists(api: Api, value: dict[str, str]) -> None:
    with refused("InvalidParameter"):
        api.vpc("AllocateEipAddress", **value)
