"""VPC, API version 2016-04-28."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Call, Product

from . import (
    default_network,
    eip_monitoring,
    eips,
    ipv4_gateways,
    ipv6,
    ipv6_gateways,
    nat_gateways,
    route_tables,
    snat_entries,
    tagging,
    vpcs,
    vswitches,
)


def _settle(call: Call) -> None:
    """Remove the entities whose deletion has ended, contents before their containers."""
    nat_gateways.settle(call)
    ipv6_gateways.settle(call)
    ipv4_gateways.settle(call)
    vswitches.settle(call)
    vpcs.settle(call)


PRODUCT: Final = Product.of(
    "Vpc",
    "2016-04-28",
    (
        vpcs,
        vswitches,
        default_network,
        nat_gateways,
        snat_entries,
        eips,
        eip_monitoring,
        ipv4_gateways,
        ipv6_gateways,
        ipv6,
        route_tables,
        tagging,
    ),
    settle=_settle,
)
