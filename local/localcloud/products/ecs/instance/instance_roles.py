"""RAM roles of instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import Instance
from localcloud.products.ecs.instance.instances import several
from localcloud.products.pages import PageRequest, Table
from localcloud.requests.actions import Answer, Call, action


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


def _success(instance_id: str) -> dict[str, object]:
    return {"InstanceId": instance_id, "Success": True, "Code": "200", "Message": "success"}


def _failure(instance_id: str, message: str) -> dict[str, object]:
    return {"InstanceId": instance_id, "Success": False, "Code": "400", "Message": message}


@action(writes=True)
def attach_instance_ram_role(call: Call, request: AttachInstanceRamRole) -> Answer:
    """Attach a RAM role to instances. An instance has at most one.

    The answer has a result for each instance: "If any other value [than 200] is returned, the RAM
    role failed to be bound" (intl.en-US/API Reference/Instances/AttachInstanceRamRole.md of
    AlibabaCloudDocs/ecs). The page has no value for an instance with another role.
    """
    existing.ecs_role(call, request.ram_role_name, untrusting_status=404)
    instances = [existing.instance(call, each) for each in request.instance_ids]
    results = []
    for instance in instances:
        if instance.ram_role and instance.ram_role != request.ram_role_name:
            results.append(_failure(instance.id, f"It has the RAM role {instance.ram_role}."))
            continue
        call.store.change(instance, ram_role=request.ram_role_name)
        results.append(_success(instance.id))
    return {
        "RamRoleName": request.ram_role_name,
        "TotalCount": len(results),
        "FailCount": sum(not result["Success"] for result in results),
        "AttachInstanceRamRoleResults": {"AttachInstanceRamRoleResult": results},
    }


@action(writes=True)
def detach_instance_ram_role(call: Call, request: DetachInstanceRamRole) -> Answer:
    """Detach the RAM role from instances. The answer names the role that each of them had."""
    results = []
    for instance_id in request.instance_ids:
        instance = existing.instance(call, instance_id)
        roles = [_shown(call, instance)] if instance.ram_role else []
        results.append(
            {**_success(instance_id), "InstanceRamRoleSets": {"InstanceRamRoleSet": roles}}
        )
        call.store.change(instance, ram_role=None)
    return {
        "RamRoleName": request.ram_role_name or "",
        "TotalCount": len(results),
        "FailCount": 0,
        "DetachInstanceRamRoleResults": {"DetachInstanceRamRoleResult": results},
    }


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
    """List the RAM role of each instance.

    An instance without a role is listed without a name. The provider takes a missing name for "no
    role" (v1.285.0, `alicloud/service_alicloud_ecs_v2.go`).
    """
    if request.instance_ids:
        instances = several(call, request.instance_ids)
    else:
        instances = call.store.where(Instance, "role", request.ram_role_name or "")
    return {**_TABLE.numbered(call, instances, request), "RegionId": call.cloud.region}
