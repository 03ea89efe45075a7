"""NLB, API version 2022-04-30."""

from __future__ import annotations

from typing import Final

from localcloud.products.nlb import endings, jobs, places, tagging
from localcloud.products.nlb.listener import certificates, health, listeners
from localcloud.products.nlb.load_balancer import load_balancers, protection, security_groups, zones
from localcloud.products.nlb.server_group import server_groups, servers
from localcloud.requests.actions import Product

PRODUCT: Final = Product.of(
    "Nlb",
    "2022-04-30",
    (
        load_balancers,
        zones,
        protection,
        security_groups,
        server_groups,
        servers,
        listeners,
        certificates,
        health,
        jobs,
        tagging,
        places,
    ),
    settle=endings.settle,
)
