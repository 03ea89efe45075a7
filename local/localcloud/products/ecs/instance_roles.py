"""RAM roles of instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.actions import Answer, Call, action
from localcloud.products.pages import PageRequest, Table
from localcloud.wire.errors import ApiError

from . import existing
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
    """Attach a RAM role to instances. An instance has at most one."""
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
    """Detach the RAM role from instances."""
    for instance_id in request.instance_ids:
        instance = existing.instance(call, instance_id)
        call.store.change(instance, ram_role=None)
    return _role_results(request.instance_ids, "Detach", request.ram_role_name or "")


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceRamRole(PageRequest):
    """Parameters of DescribeInstanceRamRole."""

    region_id: str | None = None
    instance_ids: tuple[str, ...] = ()
    ram_role_name: str | None = None


def _shown(_call: Call, instance: Instance) -> dict[str, object]:
    role = {"RamRoleName": instance.ram_role} if instance.ram_role else {}
    return {"InstanceId": instance.id, **role}


_TABLE: Final = Table("InstanceRamRoleSets", "InstanceRamRoleSet", _shown, most=50)


@action()
def describe_instance_ram_role(call: Call, request: DescribeInstanceRamRole) -> Answer:
    """The RAM role of each instance. An instance without a role is listed without a name.

    The provider takes a missing name for "no role" (v1.285.0,
    `alicloud/service_alicloud_ecs_v2.go`).
    """
    if request.instance_ids:
        instances = several(call, request.instance_ids)
    else:
        instances = call.store.where(Instance, "role", request.ram_role_name or "")
    return {**_TABLE.numbered(call, instances, request), "RegionId": call.cloud.region}
