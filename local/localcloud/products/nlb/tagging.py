"""Tags of NLB resources. Rows contain the account, and answers contain the number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from localcloud import tags
from localcloud.actions import Call
from localcloud.products.tagged import Codes, Listing, Tagging

from .entities import NetworkLoadBalancer, NlbListener, NlbServerGroup

_USUAL_ROWS: Final = 1000


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
        unknown_type=("IllegalParam.resourceType", 400),
        unknown_resource=("ResourceNotFound.{}", 404),
        too_many_resources="IllegalParam",
        nothing_named=("MissingParam.ResourceId", 400),
        tags=tags.Codes(
            too_many="IllegalParam",
            full="IllegalParam",
            twice="IllegalParam",
            key="IllegalParam",
            value="IllegalParam",
        ),
    ),
    show=_shown,
).actions()
