"""Regions, and the features of ECS that only some regions have."""

from __future__ import annotations

from typing import Final

REGIONS: Final = (
    "cn-hangzhou",
    "cn-shanghai",
    "cn-beijing",
    "cn-shenzhen",
    "cn-zhangjiakou",
    "cn-chengdu",
    "cn-hongkong",
    "ap-southeast-1",
    "ap-northeast-1",
    "eu-central-1",
    "us-west-1",
    "us-east-1",
)
"""Some of the regions that DescribeRegions lists."""

_RETAINING_PRIMARY: Final = frozenset(
    {
        "cn-wulanchabu",
        "cn-shenzhen",
        "cn-guangzhou",
        "cn-chengdu",
        "cn-hongkong",
        "cn-huhehaote",
        "cn-zhangjiakou",
        "cn-hangzhou",
        "cn-qingdao",
        "cn-beijing",
        "cn-shanghai",
        "cn-heyuan",
        "ap-southeast-1",
        "ap-southeast-3",
        "ap-southeast-5",
    }
)
"""Regions where a primary ENI with DeleteOnRelease=false outlives its instance: help page "Retain
and reuse an ENI" (https://www.alibabacloud.com/help/doc-detail/2938787.html, last updated
2026-02-28). The stored copy of the page ends after Jakarta, so other regions outside of China may
retain it too."""


def retains_primary_interface(region: str) -> bool:
    """Whether a primary ENI with DeleteOnRelease=false outlives its instance in the region."""
    return region in _RETAINING_PRIMARY
