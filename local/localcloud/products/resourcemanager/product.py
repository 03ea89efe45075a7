"""ResourceManager, API version 2020-03-31."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Product

from . import groups

PRODUCT: Final = Product.of("ResourceManager", "2020-03-31", (groups,))
