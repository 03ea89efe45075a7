"""What a request names by id must exist: one place for it, with the codes of the error tables.

Codes and statuses: the error table of the action's page in the API reference
(https://help.aliyun.com/document_detail/25484.html and its sisters). Key pairs have their own code
and status in two of the actions, so the caller may give another.
"""

from __future__ import annotations

from typing import TypeVar

from localcloud.actions import Call
from localcloud.products.ram.entities import Role
from localcloud.products.sts import sessions
from localcloud.wire.errors import ApiError

from . import catalog
from .catalog import Image, InstanceType
from .entities import Disk, Instance, KeyPair, NetworkInterface, SecurityGroup

T = TypeVar("T")


def _entity(call: Call, kind: type[T], entity_id: str | None, error: ApiError) -> T:
    entity = call.store.find(kind, entity_id)
    if entity is None:
        raise error
    return entity


def _absent(code: str, name: str, value: str | None, status: int = 404) -> ApiError:
    return ApiError(code, f"The specified {name} {(value or '')[:80]!r} does not exist.", status)


def instance(call: Call, instance_id: str | None) -> Instance:
    """The instance, or the API's error."""
    error = _absent("InvalidInstanceId.NotFound", "InstanceId", instance_id)
    return _entity(call, Instance, instance_id, error)


def interface(call: Call, interface_id: str | None) -> NetworkInterface:
    """The ENI, or the API's error; one that is being deleted exists."""
    error = _absent("InvalidEniId.NotFound", "NetworkInterfaceId", interface_id)
    return _entity(call, NetworkInterface, interface_id, error)


def security_group(call: Call, group_id: str | None) -> SecurityGroup:
    """The security group, or the API's error."""
    error = _absent("InvalidSecurityGroupId.NotFound", "SecurityGroupId", group_id)
    return _entity(call, SecurityGroup, group_id, error)


def disk(call: Call, disk_id: str | None) -> Disk:
    """The disk, or the API's error."""
    return _entity(call, Disk, disk_id, _absent("InvalidDiskId.NotFound", "DiskId", disk_id))


def key_pair(call: Call, name: str, *, status: int = 404) -> KeyPair:
    """The key pair, or the API's error: 404 of RunInstances, 400 of the other actions."""
    error = _absent("InvalidKeyPairName.NotFound", "KeyPairName", name, status)
    return _entity(call, KeyPair, name, error)


def image(image_id: str) -> Image:
    """The image, or the API's error."""
    found = catalog.image(image_id)
    if found is None:
        raise _absent("InvalidImageId.NotFound", "ImageId", image_id)
    return found


def instance_type(type_id: str) -> InstanceType:
    """The instance type, or the API's error."""
    kind = catalog.instance_types().get(type_id)
    if kind is None:
        raise ApiError(
            "InvalidInstanceType.ValueNotSupported",
            f"The specified InstanceType {type_id[:80]!r} does not exist or is beyond the "
            "permitted range.",
        )
    return kind


def ecs_role(call: Call, name: str, *, untrusting_status: int = 404) -> Role:
    """The RAM role that instances may have: it trusts ecs.aliyuncs.com.

    RunInstances answers 401 where a role does not trust ECS, AttachInstanceRamRole 404.
    """
    role = _entity(call, Role, name, _absent("InvalidRamRole.NotFound", "RamRoleName", name))
    if not sessions.trusts_service(role, "ecs.aliyuncs.com"):
        raise ApiError(
            "InvalidRamRole.NotEcsRole",
            f"The specified RAM role {name[:64]!r} is not authorized for ECS; check its trust "
            "policy.",
            untrusting_status,
        )
    return role
