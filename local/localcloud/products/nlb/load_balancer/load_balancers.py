"""NLB instances."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from localcloud.products import resource_groups
from localcloud.products.lookup import Lookup
from localcloud.products.nlb import endings, jobs
from localcloud.products.nlb.choices import one_of
from localcloud.products.nlb.entities import DELETED, NetworkLoadBalancer, NlbZone
from localcloud.products.nlb.load_balancer import addresses
from localcloud.products.nlb.load_balancer.addresses import (
    DUAL_STACK,
    INTERNET,
    INTRANET,
    ZoneMapping,
)
from localcloud.products.nlb.tagging import TAG_CODES
from localcloud.products.ram import service_roles
from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP, Ipv6Gateway, Vpc
from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.hostility import shuffled, slowed
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

_MOST_BALANCERS: Final = 60
_NAME: Final = re.compile(r"[A-Za-z\u4e00-\u9fff][\w.\-\u4e00-\u9fff]{1,127}")


find: Final = Lookup(
    NetworkLoadBalancer, "loadbalancer", "ResourceNotFound.loadBalancer", ended=DELETED
)


def ready(call: Call, load_balancer_id: str) -> NetworkLoadBalancer:
    """The NLB, if it can be changed in its present status."""
    balancer = find(call, load_balancer_id)
    status = balancer.life.at(call.now)
    if status == "Configuring":
        raise ApiError("Conflict.Lock", f"The Lock [{balancer.id}] is conflict.")
    if status != "Active":
        raise ApiError(
            "IncorrectStatus.loadbalancer",
            f"The status of loadbalancer [{balancer.id}] is incorrect: {status}.",
        )
    return balancer


def configure(call: Call, balancer: NetworkLoadBalancer, task: str, /, **changes: object) -> Answer:
    """Change an NLB, which is Configuring for a while. The answer names the task."""
    call.store.change(balancer, life=call.passing(("Configuring", 1.0), to="Active"), **changes)
    return {"JobId": jobs.begin(call, task)}


@dataclass(frozen=True, kw_only=True)
class DeletionProtectionConfig:
    """`DeletionProtectionConfig` of a request."""

    enabled: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ModificationProtectionConfig:
    """`ModificationProtectionConfig` of a request."""

    status: str = "NonProtection"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadBalancerBillingConfig:
    """`LoadBalancerBillingConfig` of a request."""

    pay_type: str = "PostPay"


@dataclass(frozen=True, kw_only=True)
class CreateLoadBalancer:
    """Parameters of CreateLoadBalancer."""

    address_type: str
    vpc_id: str
    zone_mappings: tuple[ZoneMapping, ...]
    region_id: str | None = None
    load_balancer_name: str = ""
    load_balancer_type: str = "network"
    address_ip_version: str = "ipv4"
    bandwidth_package_id: str = ""
    resource_group_id: str = ""
    load_balancer_billing_config: LoadBalancerBillingConfig = LoadBalancerBillingConfig()
    deletion_protection_config: DeletionProtectionConfig = DeletionProtectionConfig()
    modification_protection_config: ModificationProtectionConfig = ModificationProtectionConfig()
    tag: tuple[TagParameter, ...] = ()


def checked_name(name: str) -> str:
    """The name, if an NLB can have it. It may be empty."""
    if name and not _NAME.fullmatch(name):
        raise ApiError("IllegalParam.loadBalancerName", "Param loadBalancerName is illegal.")
    return name


@action(writes=True)
def create_load_balancer(call: Call, request: CreateLoadBalancer) -> Answer:
    """Create an NLB in two or more zones, with an address of the vSwitch in each zone."""
    vpc = call.store.find(Vpc, request.vpc_id)
    if vpc is None:
        raise ApiError("ResourceNotFound.Vpc", "The specified resource of Vpc is not found.", 404)
    resource_groups.require(request.resource_group_id, "OperationFailed.NotExist.ResourceGroup")
    address_type = one_of("AddressType", request.address_type, (INTERNET, INTRANET))
    version = one_of("AddressIpVersion", request.address_ip_version or "ipv4", ("Ipv4", DUAL_STACK))
    if request.load_balancer_billing_config.pay_type != "PostPay":
        raise ApiError(
            "OperationDenied.OnlyPostPaidSupported",
            "The operation is not allowed because of OnlyPostPaidSupported.",
        )
    vswitches = addresses.check(call, vpc.id, request.zone_mappings)
    if call.store.count(NetworkLoadBalancer) >= _MOST_BALANCERS:
        raise ApiError(
            "QuotaExceeded.QuotaInsufficient",
            f"The account has {_MOST_BALANCERS} NLB instances in the region.",
        )
    service_roles.ensure(call, service_roles.NLB, code="OperationDenied.ServiceLinkedRoleNotExist")
    load_balancer_id = call.new_id("nlb")
    zones = []
    for mapping in request.zone_mappings:
        zone = addresses.take(
            call,
            load_balancer_id,
            vswitches[mapping.zone_id],
            mapping,
            dual_stack=version == DUAL_STACK,
        )
        if address_type == INTERNET:
            zone = addresses.publish(call, zone, mapping.allocation_id)
        zones.append(zone)
    deletion = request.deletion_protection_config
    modification = request.modification_protection_config
    call.store.put(
        NetworkLoadBalancer(
            id=load_balancer_id,
            name=checked_name(request.load_balancer_name),
            address_type=address_type,
            address_ip_version=version,
            ipv6_address_type=INTRANET if version == DUAL_STACK else "",
            vpc_id=vpc.id,
            zones=tuple(zones),
            bandwidth_package_id=request.bandwidth_package_id,
            deletion_protection=deletion.enabled,
            deletion_protection_reason=deletion.reason,
            deletion_protection_since=call.now,
            modification_protection=modification.status,
            modification_protection_reason=modification.reason,
            modification_protection_since=call.now,
            resource_group_id=request.resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            life=call.passing(
                ("Provisioning", slowed(call.cloud, 5.0, "create", request.load_balancer_name)),
                to="Active",
            ),
            tags=tags.requested(request.tag, TAG_CODES),
        )
    )
    # The API really has this spelling.
    return {"LoadbalancerId": load_balancer_id, "OrderId": 0}


def _zone_shown(zone: NlbZone, *, local: bool) -> dict[str, object]:
    address: dict[str, object] = {
        "AllocationId": zone.allocation_id,
        "EniId": zone.eni_id,
        "Ipv6Address": zone.ipv6,
        "PrivateIPv4Address": zone.private_ipv4,
        "PrivateIPv4HcStatus": "Healthy",
        "PrivateIPv6HcStatus": "Healthy" if zone.ipv6 else "",
        "PublicIPv4Address": zone.public_ipv4,
    }
    if local:
        address |= {"Ipv4LocalAddresses": list(zone.local_ipv4), "Ipv6LocalAddresses": []}
    return {
        "ZoneId": zone.zone,
        "VSwitchId": zone.vswitch_id,
        "Status": "Active",
        "LoadBalancerAddresses": [address],
    }


def _shown(call: Call, balancer: NetworkLoadBalancer, *, local: bool) -> dict[str, object]:
    region = call.cloud.region
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerType": "network",
        "LoadBalancerStatus": balancer.life.at(call.now),
        "LoadBalancerBusinessStatus": "Normal",
        "AddressType": balancer.address_type,
        "AddressIpVersion": balancer.address_ip_version,
        "Ipv6AddressType": balancer.ipv6_address_type,
        "DNSName": f"{balancer.id}.{region}.nlb.aliyuncsslb.com",
        "VpcId": balancer.vpc_id,
        "ZoneMappings": [_zone_shown(z, local=local) for z in balancer.zones],
        "SecurityGroupIds": list(balancer.security_group_ids),
        "CrossZoneEnabled": balancer.cross_zone,
        "BandwidthPackageId": balancer.bandwidth_package_id,
        "DeletionProtectionConfig": {
            "Enabled": balancer.deletion_protection,
            "Reason": balancer.deletion_protection_reason,
            "EnabledTime": moment(balancer.deletion_protection_since),
        },
        "ModificationProtectionConfig": {
            "Status": balancer.modification_protection,
            "Reason": balancer.modification_protection_reason,
            "EnabledTime": moment(balancer.modification_protection_since),
        },
        "LoadBalancerBillingConfig": {"PayType": "PostPay"},
        "OperationLocks": [],
        "ResourceGroupId": balancer.resource_group_id,
        "RegionId": region,
        "CreateTime": moment(balancer.created),
    }


@dataclass(frozen=True, kw_only=True)
class GetLoadBalancerAttribute:
    """Parameters of GetLoadBalancerAttribute."""

    load_balancer_id: str
    region_id: str | None = None


@action()
def get_load_balancer_attribute(call: Call, request: GetLoadBalancerAttribute) -> Answer:
    """Describe one NLB. Its tags have other names than in the list."""
    balancer = find(call, request.load_balancer_id)
    return {
        **_shown(call, balancer, local=True),
        "Cps": balancer.cps,
        "Tags": [{"TagKey": key, "TagValue": value} for key, value in balancer.tags],
    }


@dataclass(frozen=True, kw_only=True)
class ListLoadBalancers:
    """Parameters of ListLoadBalancers."""

    region_id: str | None = None
    load_balancer_ids: tuple[str, ...] = ()
    load_balancer_names: tuple[str, ...] = ()
    load_balancer_status: str | None = None
    load_balancer_business_status: str | None = None
    load_balancer_type: str | None = None
    address_type: str | None = None
    address_ip_version: str | None = None
    ipv6_address_type: str | None = None
    dns_name: str | None = wire("DNSName", default=None)
    vpc_ids: tuple[str, ...] = ()
    zone_id: str | None = None
    resource_group_id: str | None = None
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def list_load_balancers(call: Call, request: ListLoadBalancers) -> Answer:
    """List NLBs by filter."""
    filters = {
        "LoadBalancerStatus": request.load_balancer_status,
        "LoadBalancerBusinessStatus": request.load_balancer_business_status,
        "LoadBalancerType": request.load_balancer_type,
        "AddressType": request.address_type,
        "AddressIpVersion": request.address_ip_version,
        "Ipv6AddressType": request.ipv6_address_type,
        "DNSName": request.dns_name,
        "ResourceGroupId": request.resource_group_id,
    }
    lowered = {name: value.lower() for name, value in filters.items() if value}
    rows = []
    for balancer in call.store.all(NetworkLoadBalancer):
        if (
            balancer.life.at(call.now) == DELETED
            or (request.load_balancer_ids and balancer.id not in request.load_balancer_ids)
            or (request.load_balancer_names and balancer.name not in request.load_balancer_names)
            or (request.vpc_ids and balancer.vpc_id not in request.vpc_ids)
            or (request.zone_id and all(z.zone != request.zone_id for z in balancer.zones))
            or not tags.match(balancer.tags, request.tag)
        ):
            continue
        shown = {**_shown(call, balancer, local=False), "Tags": tags.plain(balancer.tags)}
        if all(str(shown[name]).lower() == value for name, value in lowered.items()):
            rows.append(shown)
    return paging.token_answer(
        "LoadBalancers", shuffled(call.cloud, rows), request.next_token, request.max_results
    )


@dataclass(frozen=True, kw_only=True)
class UpdateLoadBalancerAttribute:
    """Parameters of UpdateLoadBalancerAttribute."""

    load_balancer_id: str
    region_id: str | None = None
    load_balancer_name: str | None = None
    cross_zone_enabled: bool | None = None
    cps: int | None = None


@action(writes=True)
def update_load_balancer_attribute(call: Call, request: UpdateLoadBalancerAttribute) -> Answer:
    """Change an NLB's name, its balancing across zones or its Cps."""
    balancer = ready(call, request.load_balancer_id)
    changes: dict[str, object] = {}
    if request.load_balancer_name is not None:
        changes["name"] = checked_name(request.load_balancer_name)
    if request.cross_zone_enabled is not None:
        changes["cross_zone"] = request.cross_zone_enabled
    if request.cps is not None:
        changes["cps"] = request.cps
    return configure(call, balancer, "UpdateLoadBalancerAttribute", **changes)


