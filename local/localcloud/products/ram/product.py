"""RAM, API version 2015-05-01."""

from __future__ import annotations

from typing import Final

from localcloud.requests.actions import Product

from . import policies, roles, tagging, users

PRODUCT: Final = Product.of("Ram", "2015-05-01", (roles, policies, users, tagging))
