"""ENIs and their addresses."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud import paging, tags
from localcloud.actions import Answer, Call, action, moment
from localcloud.products.nlb.entities import drop_server as drop_nlb_server
from localcloud.products.slb.entities import drop_server as drop_clb_server
from localcloud.products.vpc import claims, eips, ipv6, vswitches
from localcloud.products.vpc.entities import Eip, VSwitch
from localcloud.state.lifecycle import Lifecycle
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from . import catalog, security_groups
from .entities import Instance, NetworkInterface

_MOST_EXPLICIT_AT_CREATION: Final = 10
_MOST_BY_COUNT: Final = 49
_MOST_ASSIGNED: Final = 50
_MOST_IPV6: Final = 10
_MOST_PREFIXES: Final = 10
_MOST_GROUPS: Final = 5


def find(call: Call, eni_id: str | None) -> NetworkInterface:
    """The ENI, or the API's error."""
    eni = call.store.find(NetworkInterface, eni_id)
    if eni is None:
        raise ApiError(
            "InvalidEniId.NotFound",
            f"The specified NetworkInterfaceId {eni_id!r} does not exist.",
            404,
        )
    return eni


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a new ENI is asked to have, wherever it is asked for."""

    vswitch_id: str | None
    security_group_ids: Sequence[str]
    name: str = ""
    description: str = ""
    primary_address: str | None = None
    addresses: Sequence[str] = ()
    address_count: int = 0
    ipv6: Sequence[str] = ()
    ipv6_count: int = 0
    prefixes: Sequence[str] = ()
    prefix_count: int = 0
    delete_on_release: bool = True
    source_dest_check: bool = False
    traffic_mode: str = "Standard"
    queue_number: int = 1
    resource_group_id: str = ""
    tags: tags.Tags = ()


def _fresh_mac(call: Call) -> str:
    while True:
        mac = "00:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
        if not call.store.any(NetworkInterface, "mac", mac):
            return mac


def make(call: Call, wanted: Wanted) -> NetworkInterface:
    """A new ENI, Available once its lifecycle says so."""
    vswitch = vswitches.find(call, wanted.vswitch_id, code="InvalidVSwitchId.NotFound")
    groups = tuple(dict.fromkeys(wanted.security_group_ids))
    if not groups:
        raise ApiError(
            "MissingParameter.SecurityGroupId",
            'The input parameter "SecurityGroupId" that is mandatory is not supplied.',
        )
    _check_groups(call, groups, vswitch.vpc_id)
    eni_id = call.new_id("eni")
    if wanted.primary_address:
        address = claims.take(call, vswitch, wanted.primary_address, kind=claims.ENI, owner=eni_id)
    else:
        # Explicit addresses first, so that the cloud's choice never takes one of them.
        address = ""
    eni = NetworkInterface(
        id=eni_id,
        vpc_id=vswitch.vpc_id,
        vswitch_id=vswitch.id,
        zone=vswitch.zone,
        name=wanted.name,
        description=wanted.description,
        address=address,
        mac=_fresh_mac(call),
        security_group_ids=groups,
        delete_on_release=wanted.delete_on_release,
        source_dest_check=wanted.source_dest_check,
        traffic_mode=wanted.traffic_mode,
        queue_number=wanted.queue_number,
        resource_group_id=wanted.resource_group_id,
        created=call.now,
        life=call.passing(("Creating", 2.0), to="Available"),
        tags=wanted.tags,
    )
    secondary = _take_ipv4(call, eni, vswitch, wanted.addresses, wanted.address_count)
    return call.store.put(
        dataclasses.replace(
            eni,
            address=address or claims.take_any(call, vswitch, kind=claims.ENI, owner=eni_id),
            secondary=secondary,
            prefixes=_take_prefixes(call, eni, vswitch, wanted.prefixes, wanted.prefix_count),
            ipv6=_take_ipv6(call, eni, vswitch, wanted.ipv6, wanted.ipv6_count),
        )
    )


def _check_groups(call: Call, groups: Sequence[str], vpc_id: str) -> None:
    if len(groups) > _MOST_GROUPS:
        raise ApiError(
            "SecurityGroupQuotaExceed", f"An ENI is in at most {_MOST_GROUPS} security groups."
        )
    for group_id in groups:
        if security_groups.find(call, group_id).vpc_id != vpc_id:
            raise ApiError(
                "InvalidSecurityGroupId.NotInVpc",
                f"The security group {group_id} is not in the VPC {vpc_id}.",
            )


def _take_ipv4(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, given: Sequence[str], count: int
) -> tuple[str, ...]:
    if given and count:
        raise ApiError(
            "InvalidParameter.Conflict",
            "PrivateIpAddress.N and SecondaryPrivateIpAddressCount cannot be given together.",
        )
    taken = [claims.take(call, vswitch, ip, kind=claims.ENI, owner=eni.id) for ip in given]
    taken += [claims.take_any(call, vswitch, kind=claims.ENI, owner=eni.id) for _ in range(count)]
    return tuple(taken)


def _take_prefixes(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, given: Sequence[str], count: int
) -> tuple[str, ...]:
    if len(given) + count > _MOST_PREFIXES:
        raise ApiError(
            "InvalidParameter.Ipv4Prefix", f"At most {_MOST_PREFIXES} IPv4 prefixes at a time."
        )
    taken = [claims.take_prefix(call, vswitch, prefix, owner=eni.id) for prefix in given]
    taken += [claims.take_prefix(call, vswitch, None, owner=eni.id) for _ in range(count)]
    return tuple(taken)


def _take_ipv6(
    call: Call, eni: NetworkInterface, vswitch: VSwitch, given: Sequence[str], count: int
) -> tuple[str, ...]:
    if len(given) + count > _MOST_IPV6:
        raise ApiError(
            "InvalidParameter.Ipv6Address", f"At most {_MOST_IPV6} IPv6 addresses at a time."
        )
    taken = [ipv6.put_on(call, eni.id, vswitch, ip) for ip in given]
    taken += [ipv6.put_on(call, eni.id, vswitch, None) for _ in range(count)]
    return tuple(taken)


def check_limits(eni: NetworkInterface, instance: Instance) -> None:
    """Raise if the instance's type does not allow so many addresses on an ENI."""
    kind = catalog.instance_types()[instance.instance_type]
    held = 1 + len(eni.secondary) + len(eni.prefixes)
    if held > kind.ipv4_per_eni:
        raise ApiError(
            "InvalidOperation.Ipv4CountExceeded",
            f"{eni.id} would have {held} private IPv4 addresses; {kind.id} allows "
            f"{kind.ipv4_per_eni} for each network interface.",
            403,
        )
    if len(eni.ipv6) > kind.ipv6_per_eni:
        raise ApiError(
            "InvalidOperation.Ipv6CountExceeded",
            f"{eni.id} would have {len(eni.ipv6)} IPv6 addresses; {kind.id} allows "
            f"{kind.ipv6_per_eni} for each network interface.",
            403,
        )


