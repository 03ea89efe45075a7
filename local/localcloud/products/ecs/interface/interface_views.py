"""ENIs as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products import filters, resource_groups
from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import NetworkInterface
from localcloud.products.endings import DELETED
from localcloud.products.pages import Table, TokenRequest
from localcloud.products.vpc.entities import Eip
from localcloud.requests import hostility, tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.parameters import wire


def private_ip_set(eni: NetworkInterface) -> dict[str, object]:
    """`PrivateIpSets`: the primary address first."""
    return {
        "PrivateIpSet": [
            {"PrivateIpAddress": ip, "Primary": ip == eni.address}
            for ip in (eni.address, *eni.secondary)
        ]
    }


def _private_ips(eni: NetworkInterface, public: Sequence[Eip]) -> dict[str, object]:
    """`PrivateIpSets` with the EIP of each address.

    An EIP whose binding names no address belongs to the primary one (AssociateEipAddress, text of
    PrivateIpAddress).
    """
    bound = {
        eip.private_ip or eni.address: {"AllocationId": eip.id, "PublicIpAddress": eip.ip}
        for eip in public
    }
    return {
        "PrivateIpSet": [
            {
                "PrivateIpAddress": ip,
                "Primary": ip == eni.address,
                **({"AssociatedPublicIp": bound[ip]} if ip in bound else {}),
            }
            for ip in (eni.address, *eni.secondary)
        ]
    }


def interface_shown(call: Call, eni: NetworkInterface) -> dict[str, object]:
    """An ENI as DescribeNetworkInterfaces shows it. All four sets are always present."""
    public = call.store.where(Eip, "instance", eni.id)
    prefixes = eni.prefixes
    if eni.instance_id is None:
        prefixes = hostility.prefixes_before_attachment(call.cloud, prefixes)
    shown: dict[str, object] = {
        "NetworkInterfaceId": eni.id,
        "NetworkInterfaceName": eni.name,
        "Description": eni.description,
        "Status": eni.life.at(call.now),
        "Type": eni.kind,
        "VpcId": eni.vpc_id,
        "VSwitchId": eni.vswitch_id,
        "ZoneId": eni.zone,
        "MacAddress": eni.mac,
        "PrivateIpAddress": eni.address,
        "PrivateIpSets": _private_ips(eni, public),
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": ip} for ip in eni.ipv6]},
        "Ipv4PrefixSets": {"Ipv4PrefixSet": [{"Ipv4Prefix": p} for p in prefixes]},
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
    if eni.queue_pairs is not None:
        shown["QueuePairNumber"] = eni.queue_pairs
    if eni.instance_id:
        shown["Attachment"] = {
            "InstanceId": eni.instance_id,
            "DeviceIndex": eni.device_index,
            "NetworkCardIndex": eni.card_index,
            "TrunkNetworkInterfaceId": "",
        }
    return shown


_TABLE: Final = Table(
    "NetworkInterfaceSets", "NetworkInterfaceSet", interface_shown, most=1000, most_by_token=500
)


@dataclass(frozen=True, kw_only=True)
class DescribeNetworkInterfaces(TokenRequest):
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
    attributes: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()


def _candidates(  # noqa: PLR0911  # one return for each index
    call: Call, request: DescribeNetworkInterfaces
) -> Iterable[NetworkInterface]:
    """The smallest indexed set that contains all matches."""
    store = call.store
    if request.network_interface_id:
        named = (store.find(NetworkInterface, i) for i in request.network_interface_id)
        return [e for e in named if e is not None]
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
    """List ENIs by filter."""
    interfaces = [
        e
        for e in _candidates(call, request)
        if filters.equal(request.instance_id, e.instance_id)
        and filters.equal(request.vpc_id, e.vpc_id)
        and filters.equal(request.vswitch_id, e.vswitch_id)
        and (not request.security_group_id or request.security_group_id in e.security_group_ids)
        and filters.equal(request.primary_ip_address, e.address)
        and resource_groups.is_shown(request.resource_group_id, e.resource_group_id)
        and (
            not request.private_ip_address
            or any(ip in (e.address, *e.secondary) for ip in request.private_ip_address)
        )
        and (not request.ipv6_address or any(ip in e.ipv6 for ip in request.ipv6_address))
        and filters.equal(request.network_interface_name, e.name)
        and filters.equal(request.kind, e.kind)
        and filters.equal(request.status, e.life.at(call.now))
        and not request.service_managed
        and e.life.at(call.now) != DELETED
        and tags.match(e.tags, request.tag)
    ]
    return _TABLE.listed(call, interfaces, request)


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
    """Describe one ENI."""
    return interface_shown(call, existing.interface(call, request.network_interface_id))
