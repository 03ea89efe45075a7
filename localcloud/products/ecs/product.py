"""ECS, API version 2014-05-26."""

from __future__ import annotations

from typing import Final

from localcloud.actions import Product

from . import instances, interfaces, key_pairs, offers, security_groups, tagging

PRODUCT: Final = Product.of(
    "Ecs",
    "2014-05-26",
    (security_groups, interfaces, instances, key_pairs, offers, tagging),
)