def attach(
    call: Call, eni: NetworkInterface, instance: Instance, *, primary: bool, card: int = 0
) -> NetworkInterface:
    """Attach an Available ENI of the instance's VPC and zone."""
    if eni.instance_id is not None or eni.life.at(call.now) not in {"Available", "Creating"}:
        raise ApiError(
            "InvalidOperation.InvalidEniState",
            f"{eni.id} is {eni.life.at(call.now)}; it must be Available.",
            403,
        )
    if eni.vpc_id != instance.vpc_id or eni.zone != instance.zone:
        raise ApiError(
            "InvalidOperation.ZoneIdNotMatch"
            if eni.zone != instance.zone
            else "InvalidOperation.VpcMismatch",
            f"{eni.id} is in {eni.vpc_id} {eni.zone}, {instance.id} in "
            f"{instance.vpc_id} {instance.zone}.",
            403,
        )
    others = call.store.where(NetworkInterface, "instance", instance.id)
    kind = catalog.instance_types()[instance.instance_type]
    if len(others) >= kind.enis:
        raise ApiError(
            "EniPerInstanceLimitExceeded",
            f"{instance.id} has {len(others)} network interfaces; {kind.id} allows {kind.enis}.",
            403,
        )
    check_limits(eni, instance)
    index = 0 if primary else max((o.device_index for o in others), default=0) + 1
    return call.store.change(
        eni,
        instance_id=instance.id,
        primary=primary,
        device_index=index,
        card_index=card,
        life=(
            Lifecycle.settled("InUse") if primary else call.passing(("Attaching", 2.0), to="InUse")
        ),
    )


