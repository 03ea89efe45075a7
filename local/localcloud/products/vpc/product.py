"""VPC, API version 2016-04-28."""

from __future__ import annotations

from typing import Final

from localcloud.actions import Call, Product

from . import eips, ipv6, nat_gateways, route_tables, tagging, vpcs, vswitches


def _settle(call: Call) -> None:
    """Remove what deletions have ended, the contained before what contains it."""
    nat_gateways.settle(call)
    ipv6.settle(call)
    vswitches.settle(call)
    vpcs.settle(call)


PRODUCT: Final = Product.of(
    "Vpc",
    "2016-04-28",
    (vpcs, vswitches, nat_gateways, eips, ipv6, route_tables, tagging),
    settle=_settle,
)