@dataclass(frozen=True, kw_only=True)
class EnableLoadBalancerIpv6Internet:
    """Parameters of EnableLoadBalancerIpv6Internet."""

    load_balancer_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DisableLoadBalancerIpv6Internet:
    """Parameters of DisableLoadBalancerIpv6Internet."""

    load_balancer_id: str
    region_id: str | None = None


def _ipv6_type(call: Call, load_balancer_id: str, kind: str) -> Answer:
    balancer = ready(call, load_balancer_id)
    if balancer.address_ip_version != DUAL_STACK:
        raise ApiError(
            "OperationDenied.NonDualStackInstance",
            f"The operation is not allowed because {balancer.id} is not DualStack.",
        )
    if kind == INTRANET and balancer.ipv6_address_type == INTRANET:
        raise ApiError(
            "OperationDenied.Ipv6IntranetInstance",
            f"The operation is not allowed because the IPv6 of {balancer.id} is private already.",
        )
    if kind == INTERNET and not call.store.any(Ipv6Gateway, "vpc", balancer.vpc_id):
        raise ApiError(
            "ResourceNotFound.Ipv6Gateway",
            f"The VPC {balancer.vpc_id} has no IPv6 gateway.",
            404,
        )
    call.store.change(balancer, ipv6_address_type=kind)
    return {}


