"""How many rows an answer has by default and at most, as the vendor's metadata has it.

`page_sizes.tsv` has the figures of the descriptions in aliyun-openapi-meta (Apache-2.0, commit
2563691c2222 of 2026-04-21, `en-US`), for the actions that a request without a filter reaches and
whose answer names the size of the page. The maximum of DescribeIpv6Addresses is that of its schema
(metadata of 2025-12-19, as recorded in the corpus); its description has 50.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit

with Path(__file__).with_name("page_sizes.tsv").open(newline="", encoding="utf-8") as lines:
    ROWS = tuple(csv.DictReader(lines, delimiter="\t"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['product']}.{row['action']}")
def test_a_page_has_the_published_default_and_maximum(api: Api, row: dict[str, str]) -> None:
    call = getattr(api, row["product"].lower())
    most = int(row["most"])
    assert call(row["action"])[row["parameter"]] == int(row["default"])
    assert call(row["action"], **{row["parameter"]: most})[row["parameter"]] == most
    with refused("IllegalParam.MaxResults" if row["product"] == "Nlb" else "InvalidParameter"):
        call(row["action"], **{row["parameter"]: most + 1})


def with_entries(api: Api, count: int) -> str:
    acl = str(api.slb("CreateAccessControlList", AclName="office")["AclId"])
    entries = [{"entry": f"10.0.{n}.0/24"} for n in range(count)]
    for start in range(0, count, 50):
        api.slb(
            "AddAccessControlListEntry",
            AclId=acl,
            AclEntrys=json.dumps(entries[start : start + 50]),
        )
    return acl


def test_an_access_control_list_shows_ten_entries_without_a_page(api: Api) -> None:
    acl = with_entries(api, 11)
    answer = api.slb("DescribeAccessControlListAttribute", AclId=acl)
    assert answer["TotalAclEntry"] == 11
    assert len(answer["AclEntrys"]["AclEntry"]) == 10


def test_the_pages_of_an_access_control_list_have_at_most_fifty_entries(api: Api) -> None:
    acl = with_entries(api, 51)
    pages = [
        api.slb("DescribeAccessControlListAttribute", AclId=acl, Page=page, PageSize=50)
        for page in (1, 2)
    ]
    assert [len(page["AclEntrys"]["AclEntry"]) for page in pages] == [50, 1]
    with refused("InvalidParameter"):
        api.slb("DescribeAccessControlListAttribute", AclId=acl, PageSize=51)


def test_the_reservations_of_a_vswitch_come_ten_at_a_time(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
    zone = api.ecs("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    vswitch = api.vpc("CreateVSwitch", VpcId=vpc, ZoneId=zone, CidrBlock="10.0.0.0/20")["VSwitchId"]
    for _ in range(11):
        api.vpc("CreateVSwitchCidrReservation", VSwitchId=vswitch, VSwitchCidrReservationMask="28")
    answer = api.vpc("ListVSwitchCidrReservations", VSwitchId=vswitch)
    assert len(answer["VSwitchCidrReservations"]) == 10
    assert answer["NextToken"]
