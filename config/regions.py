"""Regions and zones of Alibaba Cloud, as far as they are known without asking.

Source: Alibaba Cloud, "Regions and zones" (ECS documentation). The letters are those of zones that
are known to exist; they serve proposals only. A zone belongs to a region by its name, and new
letters come more often than this file.
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


def zone_in(region: str, letter: str) -> str:
    """A zone's name: `cn-hangzhou-i`, but `eu-central-1a` where the region ends in a number."""
    return f"{region}{letter}" if region[-1:].isdigit() else f"{region}-{letter}"


def is_zone_of(zone: str, region: str) -> bool:
    """Whether a zone's name says that it lies in a region."""
    return re.fullmatch(zone_in(re.escape(region), "[a-z]"), zone) is not None


def zones_of(region: str) -> tuple[str, ...]:
    """The known zones of a region."""
    return tuple(zone_in(region, letter) for letter in ZONE_LETTERS.get(region, ""))
