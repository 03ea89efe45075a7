"""Bounds of the access control lists of a CLB listener."""

from __future__ import annotations

from typing import Final

ENTRIES_OF_A_LIST: Final = 10
"""The entries that the provider sees. It reads a list with DescribeAccessControlListAttribute and
without a page (terraform-provider-alicloud 1.285.0, `service_alicloud_slb.go`,
DescribeSlbAclEntryAttachment), and the default of PageSize is 10
(https://www.alibabacloud.com/help/en/slb/classic-load-balancer/developer-reference/api-slb-2014-05-15-describeaccesscontrollistattribute,
2026-03). It takes an entry on a later page for absent."""
LISTS_OF_A_LISTENER: Final = 3
"""https://www.alibabacloud.com/help/en/slb/classic-load-balancer/user-guide/overview-3"""
ENTRIES_OF_A_LISTENER: Final = ENTRIES_OF_A_LIST * LISTS_OF_A_LISTENER
