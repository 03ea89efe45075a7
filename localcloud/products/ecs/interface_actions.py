"""What a client does with an ENI as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud import tags
from localcloud.actions import Answer, Call, action
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError

from .interface_views import interface_shown
from .interfaces import Wanted, attach, check_groups, destroy, detach, make

_MOST_EXPLICIT_AT_CREATION: Final = 10


_MOST_BY_COUNT: Final = 49


@dataclass(frozen=True, kw_only=True)
class CreateNetworkInterface:
    """Parameters of CreateNetworkInterface."""

    vswitch_id: str
    region_id: str | None = None
    security_group_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    network_interface_name: str = ""
    description: str = ""
    primary_ip_address: str | None = None
    private_ip_address: tuple[str, ...] = ()
    secondary_private_ip_address_count: int = 0
    ipv6_address: tuple[str, ...] = ()
    ipv6_address_count: int = 0
    ipv4_prefix: tuple[str, ...] = ()
    ipv4_prefix_count: int = 0
    delete_on_release: bool = True
    source_dest_check: bool = False
    instance_type: str | None = None
    network_interface_traffic_mode: str = "Standard"
    queue_number: int = 1
    queue_pair_number: int | None = None
    resource_group_id: str = ""
    visible: bool | None = None
    business_type: str | None = None
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def create_network_interface(call: Call, request: CreateNetworkInterface) -> Answer:
    """An ENI; at most ten explicit secondary addresses, or 49 by count."""
    if len(request.private_ip_address) > _MOST_EXPLICIT_AT_CREATION:
        raise ApiError(
            "InvalidParameter.PrivateIpAddress",
            f"{len(request.private_ip_address)} explicit addresses; at creation an ENI takes at "
            f"most {_MOST_EXPLICIT_AT_CREATION}. Assign more afterwards, or use the count.",
        )
    if not 0 <= request.secondary_private_ip_address_count <= _MOST_BY_COUNT:
        raise ApiError(
            "InvalidParameter.SecondaryPrivateIpAddressCount",
            f"SecondaryPrivateIpAddressCount must be 1 to {_MOST_BY_COUNT}.",
        )
    if request.security_group_id and request.security_group_ids:
        raise ApiError(
            "InvalidParameter.Conflict",
            "SecurityGroupId and SecurityGroupIds.N cannot be given together.",
        )
    explicit = [ip for ip in request.private_ip_address if ip != request.primary_ip_address]
    eni = make(
        call,
        Wanted(
            vswitch_id=request.vswitch_id,
            security_group_ids=request.security_group_ids
            or ((request.security_group_id,) if request.security_group_id else ()),
            name=request.network_interface_name,
            description=request.description,
            primary_address=request.primary_ip_address,
            addresses=explicit,
            address_count=request.secondary_private_ip_address_count,
            ipv6=request.ipv6_address,
            ipv6_count=request.ipv6_address_count,
            prefixes=request.ipv4_prefix,
            prefix_count=request.ipv4_prefix_count,
            delete_on_release=request.delete_on_release,
            source_dest_check=request.source_dest_check,
            traffic_mode=request.network_interface_traffic_mode,
            queue_number=request.queue_number,
            resource_group_id=request.resource_group_id,
            tags=tags.given(request.tag),
        ),
    )
    shown = interface_shown(call, eni)
    for name in (
        "Attachment",
        "AssociatedPublicIp",
        "CreationTime",
        "DeleteOnRelease",
        "InstanceId",
        "NetworkInterfaceTrafficMode",
        "QueueNumber",
    ):
        shown.pop(name, None)
    return shown


@dataclass(frozen=True, kw_only=True)
class ModifyNetworkInterfaceAttribute:
    """Parameters of ModifyNetworkInterfaceAttribute."""

    network_interface_id: str
    region_id: str | None = None
    network_interface_name: str | None = None
    description: str | None = None
    security_group_id: tuple[str, ...] = ()
    queue_number: int | None = None
    delete_on_release: bool | None = None
    source_dest_check: bool | None = None
    network_interface_traffic_mode: str | None = None


@action(writes=True)
def modify_network_interface_attribute(
    call: Call, request: ModifyNetworkInterfaceAttribute
) -> Answer:
    """Change an ENI in place."""
    eni = existing.interface(call, request.network_interface_id)
    changes: dict[str, object] = {}
    if request.network_interface_name is not None:
        changes["name"] = request.network_interface_name
    if request.description is not None:
        changes["description"] = request.description
    if request.security_group_id:
        check_groups(call, request.security_group_id, eni.vpc_id)
        changes["security_group_ids"] = request.security_group_id
    if request.queue_number is not None:
        changes["queue_number"] = request.queue_number
    if request.delete_on_release is not None:
        changes["delete_on_release"] = request.delete_on_release
    if request.source_dest_check is not None:
        changes["source_dest_check"] = request.source_dest_check
    if request.network_interface_traffic_mode:
        changes["traffic_mode"] = request.network_interface_traffic_mode
    call.store.change(eni, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteNetworkInterface:
    """Parameters of DeleteNetworkInterface."""

    network_interface_id: str
    region_id: str | None = None


@action(writes=True)
def delete_network_interface(call: Call, request: DeleteNetworkInterface) -> Answer:
    """Delete an ENI that no instance has."""
    eni = existing.interface(call, request.network_interface_id)
    if eni.instance_id is not None or eni.life.at(call.now) != "Available":
        raise ApiError(
            "InvalidOperation.InvalidEniState",
            f"{eni.id} is {eni.life.at(call.now)}; detach it first.",
            403,
        )
    destroy(call, eni)
    return {}


@dataclass(frozen=True, kw_only=True)
class AttachNetworkInterface:
    """Parameters of AttachNetworkInterface."""

    network_interface_id: str
    instance_id: str
    region_id: str | None = None
    network_card_index: int = 0
    trunk_network_instance_id: str | None = None
    wait_for_network_configuration_ready: bool | None = None


@action(writes=True)
def attach_network_interface(call: Call, request: AttachNetworkInterface) -> Answer:
    """Attach an ENI to a Running or Stopped instance."""
    eni = existing.interface(call, request.network_interface_id)
    instance = existing.instance(call, request.instance_id)
    if instance.status(call.now) not in {"Running", "Stopped"}:
        raise ApiError(
            "InvalidOperation.InvalidEcsState",
            f"{instance.id} is {instance.status(call.now)}; it must be Running or Stopped.",
            403,
        )
    if eni.life.at(call.now) != "Available":
        raise ApiError(
            "InvalidOperation.InvalidEniState",
            f"{eni.id} is {eni.life.at(call.now)}; it must be Available.",
            403,
        )
    attach(call, eni, instance, primary=False, card=request.network_card_index)
    return {}


@dataclass(frozen=True, kw_only=True)
class DetachNetworkInterface:
    """Parameters of DetachNetworkInterface."""

    network_interface_id: str
    instance_id: str | None = None
    region_id: str | None = None
    trunk_network_instance_id: str | None = None


@action(writes=True)
def detach_network_interface(call: Call, request: DetachNetworkInterface) -> Answer:
    """Detach a secondary ENI; one that is detached already is no error."""
    eni = existing.interface(call, request.network_interface_id)
    if eni.primary:
        raise ApiError(
            "InvalidOperation.InvalidEniType", f"{eni.id} is primary and cannot be detached.", 403
        )
    if eni.instance_id is None:
        return {}
    if request.instance_id and request.instance_id != eni.instance_id:
        raise ApiError(
            "InvalidOperation.DetachPrimaryEniNotAllowed"
            if eni.primary
            else "InvalidOperation.InvalidEniState",
            f"{eni.id} is not on {request.instance_id}.",
            403,
        )
    detach(call, eni)
    return {}
