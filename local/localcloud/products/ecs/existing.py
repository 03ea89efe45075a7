"""Lookups of the entities that a request of ECS names, with the published error codes.

Codes and statuses are in the error tables of the actions' pages in the API reference (Alibaba's
metadata of 2025-12). For an absent key pair, RunInstances answers 404 and the other actions answer
400.
"""

from __future__ import annotations

from typing import Final

from localcloud.products.endings import DELETED
from localcloud.products.lookup import Lookup
from localcloud.products.ram import spreading
from localcloud.products.ram.entities import Role
from localcloud.products.sts import sessions
from localcloud.requests.actions import Call
from localcloud.wire.errors import ApiError

from . import catalog
from .catalog import Image, InstanceType
from .entities import (
    AutoSnapshotPolicy,
    Disk,
    Instance,
    KeyPair,
    NetworkInterface,
    SecurityGroup,
    Snapshot,
)

instance: Final = Lookup(Instance, "InstanceId", "InvalidInstanceId.NotFound")
interface: Final = Lookup(
    NetworkInterface, "NetworkInterfaceId", "InvalidEniId.NotFound", ended=DELETED
)
security_group: Final = Lookup(SecurityGroup, "SecurityGroupId", "InvalidSecurityGroupId.NotFound")
disk: Final = Lookup(Disk, "DiskId", "InvalidDiskId.NotFound")
snapshot: Final = Lookup(Snapshot, "SnapshotId", "InvalidSnapshotId.NotFound")
snapshot_policy: Final = Lookup(AutoSnapshotPolicy, "autoSnapshotPolicyId", "ParameterInvalid")
key_pair: Final = Lookup(KeyPair, "KeyPairName", "InvalidKeyPairName.NotFound", 400)
_role: Final = Lookup(Role, "RamRoleName", "InvalidRamRole.NotFound", hidden=spreading.is_spreading)


def image(image_id: str) -> Image:
    """The public image with this id, or the API's error."""
    public = catalog.image(image_id)
    if public is None:
        raise ApiError(
            "InvalidImageId.NotFound",
            f"The specified ImageId {image_id[:80]!r} does not exist.",
            404,
        )
    return public


def instance_type(type_id: str) -> InstanceType:
    """The instance type with this id, or the API's error."""
    kind = catalog.instance_types().get(type_id)
    if kind is None:
        raise ApiError(
            "InvalidInstanceType.ValueNotSupported",
            f"The specified InstanceType {type_id[:80]!r} does not exist or is beyond the "
            "permitted range.",
        )
    return kind


def ecs_role(call: Call, name: str, *, untrusting_status: int) -> Role:
    """The RAM role of this name if it trusts ecs.aliyuncs.com, or the API's error.

    For a role that does not trust ECS, RunInstances answers 401 and AttachInstanceRamRole 404.
    """
    role = _role(call, name)
    if not sessions.trusts_service(role, "ecs.aliyuncs.com"):
        raise ApiError(
            "InvalidRamRole.NotEcsRole",
            f"The specified RAM role {name[:64]!r} is not authorized for ECS; check its trust "
            "policy.",
            untrusting_status,
        )
    return role
