"""Security groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import filters, resource_groups
from localcloud.products.nlb.entities import NetworkLoadBalancer
from localcloud.products.pages import Table, TokenRequest
from localcloud.products.updates import requested
from localcloud.products.vpc import vpcs
from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

from . import existing, names
from .entities import NetworkInterface, SecurityGroup

_ENTERPRISE: Final = "enterprise"
_LONGEST_DESCRIPTION: Final = 512


@dataclass(frozen=True, kw_only=True)
class CreateSecurityGroup:
    """Parameters of CreateSecurityGroup."""

    vpc_id: str | None = None
    region_id: str | None = None
    security_group_name: str = ""
    description: str = ""
    security_group_type: str = "normal"
    resource_group_id: str = ""
    service_managed: bool | None = None
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_security_group(call: Call, request: CreateSecurityGroup) -> Answer:
    """Create a security group in a VPC. The members of a normal group reach each other."""
    if not request.vpc_id:
        # Error table of the action: "The VpcId must not empty when only support vpc vm."
        raise ApiError(
            "InvalidVpcId.NotFound", "The account has no classic network, so VpcId is needed.", 403
        )
    vpc = vpcs.find(call, request.vpc_id)
    resource_groups.require_of_ecs(request.resource_group_id)
    names.check_security_group(request.security_group_name, request.description)
    if request.security_group_type not in {"normal", _ENTERPRISE}:
        raise ApiError(
            "InvalidParams.GroupType",
            f"SecurityGroupType {request.security_group_type[:40]!r} must be normal or enterprise.",
        )
    group = call.store.put(
        SecurityGroup(
            id=call.new_id("sg"),
            vpc_id=vpc.id,
            name=request.security_group_name,
            description=request.description,
            kind=request.security_group_type,
            inner_policy="Accept" if request.security_group_type == "normal" else "Drop",
            resource_group_id=request.resource_group_id,
            created=call.now,
            tags=tags.requested(request.tag, tags.CREATING),
        )
    )
    return {"SecurityGroupId": group.id}


@dataclass(frozen=True, kw_only=True)
class DescribeSecurityGroups(TokenRequest):
    """Parameters of DescribeSecurityGroups."""

    region_id: str | None = None
    security_group_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    security_group_name: str | None = None
    security_group_type: str | None = None
    vpc_id: str | None = None
    network_type: str | None = None
    resource_group_id: str | None = None
    is_query_ecs_count: bool | None = None
    fuzzy_query: bool | None = None
    tag: tuple[TagParameter, ...] = ()


def _group_shown(call: Call, g: SecurityGroup) -> dict[str, object]:
    return {
        "SecurityGroupId": g.id,
        "SecurityGroupName": g.name,
        "Description": g.description,
        "SecurityGroupType": g.kind,
        "VpcId": g.vpc_id,
        "CreationTime": moment(g.created),
        "EcsCount": call.store.size(NetworkInterface, "group", g.id),
        "AvailableInstanceAmount": 2000,
        "RuleCount": len(g.rules),
        "GroupToGroupRuleCount": sum(bool(rule.group_id) for rule in g.rules),
        "ResourceGroupId": g.resource_group_id,
        "ServiceManaged": False,
        "Tags": tags.ecs(g.tags),
    }


# The page of the list and that of the attribute spell their codes so.
_TABLE: Final = Table(
    "SecurityGroups",
    "SecurityGroup",
    _group_shown,
    codes=paging.TokenCodes(token="InValidParameter.NextToken"),  # noqa: S106  # an error code
)


@action()
def describe_security_groups(call: Call, request: DescribeSecurityGroups) -> Answer:
    """List security groups by filter."""
    groups = [
        g
        for g in call.store.all(SecurityGroup)
        if filters.equal(request.security_group_id, g.id)
        and filters.among(request.security_group_ids, g.id)
        and filters.equal(request.security_group_name, g.name)
        and filters.equal(request.security_group_type, g.kind)
        and filters.equal(request.vpc_id, g.vpc_id)
        and filters.equal(request.network_type, "vpc")
        and resource_groups.is_shown(request.resource_group_id, g.resource_group_id)
        and tags.match(g.tags, request.tag)
    ]
    return {**_TABLE.listed(call, groups, request), "RegionId": call.cloud.region}


@dataclass(frozen=True, kw_only=True)
class ModifySecurityGroupAttribute:
    """Parameters of ModifySecurityGroupAttribute."""

    security_group_id: str
    region_id: str | None = None
    security_group_name: str | None = None
    description: str | None = None


@action(writes=True)
def modify_security_group_attribute(call: Call, request: ModifySecurityGroupAttribute) -> Answer:
    """Rename a security group."""
    names.check_security_group(request.security_group_name or "", request.description or "")
    group = existing.security_group(call, request.security_group_id)
    call.store.change(
        group, **requested(name=request.security_group_name, description=request.description)
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifySecurityGroupPolicy:
    """Parameters of ModifySecurityGroupPolicy."""

    security_group_id: str
    inner_access_policy: str
    region_id: str | None = None


@action(writes=True)
def modify_security_group_policy(call: Call, request: ModifySecurityGroupPolicy) -> Answer:
    """Set whether the members of a group reach each other."""
    group = existing.security_group(call, request.security_group_id)
    if group.kind == _ENTERPRISE:
        raise ApiError(
            "InvalidParameter.InnerAccessPolicy",
            "The InnerAccessPolicy of an enterprise security group cannot be changed.",
            404,
        )
    policy = request.inner_access_policy.capitalize()
    if policy not in {"Accept", "Drop"}:
        raise ApiError(
            "InvalidPolicy.Malformed",
            f"InnerAccessPolicy {request.inner_access_policy[:40]!r} must be Accept or Drop.",
        )
    call.store.change(group, inner_policy=policy)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteSecurityGroup:
    """Parameters of DeleteSecurityGroup."""

    security_group_id: str
    region_id: str | None = None


@action(writes=True)
def delete_security_group(call: Call, request: DeleteSecurityGroup) -> Answer:
    """Delete a security group that has no members and that no other group's rule names."""
    group = existing.security_group(
        call, request.security_group_id, code="InvalidSecurityGroup.NotFound"
    )
    if call.store.any(NetworkInterface, "group", group.id):
        raise ApiError(
            "DependencyViolation",
            f"There is still an instance or network interface in the security group {group.id}.",
            403,
        )
    if call.store.any(NetworkLoadBalancer, "group", group.id):
        raise ApiError(
            "DependencyViolation", f"There is still an NLB in the security group {group.id}.", 403
        )
    if any(g.id != group.id for g in call.store.where(SecurityGroup, "refers", group.id)):
        raise ApiError(
            "DependencyViolation",
            f"The security group {group.id} is authorized in another security group.",
            403,
        )
    call.store.remove(group)
    return {}
