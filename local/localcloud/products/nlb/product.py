"""NLB, API version 2022-04-30."""

from __future__ import annotations

from typing import Final

from localcloud.actions import Product

from . import (
    certificates,
    endings,
    health,
    jobs,
    listeners,
    load_balancers,
    places,
    protection,
    security_groups,
    server_groups,
    servers,
    tagging,
    zones,
)

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
