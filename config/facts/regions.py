"""Regions and zones of Alibaba Cloud, known without a request.

Source: Alibaba Cloud, "Regions and zones" (ECS documentation). The letters are those of known zones
and are used for proposals only. A zone's name begins with its region's; a new letter is accepted
before this file has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ZONE_LETTERS: Mapping[str, str] = {
    "ap-northeast-1": "abc",
    "ap-northeast-2": "ab",
    "ap-southeast-1": "abc",
    "ap-southeast-3": "abc",
    "ap-southeast-5": "abcd",
    "ap-southeast-6": "ab",
    "ap-southeast-7": "ab",
    "cn-beijing": "cdefghijkl",
    "cn-chengdu": "ab",
    "cn-fuzhou": "a",
    "cn-guangzhou": "ab",
    "cn-hangzhou": "bfghijk",
    "cn-heyuan": "ab",
    "cn-hongkong": "bcd",
    "cn-huhehaote": "ab",
    "cn-qingdao": "bc",
    "cn-shanghai": "befglmn",
    "cn-shenzhen": "cdef",
    "cn-wuhan-lr": "a",
    "cn-wulanchabu": "abc",
    "cn-zhangjiakou": "abc",
    "eu-central-1": "abc",
    "eu-west-1": "ab",
    "me-central-1": "ab",
    "me-east-1": "a",
    "na-south-1": "ab",
    "us-east-1": "ab",
    "us-southeast-1": "ab",
    "us-west-1": "ab",
}

KEEPS_PRIMARY_ENI = frozenset(
    {
        "ap-southeast-1",
        "ap-southeast-3",
        "ap-southeast-5",
        "cn-beijing",
        "cn-chengdu",
        "cn-guangzhou",
        "cn-hangzhou",
        "cn-heyuan",
        "cn-hongkong",
        "cn-huhehaote",
        "cn-qingdao",
        "cn-shanghai",
        "cn-shenzhen",
        "cn-wulanchabu",
        "cn-zhangjiakou",
    }
)
"""Regions in which a primary ENI with DeleteOnRelease=false outlives its instance.

Source: "Retain and reuse an ENI", https://www.alibabacloud.com/help/doc-detail/2938787.html,
updated 2026-02-28. The copy of its table that was read ends after Jakarta: other regions outside of
China may be in it. In a region that is missing here a replaced machine gets a new primary ENI with
the same addresses, which works everywhere.
"""


def keeps_primary_eni(region: str) -> bool:
    """Whether eth0's ENI outlives its instance in this region."""
    return region in KEEPS_PRIMARY_ENI


def zone_in(region: str, letter: str) -> str:
    """A zone's name: `cn-hangzhou-i`, but `eu-central-1a` where the region ends in a number."""
    return f"{region}{letter}" if region[-1:].isdigit() else f"{region}-{letter}"


def is_region(name: str) -> bool:
    """Whether a name has the form of a region's id."""
    return re.fullmatch("[a-z]{2}(-[a-z0-9]+)+", name) is not None


def is_zone_of(zone: str, region: str) -> bool:
    """Whether a zone's name is one of a region."""
    return re.fullmatch(zone_in(re.escape(region), "[a-z]"), zone) is not None


def zones_of(region: str) -> tuple[str, ...]:
    """The known zones of a region."""
    return tuple(zone_in(region, letter) for letter in ZONE_LETTERS.get(region, ""))