def detach(call: Call, eni: NetworkInterface) -> NetworkInterface:
    """Take an ENI off its instance."""
    return call.store.change(
        eni,
        instance_id=None,
        primary=False,
        device_index=0,
        life=call.passing(("Detaching", 2.0), to="Available"),
    )


def destroy(call: Call, eni: NetworkInterface) -> None:
    """Remove an ENI with all its addresses."""
    for eip in call.store.where(Eip, "instance", eni.id):
        eips.release_binding(call, eip)
    for ip in eni.ipv6:
        ipv6.take_from(call, eni.vswitch_id, ip)
    claims.give_back_all(call, eni.id)
    drop_clb_server(call.store, eni.id)
    drop_nlb_server(call.store, eni.id)
    call.store.remove(eni)


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


def private_ip_set(eni: NetworkInterface) -> dict[str, object]:
    """`PrivateIpSets`: the primary address first."""
    return {
        "PrivateIpSet": [
            {"PrivateIpAddress": ip, "Primary": ip == eni.address}
            for ip in (eni.address, *eni.secondary)
        ]
    }


def interface_shown(call: Call, eni: NetworkInterface) -> dict[str, object]:
    """An ENI as DescribeNetworkInterfaces shows it; all four sets are always there."""
    public = call.store.where(Eip, "instance", eni.id)
    shown: dict[str, object] = {
        "NetworkInterfaceId": eni.id,
        "NetworkInterfaceName": eni.name,
        "Description": eni.description,
        "Status": eni.life.at(call.now),
        "Type": "Primary" if eni.primary else "Secondary",
        "VpcId": eni.vpc_id,
        "VSwitchId": eni.vswitch_id,
        "ZoneId": eni.zone,
        "MacAddress": eni.mac,
        "PrivateIpAddress": eni.address,
        "PrivateIpSets": private_ip_set(eni),
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": ip} for ip in eni.ipv6]},
        "Ipv4PrefixSets": {"Ipv4PrefixSet": [{"Ipv4Prefix": p} for p in eni.prefixes]},
        "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
        "SecurityGroupIds": {"SecurityGroupId": list(eni.security_group_ids)},
        "AssociatedPublicIp": (
            {"AllocationId": public[0].id, "PublicIpAddress": public[0].ip} if public else {}
        ),
        "InstanceId": eni.instance_id or "",
        "DeleteOnRelease": eni.delete_on_release,
        "SourceDestCheck": eni.source_dest_check,
        "NetworkInterfaceTrafficMode": eni.traffic_mode,
        "QueueNumber": eni.queue_number,
        "ServiceManaged": False,
        "ResourceGroupId": eni.resource_group_id,
        "OwnerId": call.cloud.account_id,
        "CreationTime": moment(eni.created),
        "Tags": tags.ecs(eni.tags),
    }
    if eni.instance_id:
        shown["Attachment"] = {
            "InstanceId": eni.instance_id,
            "DeviceIndex": eni.device_index,
            "NetworkCardIndex": eni.card_index,
            "TrunkNetworkInterfaceId": "",
        }
    return shown


