"""CLB, API version 2014-05-15."""

from __future__ import annotations

from typing import Final

from localcloud.actions import Product

from . import listeners, load_balancers, tagging, vserver_groups

PRODUCT: Final = Product.of(
    "Slb", "2014-05-15", (load_balancers, listeners, vserver_groups, tagging)
)
