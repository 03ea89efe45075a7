"""IPv4 ranges that have a meaning of their own, in a VPC or everywhere."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Final

EVERYWHERE: Final = IPv4Network("0.0.0.0/0")
LINK_LOCAL: Final = IPv4Network("169.254.0.0/16")

CLOUD_SERVICES: Final = IPv4Network("100.64.0.0/10")
"""Alibaba Cloud's own services: metadata, DNS, mirrors. A CLB's packets and health checks reach
their backends from here, too ("FAQ about CLB health checks",
https://www.alibabacloud.com/help/en/slb/health-check-causes-processing-of-a-large-number-of-logs)."""

METADATA_SERVICE: Final = IPv4Address("100.100.100.200")
"""An instance's metadata, user-data and RAM role credentials (ECS, "Instance metadata",
https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata). The service has no IPv6
address: that page does not list one, and cloud-init does not either (`metadata_urls` of
DataSourceAliYun.py; its sources for other clouds have IPv6 addresses). The cloud's name servers,
100.100.2.136 and 100.100.2.138 (`dns-conf/nameservers` there), NTP and mirrors have other
addresses."""

SPECIAL: Final = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    LINK_LOCAL,
    IPv4Network("224.0.0.0/3"),
)
"""Addresses that no host can have in a network of its own: this network, loopback, link-local,
multicast and the reserved part above it (RFC 6890, RFC 5771)."""

NOT_IN_A_VPC: Final = (CLOUD_SERVICES, *SPECIAL)
"""Ranges that no VPC can have ("VPCs and vSwitches",
https://www.alibabacloud.com/help/en/vpc/vpc-and-vswitch): multicast, which it names as 224.0.0.0/4,
and the reserved part above it are one range here."""
