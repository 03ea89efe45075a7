"""The security groups of an NLB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.ecs.entities import SecurityGroup
from localcloud.products.nlb.load_balancer import load_balancers
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

_MOST: Final = 4


@dataclass(frozen=True, kw_only=True)
class LoadBalancerJoinSecurityGroup:
    """Parameters of LoadBalancerJoinSecurityGroup."""

    load_balancer_id: str
    security_group_ids: tuple[str, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class LoadBalancerLeaveSecurityGroup:
    """Parameters of LoadBalancerLeaveSecurityGroup."""

    load_balancer_id: str
    security_group_ids: tuple[str, ...]
    region_id: str | None = None


@action(writes=True)
def join(call: Call, request: LoadBalancerJoinSecurityGroup) -> Answer:
    """Add an NLB to security groups of its VPC."""
    balancer = load_balancers.ready(call, request.load_balancer_id)
    for group_id in request.security_group_ids:
        group = call.store.find(SecurityGroup, group_id)
        if group is None:
            raise ApiError(
                "ResourceNotFound.SecurityGroup",
                f"The specified resource of SecurityGroup {group_id!r} is not found.",
                404,
            )
        if group.vpc_id != balancer.vpc_id:
            raise ApiError(
                "Mismatch.vpc", f"The Vpc is mismatched for {group.id} and {balancer.id}."
            )
        if group.id in balancer.security_group_ids:
            raise ApiError(
                "Conflict.SecurityGroup",
                f"The SecurityGroup [{group.id}] is conflict: {balancer.id} has it already.",
            )
    joined = (*balancer.security_group_ids, *dict.fromkeys(request.security_group_ids))
    if len(joined) > _MOST:
        raise ApiError(
            "QuotaExceeded.QuotaInsufficient",
            f"The quota of security groups is exceeded, usage {len(joined)}/{_MOST}.",
        )
    name = "LoadBalancerJoinSecurityGroup"
    return load_balancers.configure(call, balancer, name, security_group_ids=joined)


@action(writes=True)
def leave(call: Call, request: LoadBalancerLeaveSecurityGroup) -> Answer:
    """Remove an NLB from security groups."""
    balancer = load_balancers.ready(call, request.load_balancer_id)
    for group_id in request.security_group_ids:
        if group_id not in balancer.security_group_ids:
            raise ApiError(
                "ResourceNotFound.SecurityGroup",
                f"{balancer.id} is not in the security group {group_id!r}.",
                404,
            )
    left = tuple(g for g in balancer.security_group_ids if g not in request.security_group_ids)
    name = "LoadBalancerLeaveSecurityGroup"
    return load_balancers.configure(call, balancer, name, security_group_ids=left)
