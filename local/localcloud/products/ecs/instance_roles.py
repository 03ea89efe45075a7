"""RAM roles of instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localcloud.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from . import existing, pages
from .entities import Instance
from .instances import several


@dataclass(frozen=True, kw_only=True)
class AttachInstanceRamRole:
    """Parameters of AttachInstanceRamRole."""

    ram_role_name: str
    instance_ids: tuple[str, ...]
    region_id: str | None = None
    policy: str | None = None


@dataclass(frozen=True, kw_only=True)
class DetachInstanceRamRole:
    """Parameters of DetachInstanceRamRole."""

    instance_ids: tuple[str, ...]
    ram_role_name: str | None = None
    region_id: str | None = None


def _role_results(ids: Sequence[str], name: str, role: str) -> dict[str, object]:
    return {
        "RamRoleName": role,
        "TotalCount": len(ids),
        "FailCount": 0,
        f"{name}InstanceRamRoleResults": {
            f"{name}InstanceRamRoleResult": [
                {"InstanceId": i, "Success": True, "Code": "200", "Message": "success"} for i in ids
            ]
        },
    }


@action(writes=True)
def attach_instance_ram_role(call: Call, request: AttachInstanceRamRole) -> Answer:
    """Give instances a RAM role, of which each has one at most."""
    existing.ecs_role(call, request.ram_role_name, untrusting_status=404)
    for instance_id in request.instance_ids:
        instance = existing.instance(call, instance_id)
        if instance.ram_role and instance.ram_role != request.ram_role_name:
            raise ApiError(
                "InvalidOperation.RamRoleAlreadyAttached",
                f"{instance.id} already has the RAM role {instance.ram_role}.",
            )
        call.store.change(instance, ram_role=request.ram_role_name)
    return _role_results(request.instance_ids, "Attach", request.ram_role_name)


@action(writes=True)
def detach_instance_ram_role(call: Call, request: DetachInstanceRamRole) -> Answer:
    """Take the RAM role from instances."""
    for instance_id in request.instance_ids:
        instance = existing.instance(call, instance_id)
        call.store.change(instance, ram_role=None)
    return _role_results(request.instance_ids, "Detach", request.ram_role_name or "")


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceRamRole:
    """Parameters of DescribeInstanceRamRole."""

    region_id: str | None = None
    instance_ids: tuple[str, ...] = ()
    ram_role_name: str | None = None
    page_number: int | None = None
    page_size: int | None = None


@action()
def describe_instance_ram_role(call: Call, request: DescribeInstanceRamRole) -> Answer:
    """Which instances have which RAM role; one without any is listed without a name.

    The provider reads a missing name as "no role" (v1.285.0,
    `alicloud/service_alicloud_ecs_v2.go`).
    """
    if request.instance_ids:
        found = several(call, request.instance_ids)
    else:
        found = call.store.where(Instance, "role", request.ram_role_name or "")
    answer = pages.numbered(
        call,
        "InstanceRamRoleSets",
        "InstanceRamRoleSet",
        found,
        request,
        lambda i: {"InstanceId": i.id} | ({"RamRoleName": i.ram_role} if i.ram_role else {}),
        most=50,
    )
    return {**answer, "RegionId": call.cloud.region}
