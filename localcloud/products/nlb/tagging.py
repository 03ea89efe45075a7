"""Tags of NLB resources."""

from __future__ import annotations

from localcloud.actions import Answer, Call, action
from localcloud.products import tagged
from localcloud.products.tagged import ListTagResources, TagResources, UntagResources

from .entities import NetworkLoadBalancer, NlbListener, NlbServerGroup

_KINDS = {
    "LOADBALANCER": NetworkLoadBalancer,
    "SERVERGROUP": NlbServerGroup,
    "LISTENER": NlbListener,
}


@action(writes=True)
def tag_resources(call: Call, request: TagResources) -> Answer:
    """Add tags."""
    return tagged.add(call, request, _KINDS)


@action(writes=True)
def untag_resources(call: Call, request: UntagResources) -> Answer:
    """Take tags away."""
    return tagged.take(call, request, _KINDS)


@action()
def list_tag_resources(call: Call, request: ListTagResources) -> Answer:
    """The tags of resources, or the resources with tags."""
    rows, following = tagged.rows(call, request, _KINDS)
    own = {
        "AliUid": int(call.cloud.account_id),
        "Category": "Custom",
        "RegionNo": call.cloud.region,
        "Scope": "public",
    }
    answer: dict[str, object] = {
        "TagResources": [{**row, **own} for row in rows],
        "MaxResults": request.max_results or 1000,
        "TotalCount": len(rows),
    }
    if following:
        answer["NextToken"] = following
    return answer
