"""BssOpenApi, API version 2017-12-14."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Product

from . import purchases

PRODUCT: Final = Product.of("BssOpenApi", "2017-12-14", (purchases,))