@dataclass(frozen=True, kw_only=True)
class DescribeNetworkInterfaces:
    """Parameters of DescribeNetworkInterfaces."""

    region_id: str | None = None
    network_interface_id: tuple[str, ...] = ()
    network_interface_name: str | None = None
    instance_id: str | None = None
    vpc_id: str | None = None
    vswitch_id: str | None = None
    security_group_id: str | None = None
    primary_ip_address: str | None = None
    private_ip_address: tuple[str, ...] = ()
    ipv6_address: tuple[str, ...] = ()
    kind: str | None = wire("Type", default=None)
    status: str | None = None
    service_managed: bool | None = None
    resource_group_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None
    next_token: str | None = None
    max_results: int | None = None
    attributes: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()


def _candidates(  # noqa: PLR0911  # one return for each index
    call: Call, request: DescribeNetworkInterfaces
) -> Iterable[NetworkInterface]:
    """The smallest indexed set that holds all matches."""
    store = call.store
    if request.network_interface_id:
        found = (store.find(NetworkInterface, i) for i in request.network_interface_id)
        return [e for e in found if e is not None]
    if request.instance_id:
        return store.where(NetworkInterface, "instance", request.instance_id)
    if request.primary_ip_address:
        return store.where(NetworkInterface, "address", request.primary_ip_address)
    if request.private_ip_address:
        ids = {
            e.id: e
            for ip in request.private_ip_address
            for e in store.where(NetworkInterface, "address", ip)
        }
        return list(ids.values())
    if request.vswitch_id:
        return store.where(NetworkInterface, "vswitch", request.vswitch_id)
    if request.vpc_id:
        return store.where(NetworkInterface, "vpc", request.vpc_id)
    return store.all(NetworkInterface)


@action()
def describe_network_interfaces(call: Call, request: DescribeNetworkInterfaces) -> Answer:
    """ENIs by filter."""
    found = [
        e
        for e in _candidates(call, request)
        if (not request.instance_id or e.instance_id == request.instance_id)
        and (not request.vpc_id or e.vpc_id == request.vpc_id)
        and (not request.vswitch_id or e.vswitch_id == request.vswitch_id)
        and (not request.security_group_id or request.security_group_id in e.security_group_ids)
        and (not request.primary_ip_address or e.address == request.primary_ip_address)
        and (
            not request.private_ip_address
            or any(ip in (e.address, *e.secondary) for ip in request.private_ip_address)
        )
        and (not request.ipv6_address or any(ip in e.ipv6 for ip in request.ipv6_address))
        and (not request.network_interface_name or e.name == request.network_interface_name)
        and (not request.kind or e.primary == (request.kind == "Primary"))
        and (not request.status or e.life.at(call.now) == request.status)
        and not request.service_managed
        and tags.match(e.tags, request.tag)
    ]
    answer: dict[str, object] = {}
    part: Sequence[NetworkInterface]
    if request.max_results is not None or request.next_token:
        part, following = paging.by_token(
            found, request.next_token, request.max_results, usual=50, most=500
        )
        answer["NextToken"] = following
    else:
        part, number, size = paging.page(found, request.page_number, request.page_size, most=500)
        answer |= {"PageNumber": number, "PageSize": size, "TotalCount": len(found)}
    answer["NetworkInterfaceSets"] = {
        "NetworkInterfaceSet": [interface_shown(call, e) for e in part]
    }
    return answer


@dataclass(frozen=True, kw_only=True)
class DescribeNetworkInterfaceAttribute:
    """Parameters of DescribeNetworkInterfaceAttribute."""

    network_interface_id: str
    region_id: str | None = None
    attribute: str | None = None


@action()
def describe_network_interface_attribute(
    call: Call, request: DescribeNetworkInterfaceAttribute
) -> Answer:
    """One ENI."""
    return interface_shown(call, find(call, request.network_interface_id))


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
    eni = find(call, request.network_interface_id)
    changes: dict[str, object] = {}
    if request.network_interface_name is not None:
        changes["name"] = request.network_interface_name
    if request.description is not None:
        changes["description"] = request.description
    if request.security_group_id:
        _check_groups(call, request.security_group_id, eni.vpc_id)
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
    eni = find(call, request.network_interface_id)
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


