"""Tags of VPC resources, with the error codes of VPC's page TagResources."""

from __future__ import annotations

from typing import Final

from localcloud.products.tagged import Codes, Tagging
from localcloud.requests import tags

from .entities import (
    CidrReservation,
    Eip,
    Ipv4Gateway,
    Ipv6Address,
    Ipv6Gateway,
    NatGateway,
    Vpc,
    VSwitch,
)

TAG_CODES: Final = tags.Codes(
    too_many="SizeLimitExceeded.TagNum",
    full="QuotaExceeded.TagNum",
    twice="Forbidden.TagKey.Duplicated",
    key="InvalidTagKey",
    value="InvalidTagValue",
    kept_values=tags.KEPT,
)
"""The codes of TagResources. The pages of the actions that create list none for tags."""
_CODES: Final = Codes(
    unknown_type=("InvalidInstanceType.NotFound", 400),
    unknown_resource=("InvalidInstanceIds.NotFound", 400),
    too_many_resources="SizeLimitExceeded.ResourceId",
    nothing_named=("BothEmpty.TagsAndResources", 400),
    repeated="DuplicatedParam.ResourceIds",
    tags=TAG_CODES,
)
# VPC spells UnTagResources with a capital T. The other products do not.
TAGGING: Final = Tagging(
    kinds={
        "VPC": Vpc,
        "VSWITCH": VSwitch,
        "EIP": Eip,
        "NATGATEWAY": NatGateway,
        "IPV4GATEWAY": Ipv4Gateway,
        "IPV6GATEWAY": Ipv6Gateway,
        "IPV6ADDRESS": Ipv6Address,
        "VSWITCHCIDRRESERVATION": CidrReservation,
    },
    codes=_CODES,
    untag="UnTagResources",
).actions()
