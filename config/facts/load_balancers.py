"""Bounds of load balancers, and the nodes that they leave out."""

from __future__ import annotations

from typing import Final

EXCLUDING_LABELS: Final = frozenset(
    {
        "alpha.service-controller.kubernetes.io/exclude-balancer",
        "node.kubernetes.io/exclude-from-external-load-balancers",
        "service.alibabacloud.com/exclude-node",
        "service.beta.kubernetes.io/exclude-node",
    }
)
"""Labels of nodes that the cloud controller takes out of every load balancer."""
LISTENERS: Final = 50
"""Of a CLB and of an NLB, by default: `slb_quota_listeners_num` of
https://www.alibabacloud.com/help/en/slb/classic-load-balancer/user-guide/quotas (2025-06) and
`nlb_quota_loadbalancer_listeners_num` of
https://www.alibabacloud.com/help/en/slb/network-load-balancer/user-guide/nlb-quotas."""
BACKEND_SERVERS: Final = {"clb": 200, "nlb": 400}
"""Of one load balancer, by default; the same pages (`slb_quota_backendservers_num`)."""

ENTRIES_OF_A_LIST: Final = 10
"""The entries that the provider sees. It reads a list with DescribeAccessControlListAttribute and
without a page (terraform-provider-alicloud 1.285.0, `service_alicloud_slb.go`,
DescribeSlbAclEntryAttachment), and the default of PageSize is 10
(https://www.alibabacloud.com/help/en/slb/classic-load-balancer/developer-reference/api-slb-2014-05-15-describeaccesscontrollistattribute,
2026-03). It takes an entry on a later page for absent."""
LISTS_OF_A_LISTENER: Final = 3
"""https://www.alibabacloud.com/help/en/slb/classic-load-balancer/user-guide/overview-3"""
ENTRIES_OF_A_LISTENER: Final = ENTRIES_OF_A_LIST * LISTS_OF_A_LISTENER
