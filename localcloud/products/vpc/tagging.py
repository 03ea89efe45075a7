"""Tags of VPC resources."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.actions import Answer, Call, action
from localcloud.products import tagged
from localcloud.products.tagged import ListTagResources, TagResources, UntagResources

from .entities import CidrReservation, Eip, Ipv6Address, Ipv6Gateway, NatGateway, Vpc, VSwitch

_KINDS = {
    "VPC": Vpc,
    "VSWITCH": VSwitch,
    "EIP": Eip,
    "NATGATEWAY": NatGateway,
    "IPV6GATEWAY": Ipv6Gateway,
    "IPV6ADDRESS": Ipv6Address,
    "VSWITCHCIDRRESERVATION": CidrReservation,
}


@action(writes=True)
def tag_resources(call: Call, request: TagResources) -> Answer:
    """Add tags."""
    return tagged.add(call, request, _KINDS)


@dataclass(frozen=True, kw_only=True)
class UnTagResources(UntagResources):
    """Parameters of UnTagResources: VPC spells the action with a capital T, ECS does not."""


@action(writes=True)
def untag_resources(call: Call, request: UnTagResources) -> Answer:
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
