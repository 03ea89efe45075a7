"""Tags of CLB resources."""

from __future__ import annotations

from typing import Final

from localcloud.products.tagged import Codes, Tagging
from localcloud.requests import tags

from .entities import AccessControlList, LoadBalancer, VServerGroup

TAG_CODES: Final = tags.Codes(
    too_many="SizeLimitExceeded.Tag",
    full="QuotaLimitExceeds",
    twice="Duplicate.TagKey",
    key="InvalidParam.TagKey",
    value="InvalidParam.TagValue",
    kept_values=tags.KEPT,
)
"""The codes of TagResources, shared by the actions that create something with tags."""

TAGGING: Final = Tagging(
    kinds={"ACL": AccessControlList, "INSTANCE": LoadBalancer, "VSERVERGROUP": VServerGroup},
    codes=Codes(
        unknown_type=("InvalidParam.ResourceType", 400),
        unknown_resource=("ResourceNotExist", 400),
        too_many_resources="SizeLimitExceeded.ResourceId",
        nothing_named=("MissingParam.TagOrResourceId", 400),
        tags=TAG_CODES,
    ),
).actions()
