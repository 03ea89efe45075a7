"""Quotas of VPC that no recorded behaviour touches."""

from __future__ import annotations

import pytest

from tests.localcloud.sdk_api import Api, refused
from tests.localcloud.test_ecs_by_sdk import ZONE

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
