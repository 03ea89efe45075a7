"""The security groups of an ENI."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import NetworkInterface
from localcloud.products.ecs.interface.interfaces import MULTIPLE_TYPES, check_groups
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class JoinSecurityGroup:
    """Parameters of JoinSecurityGroup."""

    security_group_id: str
    instance_id: str | None = None
    network_interface_id: str | None = None
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class LeaveSecurityGroup(JoinSecurityGroup):
    """Parameters of LeaveSecurityGroup."""


def _member(call: Call, request: JoinSecurityGroup) -> NetworkInterface:
    if request.network_interface_id:
        return existing.interface(call, request.network_interface_id)
    instance = existing.instance(call, request.instance_id or "")
    enis = call.store.where(NetworkInterface, "instance", instance.id)
    return next(e for e in enis if e.primary)


@action(writes=True)
def join_security_group(call: Call, request: JoinSecurityGroup) -> Answer:
    """Add an ENI, or an instance's primary ENI, to a security group."""
    eni = _member(call, request)
    if request.security_group_id in eni.security_group_ids:
        raise ApiError(
            "InvalidInstanceId.AlreadyExists",
            f"{eni.id} is already in the security group {request.security_group_id}.",
            403,
        )
    groups = (*eni.security_group_ids, request.security_group_id)
    check_groups(call, groups, eni.vpc_id, mixed=MULTIPLE_TYPES)
    call.store.change(eni, security_group_ids=groups)
    return {}


@action(writes=True)
def leave_security_group(call: Call, request: LeaveSecurityGroup) -> Answer:
    """Remove an ENI from a security group. An ENI cannot leave its last group."""
    existing.security_group(call, request.security_group_id)
    eni = _member(call, request)
    if request.security_group_id not in eni.security_group_ids:
        raise ApiError(
            "InstanceNotInSecurityGroup",
            f"{eni.id} is not in the security group {request.security_group_id}.",
            403,
        )
    left = tuple(g for g in eni.security_group_ids if g != request.security_group_id)
    if not left:
        raise ApiError(
            "InstanceLastSecurityGroup", f"{eni.id} must stay in one security group.", 403
        )
    call.store.change(eni, security_group_ids=left)
    return {}
