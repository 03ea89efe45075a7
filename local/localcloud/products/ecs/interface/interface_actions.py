"""The actions on a whole ENI: create, modify, delete, attach, detach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import choices, resource_groups, statuses
from localcloud.products.ecs import existing, names
from localcloud.products.ecs.interface.interface_views import interface_shown
from localcloud.products.ecs.interface.interfaces import (
    InterfaceRequest,
    attach,
    check_groups,
    check_one_kind,
    check_repeated,
    delete,
    detach,
    make,
)
from localcloud.products.updates import requested
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid

_MOST_EXPLICIT_AT_CREATION: Final = 10
_MOST_BY_COUNT: Final = 49
_MOST_QUEUES: Final = 2048


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
    secondary_private_ip_address_count: int | None = None
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
    """Create an ENI with at most ten explicit secondary addresses, or 49 by count.

    InstanceType Trunk "is in invitational preview" (reference of 2025-12). This account has access
    to it.
    """
    resource_groups.require_of_ecs(request.resource_group_id)
    choices.require("InstanceType", request.instance_type or "", "Secondary", "Trunk")
    _check_numbers(request)
    _check_mode(request.network_interface_traffic_mode, status=403)
    names.check_interface(request.network_interface_name, request.description)
    if request.security_group_id and request.security_group_ids:
        raise ApiError(
            "InvalidParameter.Conflict",
            "SecurityGroupId and SecurityGroupIds.N cannot be specified together.",
        )
    explicit = [ip for ip in request.private_ip_address if ip != request.primary_ip_address]
    check_one_kind(
        addresses=bool(explicit or request.secondary_private_ip_address_count),
        prefixes=bool(request.ipv4_prefix or request.ipv4_prefix_count),
    )
    eni = make(
        call,
        InterfaceRequest(
            vswitch_id=request.vswitch_id,
            security_group_ids=request.security_group_ids
            or ((request.security_group_id,) if request.security_group_id else ()),
            name=request.network_interface_name,
            description=request.description,
            primary_address=request.primary_ip_address,
            addresses=explicit,
            address_count=request.secondary_private_ip_address_count or 0,
            ipv6=request.ipv6_address,
            ipv6_count=request.ipv6_address_count,
            prefixes=request.ipv4_prefix,
            prefix_count=request.ipv4_prefix_count,
            delete_on_release=request.delete_on_release,
            source_dest_check=request.source_dest_check,
            traffic_mode=request.network_interface_traffic_mode,
            queue_number=request.queue_number,
            queue_pairs=request.queue_pair_number,
            trunk=request.instance_type == "Trunk",
            resource_group_id=request.resource_group_id,
            tags=tags.requested(request.tag, tags.CREATING),
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
        "QueuePairNumber",
    ):
        shown.pop(name, None)
    return shown


def _check_numbers(request: CreateNetworkInterface) -> None:
    if len(request.private_ip_address) > _MOST_EXPLICIT_AT_CREATION:
        raise ApiError(
            "MaxEniPrivateIpsCountExceeded",
            f"{len(request.private_ip_address)} explicit addresses; at creation an ENI takes at "
            f"most {_MOST_EXPLICIT_AT_CREATION}. Assign more afterwards, or use the count.",
            403,
        )
    count = request.secondary_private_ip_address_count
    if count is not None and not 1 <= count <= _MOST_BY_COUNT:
        raise invalid(
            "SecondaryPrivateIpAddressCount", count, f"it must be from 1 to {_MOST_BY_COUNT}"
        )
    _check_queues(request.queue_number)


def _check_mode(mode: str, *, status: int) -> None:
    """Raise unless the traffic mode exists. Each action has its own HTTP status for this error."""
    if mode not in {"", "Standard", "HighPerformance"}:
        raise ApiError(
            "InvalidParameter.EniTrafficMode",
            f"NetworkInterfaceTrafficMode {mode[:40]!r} must be Standard or HighPerformance.",
            status,
        )


def _check_queues(number: int | None) -> None:
    if number is not None and not 1 <= number <= _MOST_QUEUES:
        raise ApiError(
            "InvalidParameter.InvalidEniQueueNumber",
            f"QueueNumber {number} must be from 1 to {_MOST_QUEUES}.",
            403,
        )


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
    names.check_interface(request.network_interface_name or "", request.description or "")
    _check_queues(request.queue_number)
    _check_mode(request.network_interface_traffic_mode or "", status=400)
    if request.security_group_id and eni.primary:
        # "For the primary ENI, you can change only the name and description" (help page
        # manage-eni); DeleteOnRelease is changed for both kinds (help page 2938787).
        raise ApiError(
            "InvalidOperation.PrimaryEniOnlySupportModifyNameAndDesc",
            f"{eni.id} is the primary ENI of {eni.instance_id}; change the security groups of "
            "the instance.",
            404,
        )
    if request.security_group_id:
        check_repeated(request.security_group_id, 404)
        check_groups(
            call,
            request.security_group_id,
            eni.vpc_id,
            mixed=("InvalidOperation.MultiGroupType", 403),
        )
    changes = requested(
        name=request.network_interface_name,
        description=request.description,
        security_group_ids=request.security_group_id or None,
        queue_number=request.queue_number,
        delete_on_release=request.delete_on_release,
        source_dest_check=request.source_dest_check,
        traffic_mode=request.network_interface_traffic_mode or None,
    )
    call.store.change(eni, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteNetworkInterface:
    """Parameters of DeleteNetworkInterface."""

    network_interface_id: str
    region_id: str | None = None


@action(writes=True)
def delete_network_interface(call: Call, request: DeleteNetworkInterface) -> Answer:
    """Delete an ENI that is not attached to an instance."""
    eni = existing.interface(call, request.network_interface_id)
    statuses.require(call, eni, "Available", code="InvalidOperation.InvalidEniState")
    delete(call, eni)
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
    instance = existing.instance(call, request.instance_id, code="InvalidEcsId.NotFound")
    statuses.require(call, instance, "Running", "Stopped", code="InvalidOperation.InvalidEcsState")
    attach(call, eni, instance, primary=False, card=request.network_card_index)
    return {}


@dataclass(frozen=True, kw_only=True)
class DetachNetworkInterface:
    """Parameters of DetachNetworkInterface."""

    network_interface_id: str
    instance_id: str
    region_id: str | None = None
    trunk_network_instance_id: str | None = None


@action(writes=True)
def detach_network_interface(call: Call, request: DetachNetworkInterface) -> Answer:
    """Detach a secondary ENI from its instance."""
    eni = existing.interface(call, request.network_interface_id)
    existing.instance(call, request.instance_id, code="InvalidEcsId.NotFound")
    if eni.primary:
        raise ApiError(
            "InvalidOperation.DetachPrimaryEniNotAllowed",
            f"{eni.id} is primary and cannot be detached.",
        )
    if eni.instance_id is None:
        raise ApiError("InvalidOperation.InvalidEniState", f"{eni.id} is on no instance.")
    if request.instance_id != eni.instance_id:
        raise ApiError(
            "InvalidParameter.EniNotBelongEcs", f"{eni.id} is not on {request.instance_id}."
        )
    detach(call, eni)
    return {}