@action(writes=True)
def enable_ipv6_internet(call: Call, request: EnableLoadBalancerIpv6Internet) -> Answer:
    """Make the IPv6 addresses public. The VPC needs an IPv6 gateway."""
    return _ipv6_type(call, request.load_balancer_id, INTERNET)


@action(writes=True)
def disable_ipv6_internet(call: Call, request: DisableLoadBalancerIpv6Internet) -> Answer:
    """Make the IPv6 addresses private."""
    return _ipv6_type(call, request.load_balancer_id, INTRANET)


@dataclass(frozen=True, kw_only=True)
class AttachCommonBandwidthPackageToLoadBalancer:
    """Parameters of AttachCommonBandwidthPackageToLoadBalancer."""

    load_balancer_id: str
    bandwidth_package_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DetachCommonBandwidthPackageFromLoadBalancer:
    """Parameters of DetachCommonBandwidthPackageFromLoadBalancer."""

    load_balancer_id: str
    bandwidth_package_id: str
    region_id: str | None = None


@action(writes=True)
def attach_package(call: Call, request: AttachCommonBandwidthPackageToLoadBalancer) -> Answer:
    """Add an internet NLB to a bandwidth package. The packages themselves are not emulated."""
    balancer = ready(call, request.load_balancer_id)
    if balancer.address_type != INTERNET:
        raise ApiError(
            "OperationDenied.IntranetLoadBalancer",
            f"The operation is not allowed because {balancer.id} is {balancer.address_type}.",
        )
    if balancer.bandwidth_package_id:
        raise ApiError(
            "ResourceAlreadyAssociated.loadbalancer",
            f"The specified resource of {balancer.id} is already associated.",
        )
    name = "AttachCommonBandwidthPackageToLoadBalancer"
    return configure(call, balancer, name, bandwidth_package_id=request.bandwidth_package_id)


