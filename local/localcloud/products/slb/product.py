"""CLB, API version 2014-05-15."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Product

from . import (
    access_control_lists,
    certificates,
    default_servers,
    domain_extensions,
    health,
    listeners,
    load_balancers,
    older_tags,
    places,
    rules,
    tagging,
    vserver_groups,
)

PRODUCT: Final = Product.of(
    "Slb",
    "2014-05-15",
    (
        load_balancers,
        default_servers,
        listeners,
        vserver_groups,
        rules,
        certificates,
        domain_extensions,
        access_control_lists,
        health,
        tagging,
        older_tags,
        places,
    ),
)
