"""Tags of NLB resources. Rows contain the account, and answers contain the number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from localcloud.products.tagged import Codes, Listing, Tagging
from localcloud.requests import tags
from localcloud.requests.actions import Call

from .entities import NetworkLoadBalancer, NlbListener, NlbServerGroup

_USUAL_ROWS: Final = 1000
_ILLEGAL: Final = "IllegalParam"
TAG_CODES: Final = tags.Codes(
    too_many=_ILLEGAL,
    full=_ILLEGAL,
    twice=_ILLEGAL,
    key=_ILLEGAL,
    value=_ILLEGAL,
    kept_values=tags.KEPT,
)
"""The error tables of TagResources and of the actions that create have one code for all causes."""


def _shown(call: Call, request: Listing, part: Sequence[Any]) -> Mapping[str, object]:
    own = {
        "AliUid": int(call.cloud.account_id),
        "Category": "Custom",
        "RegionNo": call.cloud.region,
        "Scope": "public",
    }
    return {
        "TagResources": [{**row, **own} for row in part],
        "MaxResults": request.limit or _USUAL_ROWS,
        "TotalCount": len(part),
    }


TAGGING: Final = Tagging(
    kinds={
        "LOADBALANCER": NetworkLoadBalancer,
        "SERVERGROUP": NlbServerGroup,
        "LISTENER": NlbListener,
    },
    codes=Codes(
        unknown_type=(_ILLEGAL, 400),
        unknown_listed_type=("IllegalParam.resourceType", 400),
        unknown_resource=("ResourceNotFound.{}", 404),
        too_many_resources=_ILLEGAL,
        nothing_named=("MissingParam.ResourceId", 400),
        tags=TAG_CODES,
    ),
    show=_shown,
    names={
        NetworkLoadBalancer: "loadBalancer",
        NlbServerGroup: "serverGroup",
        NlbListener: "listener",
    },
).actions()
