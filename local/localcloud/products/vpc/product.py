"""VPC, API version 2016-04-28."""

from __future__ import annotations

from typing import Final

from localcloud.actions import Product

from . import eips, ipv6, nat_gateways, route_tables, tagging, vpcs, vswitches

PRODUCT: Final = Product.of(
    "Vpc", "2016-04-28", (vpcs, vswitches, nat_gateways, eips, ipv6, route_tables, tagging)
)
