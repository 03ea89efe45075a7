"""Location, API version 2015-06-12."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Product

from . import endpoints

PRODUCT: Final = Product.of("Location", "2015-06-12", (endpoints,))