@action(writes=True)
def detach_package(call: Call, request: DetachCommonBandwidthPackageFromLoadBalancer) -> Answer:
    """Remove an NLB from its bandwidth package."""
    balancer = ready(call, request.load_balancer_id)
    if balancer.bandwidth_package_id != request.bandwidth_package_id:
        raise ApiError(
            "ResourceNotAssociated.loadbalancer",
            f"{balancer.id} is not in {request.bandwidth_package_id!r}.",
        )
    name = "DetachCommonBandwidthPackageFromLoadBalancer"
    return configure(call, balancer, name, bandwidth_package_id="")


@dataclass(frozen=True, kw_only=True)
class DeleteLoadBalancer:
    """Parameters of DeleteLoadBalancer."""

    load_balancer_id: str
    region_id: str | None = None


@action(writes=True)
def delete_load_balancer(call: Call, request: DeleteLoadBalancer) -> Answer:
    """Delete an NLB and its listeners. Server groups stay."""
    balancer = ready(call, request.load_balancer_id)
    if balancer.deletion_protection:
        raise ApiError(
            "OperationDenied.DeletionProtectionEnabled",
            "The operation is not allowed because of DeletionProtectionEnabled.",
        )
    seconds = slowed(call.cloud, 3.0, "delete", balancer.name)
    call.store.change(balancer, life=call.passing(("Deleting", seconds), to=DELETED))
    endings.settle(call)
    return {"JobId": jobs.begin(call, "DeleteLoadBalancer", seconds)}
