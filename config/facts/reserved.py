"""Addresses of a vSwitch that Alibaba Cloud keeps for itself, and the size of an IP prefix."""

from __future__ import annotations

from typing import Final

RESERVED_AT_START: Final = 1
RESERVED_AT_END: Final = 3
"""The first address and the last three. The gateway is the third from the end.

Source: "Use a reserved CIDR block to assign an IP prefix to an ENI",
https://www.alibabacloud.com/help/en/vpc/user-guide/use-a-reserved-network-segment-to-assign-a-prefix-address-segment-to-an-eni."""

PREFIX_LENGTH: Final = 28
PREFIX_SIZE: Final = 2 ** (32 - PREFIX_LENGTH)
"""Addresses in one IPv4 prefix of an ENI ("IP prefixes",
https://www.alibabacloud.com/help/en/ecs/user-guide/ip-prefix)."""
