"""All products and all kinds of entities of a cloud."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from localcloud.requests.actions import Product
from localcloud.requests.idempotency import Remembered

from .bss.product import PRODUCT as BSS
from .ecs import entities as ecs_entities
from .ecs.product import PRODUCT as ECS
from .location.product import PRODUCT as LOCATION
from .nlb import entities as nlb_entities
from .nlb.product import PRODUCT as NLB
from .ram import entities as ram_entities
from .ram.product import PRODUCT as RAM
from .resourcemanager.product import PRODUCT as RESOURCE_MANAGER
from .slb import entities as slb_entities
from .slb.product import PRODUCT as SLB
from .sts.product import PRODUCT as STS
from .vpc import entities as vpc_entities
from .vpc.product import PRODUCT as VPC

PRODUCTS: Final[Mapping[str, Product]] = MappingProxyType(
    {p.version: p for p in (VPC, ECS, RAM, STS, SLB, NLB, LOCATION, BSS, RESOURCE_MANAGER)}
)
"""Products by API version. Each product has its own, and some clients send only the version."""

KINDS: Final[tuple[type[object], ...]] = (
    *vpc_entities.KINDS,
    *ecs_entities.KINDS,
    *ram_entities.KINDS,
    *slb_entities.KINDS,
    *nlb_entities.KINDS,
    Remembered,
)
