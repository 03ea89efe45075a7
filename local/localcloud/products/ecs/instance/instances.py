"""Instances as the API lists and describes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products import filters, resource_groups
from localcloud.products.ecs import catalog
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.ecs.instance import cpu_options
from localcloud.products.ecs.interface import interface_views
from localcloud.products.pages import PageRequest, Table, TokenRequest
from localcloud.products.vpc.entities import Eip
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, minute
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid

RUNNING: Final = "Running"
STOPPED: Final = "Stopped"
_STATUSES: Final = ("Pending", "Starting", RUNNING, "Stopping", STOPPED)
_CHARGE_TYPES: Final = ("PostPaid", "PrePaid")
_NETWORK_TYPES: Final = ("classic", "vpc")
_MOST_IDS: Final = 100
NEVER: Final = "2099-12-31T15:59Z"


@dataclass(frozen=True, kw_only=True)
class DescribeInstances(TokenRequest):
    """Parameters of DescribeInstances."""

    region_id: str | None = None
    instance_ids: str | None = None
    vpc_id: str | None = None
    vswitch_id: str | None = None
    zone_id: str | None = None
    instance_name: str | None = None
    instance_type: str | None = None
    image_id: str | None = None
    status: str | None = None
    security_group_id: str | None = None
    private_ip_addresses: tuple[str, ...] = ()
    eip_addresses: tuple[str, ...] = ()
    key_pair_name: str | None = None
    instance_network_type: str | None = None
    instance_charge_type: str | None = None
    internet_charge_type: str | None = None
    resource_group_id: str | None = None
    additional_attributes: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()


def enis_of(call: Call, instance: Instance) -> list[NetworkInterface]:
    """The ENIs of an instance, the primary one first."""
    enis = call.store.where(NetworkInterface, "instance", instance.id)
    return sorted(enis, key=lambda e: (not e.primary, e.device_index))


def instance_shown(call: Call, instance: Instance) -> dict[str, object]:
    """An instance as DescribeInstances shows it."""
    enis = enis_of(call, instance)
    primary = enis[0]
    kind = catalog.instance_types()[instance.instance_type]
    cpu = instance.cpu or cpu_options.usual(kind)
    image = catalog.image(instance.image_id)
    public = call.store.where(Eip, "instance", instance.id)
    status = instance.status(call.now)
    return {
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "HostName": instance.hostname,
        "Description": instance.description,
        "Status": status,
        "RegionId": call.cloud.region,
        "ZoneId": instance.zone,
        "ClusterId": "",
        "ImageId": instance.image_id,
        "InstanceType": instance.instance_type,
        "InstanceTypeFamily": kind.family,
        "Cpu": kind.vcpus,
        "Memory": int(kind.memory * 1024),
        "GPUAmount": 0,
        "GPUSpec": "",
        "OSName": image.platform if image else "",
        "OSNameEn": image.platform if image else "",
        "OSType": "linux",
        "InstanceNetworkType": "vpc",
        "InstanceChargeType": instance.charge_type,
        "InternetChargeType": instance.internet_charge_type,
        "InternetMaxBandwidthIn": instance.internet_bandwidth_in,
        "InternetMaxBandwidthOut": instance.internet_bandwidth_out,
        "SaleCycle": "",
        "SpotStrategy": instance.spot_strategy,
        "SpotPriceLimit": instance.spot_price_limit,
        "SpotDuration": instance.spot_duration,
        "SpotInterruptionBehavior": instance.spot_interruption,
        "CreditSpecification": instance.credit_specification,
        "DeletionProtection": instance.deletion_protection,
        "DeploymentSetId": "",
        "HpcClusterId": "",
        "KeyPairName": instance.key_pair,
        "ResourceGroupId": instance.resource_group_id,
        "SerialNumber": instance.serial_number,
        "StoppedMode": instance.stopped_mode if status == STOPPED else "Not-applicable",
        "IoOptimized": True,
        "DeviceAvailable": True,
        "Recyclable": False,
        "VlanId": "",
        "LocalStorageAmount": 0,
        "LocalStorageCapacity": 0,
        "AutoReleaseTime": instance.auto_release_time,
        "CreationTime": minute(instance.created),
        "StartTime": minute(instance.started),
        "ExpiredTime": NEVER,
        "PublicIpAddress": {"IpAddress": [instance.public_ip] if instance.public_ip else []},
        "InnerIpAddress": {"IpAddress": []},
        "RdmaIpAddress": {"IpAddress": []},
        "EipAddress": (
            {
                "AllocationId": public[0].id,
                "IpAddress": public[0].ip,
                "Bandwidth": public[0].bandwidth,
                "InternetChargeType": public[0].internet_charge_type,
                "IsSupportUnassociate": True,
            }
            if public
            else {"AllocationId": "", "IpAddress": "", "InternetChargeType": ""}
        ),
        "VpcAttributes": {
            "VpcId": primary.vpc_id,
            "VSwitchId": primary.vswitch_id,
            "PrivateIpAddress": {"IpAddress": [primary.address]},
            "NatIpAddress": "",
        },
        "SecurityGroupIds": {"SecurityGroupId": list(primary.security_group_ids)},
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    "NetworkInterfaceId": e.id,
                    "Type": e.kind,
                    "MacAddress": e.mac,
                    "PrimaryIpAddress": e.address,
                    "PrivateIpSets": interface_views.private_ip_set(e),
                    "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": ip} for ip in e.ipv6]},
                    "Ipv4PrefixSets": {"Ipv4PrefixSet": [{"Ipv4Prefix": p} for p in e.prefixes]},
                    "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
                }
                for e in enis
            ]
        },
        "MetadataOptions": {
            "HttpTokens": instance.http_tokens,
            "HttpEndpoint": instance.http_endpoint,
            "HttpPutResponseHopLimit": instance.http_hop_limit,
        },
        "CpuOptions": {
            "CoreCount": cpu.cores,
            "ThreadsPerCore": cpu.threads_per_core,
            "Numa": "",
            "TopologyType": cpu.topology,
        },
        "ImageOptions": {"LoginAsNonRoot": False},
        "AdditionalInfo": {"EnableHighDensityMode": instance.high_density},
        "DedicatedHostAttribute": {
            "DedicatedHostClusterId": "",
            "DedicatedHostId": "",
            "DedicatedHostName": "",
        },
        "DedicatedInstanceAttribute": {"Tenancy": "", "Affinity": ""},
        "EcsCapacityReservationAttr": {
            "CapacityReservationId": "",
            "CapacityReservationPreference": "",
        },
        "HibernationOptions": {"Configured": False},
        "OperationLocks": {"LockReason": []},
        "Tags": tags.ecs(instance.tags),
    }


def _ids(text: str) -> list[str]:
    """The ids in a JSON array, without duplicates."""
    ids = filters.texts(text)
    if ids is None:
        raise invalid("InstanceIds", text, "it must be a JSON array of instance ids")
    if len(ids) > _MOST_IDS:
        raise invalid("InstanceIds", len(ids), f"a request has at most {_MOST_IDS} ids")
    return list(dict.fromkeys(ids))


def _check_filters(request: DescribeInstances) -> None:
    for name, value, possible, code in (
        ("Status", request.status, _STATUSES, "InvalidStatus.NotFound"),
        (
            "InstanceChargeType",
            request.instance_charge_type,
            _CHARGE_TYPES,
            "InvalidInstanceChargeType.NotFound",
        ),
        (
            "InstanceNetworkType",
            request.instance_network_type,
            _NETWORK_TYPES,
            "InvalidNetworkType.NotFound",
        ),
    ):
        if value and value not in possible:
            text = f"The {name} {value[:40]!r} is not one of {', '.join(possible)}."
            raise ApiError(code, text, 404)


def _candidates(call: Call, request: DescribeInstances) -> Iterable[Instance]:
    if request.instance_ids:
        return several(call, _ids(request.instance_ids))
    if request.vpc_id:
        return call.store.where(Instance, "vpc", request.vpc_id)
    return call.store.all(Instance)


def _matches(call: Call, instance: Instance, request: DescribeInstances) -> bool:
    if (
        not filters.equal(request.vpc_id, instance.vpc_id)
        or not filters.equal(request.zone_id, instance.zone)
        or not filters.equal(request.instance_type, instance.instance_type)
        or not filters.equal(request.image_id, instance.image_id)
        or not filters.equal(request.key_pair_name, instance.key_pair)
        or not filters.equal(request.instance_charge_type, instance.charge_type)
        or not filters.equal(request.internet_charge_type, instance.internet_charge_type)
        or not resource_groups.is_shown(request.resource_group_id, instance.resource_group_id)
        or request.instance_network_type == "classic"
        or not filters.equal(request.status, instance.status(call.now))
        or not tags.match(instance.tags, request.tag)
    ):
        return False
    if request.instance_name:
        stem = request.instance_name.removesuffix("*")
        if instance.name != stem and not (
            request.instance_name.endswith("*") and instance.name.startswith(stem)
        ):
            return False
    if request.vswitch_id or request.security_group_id or request.private_ip_addresses:
        primary = enis_of(call, instance)[0]
        return (
            filters.equal(request.vswitch_id, primary.vswitch_id)
            and (
                not request.security_group_id
                or request.security_group_id in primary.security_group_ids
            )
            and filters.among(request.private_ip_addresses, primary.address)
        )
    return True


_INSTANCES: Final = Table("Instances", "Instance", instance_shown)


@action()
def describe_instances(call: Call, request: DescribeInstances) -> Answer:
    """List instances by filter."""
    _check_filters(request)
    instances = [i for i in _candidates(call, request) if _matches(call, i, request)]
    return _INSTANCES.listed(call, instances, request)


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceStatus(PageRequest):
    """Parameters of DescribeInstanceStatus."""

    region_id: str | None = None
    zone_id: str | None = None
    cluster_id: str | None = None
    instance_id: tuple[str, ...] = ()


def _status_shown(call: Call, i: Instance) -> dict[str, object]:
    return {"InstanceId": i.id, "Status": i.status(call.now)}


_STATUS_TABLE: Final = Table("InstanceStatuses", "InstanceStatus", _status_shown, most=50)


@action()
def describe_instance_status(call: Call, request: DescribeInstanceStatus) -> Answer:
    """List the statuses of instances."""
    instances = [
        i
        for i in call.store.all(Instance)
        if filters.among(request.instance_id, i.id) and filters.equal(request.zone_id, i.zone)
    ]
    return _STATUS_TABLE.numbered(call, instances, request)


@dataclass(frozen=True, kw_only=True)
class OneInstance:
    """Parameters of an action on one instance."""

    instance_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class SeveralInstances(TokenRequest):
    """Parameters of an action on several instances."""

    region_id: str | None = None
    instance_ids: tuple[str, ...] = ()
    instance_id: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the request, which has two spellings of the parameter."""
        return self.instance_ids or self.instance_id


def several(call: Call, ids: Sequence[str]) -> list[Instance]:
    """The instances with these ids. Unknown ids are skipped."""
    return [i for i in (call.store.find(Instance, x) for x in ids) if i is not None]
