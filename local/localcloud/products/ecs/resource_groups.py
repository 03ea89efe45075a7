"""JoinResourceGroup: which resource group a resource of ECS is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from localcloud.products import resource_groups
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from .entities import (
    AutoSnapshotPolicy,
    Disk,
    Instance,
    KeyPair,
    NetworkInterface,
    SecurityGroup,
    Snapshot,
)

_KINDS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {
        "disk": Disk,
        "eni": NetworkInterface,
        "instance": Instance,
        "keypair": KeyPair,
        "securitygroup": SecurityGroup,
        "snapshot": Snapshot,
        "snapshotpolicy": AutoSnapshotPolicy,
    }
)
"""The resource types that can be moved here."""


@dataclass(frozen=True, kw_only=True)
class JoinResourceGroup:
    """Parameters of JoinResourceGroup."""

    resource_group_id: str
    resource_id: str
    resource_type: str
    region_id: str | None = None


@action(writes=True)
def join_resource_group(call: Call, request: JoinResourceGroup) -> Answer:
    """Move a resource to another resource group."""
    kind = _KINDS.get(request.resource_type.lower())
    if kind is None:
        raise ApiError(
            "InvalidResourceType.NotFound",
            f"ResourceType {request.resource_type[:40]!r} is not one of {', '.join(_KINDS)}, "
            "which can be moved here.",
            404,
        )
    resource = call.store.find(kind, request.resource_id)
    if resource is None:
        raise ApiError(
            "InvalidResourceId.NotFound",
            f"The resource {request.resource_id[:80]!r} does not exist.",
            404,
        )
    resource_groups.require_of_ecs(request.resource_group_id)
    call.store.change(resource, resource_group_id=request.resource_group_id)
    return {}
