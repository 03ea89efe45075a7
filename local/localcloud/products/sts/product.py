"""STS, API version 2015-04-01."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Product

from . import tokens

PRODUCT: Final = Product.of("Sts", "2015-04-01", (tokens,))