def instance_of(call: Call, instance_id: str) -> Instance:
    """The instance, or the API's error."""
    instance = call.store.find(Instance, instance_id)
    if instance is None:
        raise ApiError(
            "InvalidInstanceId.NotFound",
            f"The specified InstanceId {instance_id!r} does not exist.",
            404,
        )
    return instance


@action(writes=True)
def attach_network_interface(call: Call, request: AttachNetworkInterface) -> Answer:
    """Attach an ENI to a Running or Stopped instance."""
    eni = find(call, request.network_interface_id)
    instance = instance_of(call, request.instance_id)
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
    eni = find(call, request.network_interface_id)
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


@dataclass(frozen=True, kw_only=True)
class AssignPrivateIpAddresses:
    """Parameters of AssignPrivateIpAddresses."""

    network_interface_id: str
    region_id: str | None = None
    private_ip_address: tuple[str, ...] = ()
    secondary_private_ip_address_count: int = 0
    ipv4_prefix: tuple[str, ...] = ()
    ipv4_prefix_count: int = 0


def _changeable(call: Call, eni: NetworkInterface) -> None:
    if eni.life.at(call.now) not in {"Available", "InUse"}:
        raise ApiError(
            "InvalidOperation.InvalidEniState",
            f"{eni.id} is {eni.life.at(call.now)}; it must be Available or InUse.",
            403,
        )


def _limited(call: Call, eni: NetworkInterface) -> None:
    if eni.instance_id:
        check_limits(eni, instance_of(call, eni.instance_id))
    elif 1 + len(eni.secondary) + len(eni.prefixes) > _MOST_ASSIGNED:
        raise ApiError(
            "InvalidOperation.Ipv4CountExceeded",
            f"An ENI has at most {_MOST_ASSIGNED} private IPv4 addresses.",
            403,
        )


@action(writes=True)
def assign_private_ip_addresses(call: Call, request: AssignPrivateIpAddresses) -> Answer:
    """Add secondary addresses or prefixes, all or none."""
    eni = find(call, request.network_interface_id)
    _changeable(call, eni)
    vswitch = vswitches.find(call, eni.vswitch_id)
    given, count = request.private_ip_address, request.secondary_private_ip_address_count
    if not (given or count or request.ipv4_prefix or request.ipv4_prefix_count):
        raise ApiError(
            "MissingParameter.PrivateIpAddress", "Give addresses, prefixes or a count of them."
        )
    if len(given) + count > _MOST_ASSIGNED:
        raise ApiError(
            "InvalidParameter.PrivateIpAddress", f"At most {_MOST_ASSIGNED} addresses at a time."
        )
    added = _take_ipv4(call, eni, vswitch, given, count)
    prefixes = _take_prefixes(call, eni, vswitch, request.ipv4_prefix, request.ipv4_prefix_count)
    changed = call.store.change(
        eni, secondary=(*eni.secondary, *added), prefixes=(*eni.prefixes, *prefixes)
    )
    _limited(call, changed)
    return {
        "AssignedPrivateIpAddressesSet": {
            "NetworkInterfaceId": eni.id,
            "PrivateIpSet": {"PrivateIpAddress": list(added)},
            "Ipv4PrefixSet": {"Ipv4Prefixes": list(prefixes)},
        }
    }


@dataclass(frozen=True, kw_only=True)
class UnassignPrivateIpAddresses:
    """Parameters of UnassignPrivateIpAddresses."""

    network_interface_id: str
    region_id: str | None = None
    private_ip_address: tuple[str, ...] = ()
    ipv4_prefix: tuple[str, ...] = ()


