"""Tags of CLB resources."""

from __future__ import annotations

from localcloud.actions import Answer, Call, action
from localcloud.products import tagged
from localcloud.products.tagged import ListTagResources, TagResources, UntagResources

from .entities import AccessControlList, LoadBalancer, VServerGroup

_KINDS = {"ACL": AccessControlList, "INSTANCE": LoadBalancer, "VSERVERGROUP": VServerGroup}


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
    answer: dict[str, object] = {"TagResources": {"TagResource": rows}}
    if following:
        answer["NextToken"] = following
    return answer