@action(writes=True)
def unassign_private_ip_addresses(call: Call, request: UnassignPrivateIpAddresses) -> Answer:
    """Take secondary addresses or prefixes away, all or none."""
    eni = find(call, request.network_interface_id)
    _changeable(call, eni)
    for ip in request.private_ip_address:
        if ip == eni.address:
            raise ApiError(
                "InvalidOperation.PrimaryIpAddress", f"{ip} is the primary address of {eni.id}."
            )
        if ip not in eni.secondary:
            raise ApiError("InvalidIp.Address", f"{ip} is not on {eni.id}.", 403)
    for prefix in request.ipv4_prefix:
        if prefix not in eni.prefixes:
            raise ApiError("InvalidIp.Prefix", f"{prefix} is not on {eni.id}.", 403)
    for gone in (*request.private_ip_address, *request.ipv4_prefix):
        claims.give_back(call, eni.vswitch_id, gone)
    call.store.change(
        eni,
        secondary=tuple(ip for ip in eni.secondary if ip not in request.private_ip_address),
        prefixes=tuple(p for p in eni.prefixes if p not in request.ipv4_prefix),
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class AssignIpv6Addresses:
    """Parameters of AssignIpv6Addresses."""

    network_interface_id: str
    region_id: str | None = None
    ipv6_address: tuple[str, ...] = ()
    ipv6_address_count: int = 0


@action(writes=True)
def assign_ipv6_addresses(call: Call, request: AssignIpv6Addresses) -> Answer:
    """Add IPv6 addresses, all or none."""
    eni = find(call, request.network_interface_id)
    _changeable(call, eni)
    vswitch = vswitches.find(call, eni.vswitch_id)
    added = _take_ipv6(call, eni, vswitch, request.ipv6_address, request.ipv6_address_count)
    changed = call.store.change(eni, ipv6=(*eni.ipv6, *added))
    _limited(call, changed)
    return {
        "NetworkInterfaceId": eni.id,
        "Ipv6Sets": {"Ipv6Address": list(added)},
        "Ipv6PrefixSets": {"Ipv6Prefix": []},
    }


@dataclass(frozen=True, kw_only=True)
class UnassignIpv6Addresses:
    """Parameters of UnassignIpv6Addresses."""

    network_interface_id: str
    region_id: str | None = None
    ipv6_address: tuple[str, ...] = ()


@action(writes=True)
def unassign_ipv6_addresses(call: Call, request: UnassignIpv6Addresses) -> Answer:
    """Take IPv6 addresses away, all or none."""
    eni = find(call, request.network_interface_id)
    _changeable(call, eni)
    for ip in request.ipv6_address:
        if ip not in eni.ipv6:
            raise ApiError("InvalidIp.Address", f"{ip} is not on {eni.id}.", 403)
        ipv6.take_from(call, eni.vswitch_id, ip)
    call.store.change(eni, ipv6=tuple(ip for ip in eni.ipv6 if ip not in request.ipv6_address))
    return {}


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
        return find(call, request.network_interface_id)
    instance = instance_of(call, request.instance_id or "")
    enis = call.store.where(NetworkInterface, "instance", instance.id)
    return next(e for e in enis if e.primary)


@action(writes=True)
def join_security_group(call: Call, request: JoinSecurityGroup) -> Answer:
    """Add an ENI, or an instance's primary one, to a security group."""
    eni = _member(call, request)
    groups = tuple(dict.fromkeys((*eni.security_group_ids, request.security_group_id)))
    _check_groups(call, groups, eni.vpc_id)
    call.store.change(eni, security_group_ids=groups)
    return {}


@action(writes=True)
def leave_security_group(call: Call, request: LeaveSecurityGroup) -> Answer:
    """Take an ENI out of a security group; the last one stays."""
    eni = _member(call, request)
    left = tuple(g for g in eni.security_group_ids if g != request.security_group_id)
    if not left:
        raise ApiError(
            "InstanceLastSecurityGroup", f"{eni.id} must stay in one security group.", 403
        )
    call.store.change(eni, security_group_ids=left)
    return {}
