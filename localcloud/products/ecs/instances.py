"""Instances: their life, their attributes, their disks."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from localcloud import paging, tags
from localcloud.actions import Answer, Call, action, minute, moment
from localcloud.products.nlb.entities import drop_server as drop_nlb_server
from localcloud.products.ram.entities import Role
from localcloud.products.slb.entities import drop_server as drop_clb_server
from localcloud.products.vpc import eips, vswitches
from localcloud.products.vpc.entities import Eip, RouteEntry
from localcloud.state.lifecycle import Lifecycle
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from . import catalog, interfaces
from .entities import Console, Disk, Instance, KeyPair, NetworkInterface
from .interfaces import Wanted

RUNNING: Final = "Running"
STOPPED: Final = "Stopped"
_MOST_USER_DATA: Final = 32 * 1024
_MOST_AMOUNT: Final = 100
_NEVER: Final = "2099-12-31T15:59Z"


@dataclass(frozen=True, kw_only=True)
class DiskParameter:
    """`SystemDisk.*` and `DataDisk.N.*`."""

    category: str = "cloud_essd"
    size: int | None = None
    disk_name: str = ""
    description: str = ""
    performance_level: str = ""
    auto_snapshot_policy_id: str = ""
    storage_cluster_id: str = ""
    encrypted: bool = False
    kms_key_id: str = wire("KMSKeyId", default="")
    kmskey_id: str = wire("KmsKeyId", default="")
    encrypt_algorithm: str = ""
    provisioned_iops: int | None = None
    bursting_enabled: bool | None = None
    snapshot_id: str = ""
    device: str = ""
    delete_with_instance: bool = True


@dataclass(frozen=True, kw_only=True)
class InterfaceParameter:
    """`NetworkInterface.N.*`: an ENI that is there, or one to make."""

    instance_type: str = "Secondary"
    network_interface_id: str | None = None
    vswitch_id: str | None = None
    security_group_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    network_interface_name: str = ""
    description: str = ""
    primary_ip_address: str | None = None
    private_ip_address: tuple[str, ...] = ()
    secondary_private_ip_address_count: int = 0
    ipv6_address: tuple[str, ...] = ()
    ipv6_address_count: int = 0
    network_interface_traffic_mode: str = "Standard"
    network_card_index: int = 0
    queue_number: int = 1
    queue_pair_number: int | None = None
    delete_on_release: bool = True
    source_dest_check: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """`NetworkOptions.*`."""

    enable_jumbo_frame: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """`ImageOptions.*`."""

    login_as_non_root: bool = False


@dataclass(frozen=True, kw_only=True)
class CpuOptions:
    """`CpuOptions.*`."""

    core: int | None = None
    threads_per_core: int | None = None
    numa: str | None = None
    topology_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunInstances:
    """Parameters of RunInstances."""

    instance_type: str
    image_id: str
    region_id: str | None = None
    zone_id: str | None = None
    amount: int = 1
    min_amount: int | None = None
    instance_name: str = ""
    host_name: str = ""
    description: str = ""
    unique_suffix: bool | None = None
    vswitch_id: str | None = None
    private_ip_address: str | None = None
    security_group_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    ipv6_address: tuple[str, ...] = ()
    ipv6_address_count: int = 0
    network_interface: tuple[InterfaceParameter, ...] = ()
    system_disk: DiskParameter | None = None
    data_disk: tuple[DiskParameter, ...] = ()
    user_data: str = ""
    ram_role_name: str | None = None
    key_pair_name: str = ""
    password: str | None = None
    password_inherit: bool | None = None
    http_tokens: str = "optional"
    http_endpoint: str = "enabled"
    http_put_response_hop_limit: int = 1
    deletion_protection: bool = False
    internet_charge_type: str = "PayByTraffic"
    internet_max_bandwidth_out: int = 0
    internet_max_bandwidth_in: int | None = None
    instance_charge_type: str = "PostPaid"
    period: int | None = None
    period_unit: str | None = None
    auto_renew: bool | None = None
    auto_renew_period: int | None = None
    auto_release_time: str | None = None
    credit_specification: str = ""
    spot_strategy: str = "NoSpot"
    spot_price_limit: float | None = None
    spot_duration: int | None = None
    io_optimized: str | None = None
    security_enhancement_strategy: str | None = None
    resource_group_id: str = ""
    launch_template_id: str | None = None
    launch_template_name: str | None = None
    launch_template_version: str | None = None
    hpc_cluster_id: str | None = None
    deployment_set_id: str | None = None
    dedicated_host_id: str | None = None
    tenancy: str | None = None
    affinity: str | None = None
    network_options: NetworkOptions = field(default_factory=NetworkOptions)
    image_options: ImageOptions = field(default_factory=ImageOptions)
    cpu_options: CpuOptions = field(default_factory=CpuOptions)
    tag: tuple[TagParameter, ...] = ()


def find(call: Call, instance_id: str) -> Instance:
    """The instance, or the API's error."""
    return interfaces.instance_of(call, instance_id)


def _check_user_data(text: str) -> None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError("InvalidUserData.Base64FormatInvalid", "UserData must be Base64.") from None
    if len(raw) > _MOST_USER_DATA:
        raise ApiError(
            "InvalidUserData.SizeExceeded",
            f"UserData is {len(raw)} bytes; at most {_MOST_USER_DATA} before encoding.",
        )


def _check_kind(call: Call, request: RunInstances) -> None:
    if request.instance_type not in catalog.instance_types():
        raise ApiError(
            "InvalidInstanceType.ValueNotSupported",
            f"The specified InstanceType {request.instance_type!r} does not exist or is beyond "
            "the permitted range.",
        )
    if catalog.image(request.image_id) is None:
        raise ApiError(
            "InvalidImageId.NotFound",
            f"The specified ImageId {request.image_id!r} does not exist.",
            404,
        )
    if request.zone_id and request.zone_id not in call.cloud.zones:
        raise ApiError("InvalidZoneId.NotFound", f"Zone {request.zone_id!r} does not exist.", 404)
    if request.ram_role_name and call.store.find(Role, request.ram_role_name) is None:
        raise ApiError(
            "InvalidRamRole.NotFound",
            f"The RAM role {request.ram_role_name!r} does not exist.",
            404,
        )
    if request.key_pair_name and call.store.find(KeyPair, request.key_pair_name) is None:
        raise ApiError(
            "InvalidKeyPair.NotFound",
            f"The key pair {request.key_pair_name!r} does not exist.",
            404,
        )
    if request.http_tokens not in {"optional", "required"}:
        raise invalid("HttpTokens", request.http_tokens, "it must be optional or required")
    if request.http_endpoint not in {"enabled", "disabled"}:
        raise invalid("HttpEndpoint", request.http_endpoint, "it must be enabled or disabled")
    if request.user_data:
        _check_user_data(request.user_data)
    if not 1 <= request.amount <= _MOST_AMOUNT:
        raise invalid("Amount", request.amount, "it must be 1 to 100")


def _wanted(given: InterfaceParameter, groups: Sequence[str]) -> Wanted:
    own = given.security_group_ids or (
        (given.security_group_id,) if given.security_group_id else ()
    )
    return Wanted(
        vswitch_id=given.vswitch_id,
        security_group_ids=own or groups,
        name=given.network_interface_name,
        description=given.description,
        primary_address=given.primary_ip_address,
        addresses=given.private_ip_address,
        address_count=given.secondary_private_ip_address_count,
        ipv6=given.ipv6_address,
        ipv6_count=given.ipv6_address_count,
        delete_on_release=given.delete_on_release,
        source_dest_check=given.source_dest_check,
        traffic_mode=given.network_interface_traffic_mode,
        queue_number=given.queue_number,
    )


def _primary(call: Call, request: RunInstances) -> tuple[NetworkInterface, int]:
    """The ENI that becomes the primary one: given, made from `NetworkInterface.1`, or made."""
    groups = request.security_group_ids or (
        (request.security_group_id,) if request.security_group_id else ()
    )
    given = [n for n in request.network_interface if n.instance_type == "Primary"]
    if len(given) > 1:
        raise ApiError(
            "InvalidParameter.NetworkInterface", "Only one NetworkInterface.N can be Primary."
        )
    if given and given[0].network_interface_id:
        if request.amount > 1:
            raise ApiError("InvalidParameter.Amount", "A given ENI can be on one instance only.")
        return interfaces.find(call, given[0].network_interface_id), given[0].network_card_index
    if given:
        return interfaces.make(call, _wanted(given[0], groups)), given[0].network_card_index
    if not request.vswitch_id:
        raise ApiError(
            "MissingParameter.VSwitchId", 'The input parameter "VSwitchId" is mandatory.'
        )
    made = interfaces.make(
        call,
        Wanted(
            vswitch_id=request.vswitch_id,
            security_group_ids=groups,
            primary_address=request.private_ip_address,
            ipv6=request.ipv6_address,
            ipv6_count=request.ipv6_address_count,
        ),
    )
    return made, 0


def _hostname(given: str, instance_id: str) -> str:
    return given or "iZ" + instance_id.removeprefix("i-") + "Z"


@action(writes=True)
def run_instances(call: Call, request: RunInstances) -> Answer:
    """Make and start instances, all or none."""
    _check_kind(call, request)
    ids = [_run_one(call, request) for _ in range(request.amount)]
    return {"InstanceIdSets": {"InstanceIdSet": ids}, "OrderId": "", "TradePrice": 0.0}


def _run_one(call: Call, request: RunInstances) -> str:
    primary, card = _primary(call, request)
    vswitch = vswitches.find(call, primary.vswitch_id)
    if vswitch.life.at(call.now) != "Available":
        raise ApiError("IncorrectVSwitchStatus", f"The vSwitch {vswitch.id} is not available yet.")
    if request.zone_id and request.zone_id != vswitch.zone:
        raise ApiError(
            "InvalidParameter.ZoneId",
            f"The zone {request.zone_id} is not the vSwitch's, {vswitch.zone}.",
        )
    instance_id = call.new_id("i")
    instance = call.store.put(
        Instance(
            id=instance_id,
            name=request.instance_name or instance_id,
            hostname=_hostname(request.host_name, instance_id),
            description=request.description,
            image_id=request.image_id,
            instance_type=request.instance_type,
            vpc_id=vswitch.vpc_id,
            zone=vswitch.zone,
            user_data=request.user_data,
            ram_role=request.ram_role_name or None,
            key_pair=request.key_pair_name,
            http_tokens=request.http_tokens,
            http_endpoint=request.http_endpoint,
            http_hop_limit=request.http_put_response_hop_limit,
            deletion_protection=request.deletion_protection,
            internet_charge_type=request.internet_charge_type,
            internet_bandwidth_out=request.internet_max_bandwidth_out,
            internet_bandwidth_in=(
                -1
                if request.internet_max_bandwidth_in is None
                else request.internet_max_bandwidth_in
            ),
            charge_type=request.instance_charge_type,
            credit_specification=request.credit_specification,
            spot_strategy=request.spot_strategy,
            resource_group_id=request.resource_group_id,
            jumbo_frame=request.network_options.enable_jumbo_frame,
            serial_number=str(uuid.uuid4()),
            created=call.now,
            started=call.now,
            life=call.passing(("Pending", 2.0), ("Starting", 8.0), to=RUNNING),
            tags=tags.given(request.tag),
        )
    )
    interfaces.attach(call, primary, instance, primary=True, card=card)
    for given in request.network_interface:
        if given.instance_type == "Primary":
            continue
        eni = (
            interfaces.find(call, given.network_interface_id)
            if given.network_interface_id
            else interfaces.make(call, _wanted(given, primary.security_group_ids))
        )
        attached = interfaces.attach(
            call, eni, instance, primary=False, card=given.network_card_index
        )
        call.store.change(attached, life=Lifecycle.settled("InUse"))
    _make_disks(call, request, instance)
    return instance_id


def _make_disks(call: Call, request: RunInstances, instance: Instance) -> None:
    system = request.system_disk or DiskParameter()
    image = catalog.image(instance.image_id)
    smallest = image.size if image else 20
    size = system.size or max(40, smallest)
    if size < smallest:
        raise ApiError(
            "InvalidSystemDiskSize.LessThanImageSize",
            f"The system disk of {size} GiB is smaller than the image's {smallest} GiB.",
        )
    for number, (disk, kind, of_size) in enumerate(
        [(system, "system", size), *((d, "data", d.size or 20) for d in request.data_disk)]
    ):
        if disk.category not in catalog.DISK_CATEGORIES:
            raise ApiError(
                "InvalidSystemDiskCategory.ValueNotSupported",
                f"The disk category {disk.category!r} is not one of "
                f"{', '.join(catalog.DISK_CATEGORIES)}.",
            )
        call.store.put(
            Disk(
                id=call.new_id("d"),
                instance_id=instance.id,
                zone=instance.zone,
                name=disk.disk_name,
                description=disk.description,
                kind=kind,
                category=disk.category,
                performance_level=disk.performance_level
                or ("PL1" if disk.category == "cloud_essd" else ""),
                size=of_size,
                encrypted=disk.encrypted,
                kms_key_id=disk.kms_key_id or disk.kmskey_id,
                image_id=instance.image_id if kind == "system" else "",
                device=disk.device or f"/dev/xvd{chr(ord('a') + number)}",
                snapshot_policy_id=disk.auto_snapshot_policy_id,
                delete_with_instance=disk.delete_with_instance,
                created=call.now,
            )
        )


@dataclass(frozen=True, kw_only=True)
class DescribeInstances:
    """Parameters of DescribeInstances."""

    region_id: str | None = None
    instance_ids: tuple[str, ...] = ()
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
    page_number: int | None = None
    page_size: int | None = None
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


def _enis(call: Call, instance: Instance) -> list[NetworkInterface]:
    found = call.store.where(NetworkInterface, "instance", instance.id)
    return sorted(found, key=lambda e: (not e.primary, e.device_index))


def _instance_shown(call: Call, instance: Instance) -> dict[str, object]:
    enis = _enis(call, instance)
    primary = enis[0]
    kind = catalog.instance_types()[instance.instance_type]
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
        "SpotPriceLimit": 0.0,
        "SpotDuration": 0,
        "SpotInterruptionBehavior": "",
        "CreditSpecification": instance.credit_specification,
        "DeletionProtection": instance.deletion_protection,
        "DeploymentSetId": "",
        "HpcClusterId": "",
        "KeyPairName": instance.key_pair,
        "ResourceGroupId": instance.resource_group_id,
        "SerialNumber": instance.serial_number,
        "StoppedMode": "StopCharging" if status == STOPPED else "Not-applicable",
        "IoOptimized": True,
        "DeviceAvailable": True,
        "Recyclable": False,
        "VlanId": "",
        "LocalStorageAmount": 0,
        "LocalStorageCapacity": 0,
        "AutoReleaseTime": "",
        "CreationTime": minute(instance.created),
        "StartTime": minute(instance.started),
        "ExpiredTime": _NEVER,
        "PublicIpAddress": {"IpAddress": []},
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
                    "Type": "Primary" if e.primary else "Secondary",
                    "MacAddress": e.mac,
                    "PrimaryIpAddress": e.address,
                    "PrivateIpSets": interfaces.private_ip_set(e),
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
            "CoreCount": max(1, kind.vcpus // 2),
            "ThreadsPerCore": 2,
            "Numa": "",
            "TopologyType": "",
        },
        "ImageOptions": {"LoginAsNonRoot": False},
        "AdditionalInfo": {"EnableHighDensityMode": False},
        "DedicatedHostAttribute": {"DedicatedHostId": "", "DedicatedHostName": ""},
        "DedicatedInstanceAttribute": {"Tenancy": "", "Affinity": ""},
        "EcsCapacityReservationAttr": {
            "CapacityReservationId": "",
            "CapacityReservationPreference": "",
        },
        "HibernationOptions": {"Configured": False},
        "OperationLocks": {"LockReason": []},
        "Tags": tags.ecs(instance.tags),
    }


def _candidates(call: Call, request: DescribeInstances) -> Iterable[Instance]:
    if request.instance_ids:
        found = (call.store.find(Instance, i) for i in dict.fromkeys(request.instance_ids))
        return [i for i in found if i is not None]
    if request.vpc_id:
        return call.store.where(Instance, "vpc", request.vpc_id)
    return call.store.all(Instance)


def _matches(call: Call, instance: Instance, request: DescribeInstances) -> bool:
    if (
        (request.vpc_id and instance.vpc_id != request.vpc_id)
        or (request.zone_id and instance.zone != request.zone_id)
        or (request.instance_type and instance.instance_type != request.instance_type)
        or (request.image_id and instance.image_id != request.image_id)
        or (request.key_pair_name and instance.key_pair != request.key_pair_name)
        or (request.status and instance.status(call.now) != request.status)
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
        primary = _enis(call, instance)[0]
        return (
            (not request.vswitch_id or primary.vswitch_id == request.vswitch_id)
            and (
                not request.security_group_id
                or request.security_group_id in primary.security_group_ids
            )
            and (
                not request.private_ip_addresses or primary.address in request.private_ip_addresses
            )
        )
    return True


@action()
def describe_instances(call: Call, request: DescribeInstances) -> Answer:
    """Instances by filter."""
    found = [i for i in _candidates(call, request) if _matches(call, i, request)]
    answer: dict[str, object] = {"TotalCount": len(found)}
    part: Sequence[Instance]
    if request.max_results is not None or request.next_token:
        part, following = paging.by_token(
            found, request.next_token, request.max_results, usual=10, most=100
        )
        answer["NextToken"] = following
    else:
        part, number, size = paging.page(found, request.page_number, request.page_size)
        answer |= {"PageNumber": number, "PageSize": size}
    answer["Instances"] = {"Instance": [_instance_shown(call, i) for i in part]}
    return answer


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceStatus:
    """Parameters of DescribeInstanceStatus."""

    region_id: str | None = None
    zone_id: str | None = None
    cluster_id: str | None = None
    instance_id: tuple[str, ...] = ()
    page_number: int | None = None
    page_size: int | None = None


@action()
def describe_instance_status(call: Call, request: DescribeInstanceStatus) -> Answer:
    """The statuses of instances."""
    found = [
        i
        for i in call.store.all(Instance)
        if (not request.instance_id or i.id in request.instance_id)
        and (not request.zone_id or i.zone == request.zone_id)
    ]
    part, number, size = paging.page(found, request.page_number, request.page_size, most=50)
    return {
        "InstanceStatuses": {
            "InstanceStatus": [{"InstanceId": i.id, "Status": i.status(call.now)} for i in part]
        },
        "TotalCount": len(found),
        "PageNumber": number,
        "PageSize": size,
    }


@dataclass(frozen=True, kw_only=True)
class OneInstance:
    """Parameters of an action on one instance."""

    instance_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttribute(OneInstance):
    """Parameters of DescribeInstanceAttribute."""


@action()
def describe_instance_attribute(call: Call, request: DescribeInstanceAttribute) -> Answer:
    """One instance's attributes."""
    instance = find(call, request.instance_id)
    shown = _instance_shown(call, instance)
    same = (
        "InstanceId InstanceName HostName Description Status RegionId ZoneId ClusterId ImageId "
        "InstanceType Cpu Memory InstanceNetworkType InstanceChargeType InternetChargeType "
        "InternetMaxBandwidthIn InternetMaxBandwidthOut CreditSpecification SerialNumber "
        "StoppedMode VlanId CreationTime ExpiredTime PublicIpAddress InnerIpAddress VpcAttributes "
        "SecurityGroupIds OperationLocks DedicatedHostAttribute"
    )
    answer = {name: shown[name] for name in same.split()}
    answer["IoOptimized"] = "optimized"
    answer["EnableJumboFrame"] = instance.jumbo_frame
    public = call.store.where(Eip, "instance", instance.id)
    answer["EipAddress"] = {
        "AllocationId": public[0].id if public else "",
        "IpAddress": public[0].ip if public else "",
        "InternetChargeType": public[0].internet_charge_type if public else "",
    }
    return answer


@dataclass(frozen=True, kw_only=True)
class DescribeUserData(OneInstance):
    """Parameters of DescribeUserData."""


@action()
def describe_user_data(call: Call, request: DescribeUserData) -> Answer:
    """The user-data, byte for byte as it was sent."""
    instance = find(call, request.instance_id)
    return {
        "InstanceId": instance.id,
        "RegionId": call.cloud.region,
        "UserData": instance.user_data,
    }


@dataclass(frozen=True, kw_only=True)
class SeveralInstances:
    """Parameters of an action on several instances."""

    region_id: str | None = None
    instance_ids: tuple[str, ...] = ()
    instance_id: tuple[str, ...] = ()
    page_number: int | None = None
    page_size: int | None = None
    next_token: str | None = None
    max_results: int | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """Whichever of the two spellings was used."""
        return self.instance_ids or self.instance_id


def _several(call: Call, ids: Sequence[str]) -> list[Instance]:
    return [i for i in (call.store.find(Instance, x) for x in ids) if i is not None]


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceMaintenanceAttributes(SeveralInstances):
    """Parameters of DescribeInstanceMaintenanceAttributes."""


@action()
def describe_instance_maintenance_attributes(
    call: Call, request: DescribeInstanceMaintenanceAttributes
) -> Answer:
    """What happens to instances at maintenance."""
    found = _several(call, request.ids)
    return {
        "MaintenanceAttributes": {
            "MaintenanceAttribute": [
                {
                    "InstanceId": i.id,
                    "ActionOnMaintenance": {
                        "Value": "AutoRecover",
                        "DefaultValue": "AutoRecover",
                        "SupportedValues": {
                            "SupportedValue": ["Stop", "AutoRecover", "AutoRedeploy"]
                        },
                    },
                    "MaintenanceWindows": {"MaintenanceWindow": []},
                    "NotifyOnMaintenance": False,
                }
                for i in found
            ]
        },
        "TotalCount": len(found),
        "PageNumber": 1,
        "PageSize": 10,
    }


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttachmentAttributes(SeveralInstances):
    """Parameters of DescribeInstanceAttachmentAttributes."""


@action()
def describe_instance_attachment_attributes(
    call: Call, request: DescribeInstanceAttachmentAttributes
) -> Answer:
    """Private pools that instances match: none."""
    found = _several(call, request.ids)
    return {
        "Instances": {
            "Instance": [
                {
                    "InstanceId": i.id,
                    "PrivatePoolOptionsMatchCriteria": "None",
                    "PrivatePoolOptionsId": "",
                }
                for i in found
            ]
        },
        "TotalCount": len(found),
        "PageNumber": 1,
        "PageSize": 10,
    }


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAutoRenewAttribute(SeveralInstances):
    """Parameters of DescribeInstanceAutoRenewAttribute; InstanceId is separated by commas."""

    instance_id: tuple[str, ...] = ()
    renewal_status: str | None = None


@action()
def describe_instance_auto_renew_attribute(
    call: Call, request: DescribeInstanceAutoRenewAttribute
) -> Answer:
    """How subscription instances renew themselves: not at all."""
    return {
        "InstanceRenewAttributes": {
            "InstanceRenewAttribute": [
                {
                    "InstanceId": i.id,
                    "AutoRenewEnabled": False,
                    "Duration": 0,
                    "PeriodUnit": "Month",
                    "RenewalStatus": "Normal",
                }
                for i in _several(call, request.ids)
            ]
        },
        "TotalCount": len(request.ids),
        "PageNumber": 1,
        "PageSize": 50,
    }


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceAttribute:
    """Parameters of ModifyInstanceAttribute."""

    instance_id: str
    region_id: str | None = None
    instance_name: str | None = None
    description: str | None = None
    host_name: str | None = None
    user_data: str | None = None
    deletion_protection: bool | None = None
    password: str | None = None
    credit_specification: str | None = None
    recyclable: bool | None = None
    security_group_ids: tuple[str, ...] = ()
    enable_jumbo_frame: bool | None = None
    network_interface_queue_number: int | None = None


@action(writes=True)
def modify_instance_attribute(call: Call, request: ModifyInstanceAttribute) -> Answer:
    """Change an instance in place; user-data counts from the next start on."""
    instance = find(call, request.instance_id)
    given = {
        "name": request.instance_name,
        "description": request.description,
        "hostname": request.host_name,
        "deletion_protection": request.deletion_protection,
        "credit_specification": request.credit_specification,
        "jumbo_frame": request.enable_jumbo_frame,
    }
    changes: dict[str, object] = {n: v for n, v in given.items() if v is not None}
    if request.user_data is not None:
        _check_user_data(request.user_data)
        changes["user_data"] = request.user_data
    if request.security_group_ids:
        primary = _enis(call, instance)[0]
        call.store.change(primary, security_group_ids=request.security_group_ids)
    call.store.change(instance, **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceMetadataOptions:
    """Parameters of ModifyInstanceMetadataOptions."""

    instance_id: str
    http_endpoint: str
    region_id: str | None = None
    http_tokens: str | None = None
    http_put_response_hop_limit: int | None = None
    instance_metadata_tags: str | None = None


@action(writes=True)
def modify_instance_metadata_options(call: Call, request: ModifyInstanceMetadataOptions) -> Answer:
    """Change how the metadata service answers."""
    instance = find(call, request.instance_id)
    call.store.change(
        instance,
        http_endpoint=request.http_endpoint,
        http_tokens=request.http_tokens or instance.http_tokens,
        http_hop_limit=request.http_put_response_hop_limit or instance.http_hop_limit,
    )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceSpec:
    """Parameters of ModifyInstanceSpec."""

    instance_id: str
    instance_type: str | None = None
    region_id: str | None = None
    allow_migrate_across_zone: bool | None = None
    internet_max_bandwidth_out: int | None = None
    internet_max_bandwidth_in: int | None = None
    is_auto_pay: bool | None = wire("AutoPay", default=None)
    system_disk: DiskParameter | None = None


@action(writes=True)
def modify_instance_spec(call: Call, request: ModifyInstanceSpec) -> Answer:
    """Another instance type, for a stopped instance whose ENIs fit it."""
    instance = find(call, request.instance_id)
    if not request.instance_type or request.instance_type == instance.instance_type:
        return {}
    if request.instance_type not in catalog.instance_types():
        raise ApiError(
            "InvalidInstanceType.ValueNotSupported",
            f"The specified InstanceType {request.instance_type!r} does not exist.",
        )
    if instance.status(call.now) != STOPPED:
        raise ApiError(
            "IncorrectInstanceStatus", f"{instance.id} must be Stopped to change its type.", 403
        )
    changed = call.store.change(instance, instance_type=request.instance_type)
    enis = _enis(call, changed)
    kind = catalog.instance_types()[request.instance_type]
    if len(enis) > kind.enis:
        raise ApiError(
            "EniPerInstanceLimitExceeded",
            f"{instance.id} has {len(enis)} network interfaces; {kind.id} allows {kind.enis}.",
            403,
        )
    for eni in enis:
        interfaces.check_limits(eni, changed)
    return {}


@dataclass(frozen=True, kw_only=True)
class StartInstance(OneInstance):
    """Parameters of StartInstance."""

    source_region_id: str | None = None
    init_local_disk: bool | None = None


@dataclass(frozen=True, kw_only=True)
class StopInstance(OneInstance):
    """Parameters of StopInstance."""

    force_stop: bool | None = None
    confirm_stop: bool | None = None
    stopped_mode: str | None = None
    hibernate: bool | None = None


@dataclass(frozen=True, kw_only=True)
class RebootInstance(OneInstance):
    """Parameters of RebootInstance."""

    force_stop: bool | None = None


@dataclass(frozen=True, kw_only=True)
class StartInstances:
    """Parameters of StartInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    batch_optimization: str | None = None


@dataclass(frozen=True, kw_only=True)
class StopInstances:
    """Parameters of StopInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    force_stop: bool | None = None
    stopped_mode: str | None = None
    batch_optimization: str | None = None


@dataclass(frozen=True, kw_only=True)
class RebootInstances:
    """Parameters of RebootInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    force_reboot: bool | None = None
    batch_optimization: str | None = None


def _start(call: Call, instance: Instance) -> None:
    if instance.status(call.now) != STOPPED:
        raise ApiError(
            "IncorrectInstanceStatus",
            f"{instance.id} is {instance.status(call.now)}; only a Stopped one can be started.",
            403,
        )
    call.store.change(
        instance,
        boot=instance.boot + 1,
        started=call.now,
        life=call.passing(("Starting", 8.0), to=RUNNING),
    )


def _stop(call: Call, instance: Instance) -> None:
    if instance.status(call.now) == STOPPED:
        return
    if instance.status(call.now) != RUNNING:
        raise ApiError(
            "IncorrectInstanceStatus",
            f"{instance.id} is {instance.status(call.now)}; only a Running one can be stopped.",
            403,
        )
    call.store.change(instance, life=call.passing(("Stopping", 5.0), to=STOPPED))


def _reboot(call: Call, instance: Instance) -> None:
    if instance.status(call.now) not in {RUNNING, STOPPED}:
        raise ApiError(
            "IncorrectInstanceStatus", f"{instance.id} is {instance.status(call.now)}.", 403
        )
    call.store.change(
        instance,
        boot=instance.boot + 1,
        started=call.now,
        life=call.passing(("Starting", 8.0), to=RUNNING),
    )


def _each(ids: Sequence[str]) -> dict[str, object]:
    return {
        "InstanceResponses": {
            "InstanceResponse": [
                {
                    "InstanceId": i,
                    "Code": "200",
                    "Message": "success",
                    "PreviousStatus": "",
                    "CurrentStatus": "",
                }
                for i in ids
            ]
        }
    }


@action(writes=True)
def start_instance(call: Call, request: StartInstance) -> Answer:
    """Start a stopped instance: its next boot."""
    _start(call, find(call, request.instance_id))
    return {}


@action(writes=True)
def stop_instance(call: Call, request: StopInstance) -> Answer:
    """Stop a running instance."""
    _stop(call, find(call, request.instance_id))
    return {}


@action(writes=True)
def reboot_instance(call: Call, request: RebootInstance) -> Answer:
    """Stop and start an instance."""
    _reboot(call, find(call, request.instance_id))
    return {}


@action(writes=True)
def start_instances(call: Call, request: StartInstances) -> Answer:
    """Start several instances, all or none."""
    for instance_id in request.instance_id:
        _start(call, find(call, instance_id))
    return _each(request.instance_id)


@action(writes=True)
def stop_instances(call: Call, request: StopInstances) -> Answer:
    """Stop several instances, all or none."""
    for instance_id in request.instance_id:
        _stop(call, find(call, instance_id))
    return _each(request.instance_id)


@action(writes=True)
def reboot_instances(call: Call, request: RebootInstances) -> Answer:
    """Reboot several instances, all or none."""
    for instance_id in request.instance_id:
        _reboot(call, find(call, instance_id))
    return _each(request.instance_id)


@dataclass(frozen=True, kw_only=True)
class DeleteInstance(OneInstance):
    """Parameters of DeleteInstance."""

    force: bool = False
    force_stop: bool = False
    terminate_subscription: bool | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteInstances:
    """Parameters of DeleteInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    force: bool = False
    force_stop: bool = False
    terminate_subscription: bool | None = None


def _delete(call: Call, instance: Instance, *, force: bool) -> None:
    if instance.deletion_protection:
        raise ApiError(
            "InvalidOperation.DeletionProtection",
            f"{instance.id} is protected from deletion; turn that off first.",
            403,
        )
    status = instance.status(call.now)
    if status in {"Pending", "Starting", "Stopping"} or (status != STOPPED and not force):
        code = (
            "IncorrectInstanceStatus.Initializing"
            if status == "Pending"
            else ("IncorrectInstanceStatus")
        )
        raise ApiError(code, f"{instance.id} is {status}; stop it first, or give Force.", 403)
    if call.store.any(RouteEntry, "hop", instance.id):
        raise ApiError(
            "DependencyViolation.RouteEntry", f"A route entry still leads to {instance.id}.", 403
        )
    for eip in call.store.where(Eip, "instance", instance.id):
        eips.release_binding(call, eip)
    for eni in _enis(call, instance):
        if eni.delete_on_release:
            interfaces.destroy(call, eni)
        else:
            interfaces.detach(call, eni)
    for disk in call.store.where(Disk, "instance", instance.id):
        call.store.remove(disk)
    console = call.store.find(Console, instance.id)
    if console is not None:
        call.store.remove(console)
    drop_clb_server(call.store, instance.id)
    drop_nlb_server(call.store, instance.id)
    call.store.remove(instance)


@action(writes=True)
def delete_instance(call: Call, request: DeleteInstance) -> Answer:
    """Delete an instance; ENIs with DeleteOnRelease go with it, others become Available."""
    _delete(call, find(call, request.instance_id), force=request.force)
    return {}


@action(writes=True)
def delete_instances(call: Call, request: DeleteInstances) -> Answer:
    """Delete several instances, all or none."""
    for instance_id in request.instance_id:
        _delete(call, find(call, instance_id), force=request.force)
    return {}


@dataclass(frozen=True, kw_only=True)
class DescribeDisks:
    """Parameters of DescribeDisks."""

    region_id: str | None = None
    instance_id: str | None = None
    disk_ids: tuple[str, ...] = ()
    disk_type: str | None = None
    category: str | None = None
    zone_id: str | None = None
    status: str | None = None
    disk_name: str | None = None
    resource_group_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def describe_disks(call: Call, request: DescribeDisks) -> Answer:
    """Disks by filter, the system disk first."""
    found = [
        d
        for d in (
            call.store.where(Disk, "instance", request.instance_id)
            if request.instance_id
            else call.store.all(Disk)
        )
        if (not request.disk_ids or d.id in request.disk_ids)
        and (request.disk_type in {None, "", "all"} or d.kind == request.disk_type)
        and (not request.category or d.category == request.category)
        and (not request.zone_id or d.zone == request.zone_id)
        and tags.match(d.tags, request.tag)
    ]
    found.sort(key=lambda d: (d.instance_id, d.kind != "system", d.device))
    part, number, size = paging.page(found, request.page_number, request.page_size)
    return {
        "Disks": {
            "Disk": [
                {
                    "DiskId": d.id,
                    "DiskName": d.name,
                    "Description": d.description,
                    "InstanceId": d.instance_id,
                    "Type": d.kind,
                    "Category": d.category,
                    "PerformanceLevel": d.performance_level,
                    "Size": d.size,
                    "Status": "In_use",
                    "Device": d.device,
                    "Encrypted": d.encrypted,
                    "KMSKeyId": d.kms_key_id,
                    "ImageId": d.image_id,
                    "SourceSnapshotId": "",
                    "AutoSnapshotPolicyId": d.snapshot_policy_id,
                    "DeleteAutoSnapshot": False,
                    "DeleteWithInstance": d.delete_with_instance,
                    "DiskChargeType": "PostPaid",
                    "Portable": d.kind != "system",
                    "BurstingEnabled": False,
                    "StorageClusterId": "",
                    "StorageSetId": "",
                    "MultiAttach": "Disabled",
                    "ProductCode": "",
                    "ResourceGroupId": "",
                    "RegionId": call.cloud.region,
                    "ZoneId": d.zone,
                    "CreationTime": moment(d.created),
                    "AttachedTime": moment(d.created),
                    "DetachedTime": "",
                    "ExpiredTime": _NEVER,
                    "OperationLocks": {"OperationLock": []},
                    "MountInstances": {"MountInstance": []},
                    "Tags": tags.ecs(d.tags),
                }
                for d in part
            ]
        },
        "TotalCount": len(found),
        "PageNumber": number,
        "PageSize": size,
    }


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


def _role_results(ids: Sequence[str], name: str, role: str) -> dict[str, object]:
    return {
        "RamRoleName": role,
        "TotalCount": len(ids),
        "FailCount": 0,
        f"{name}InstanceRamRoleResults": {
            f"{name}InstanceRamRoleResult": [
                {"InstanceId": i, "Success": True, "Code": "200", "Message": "success"} for i in ids
            ]
        },
    }


@action(writes=True)
def attach_instance_ram_role(call: Call, request: AttachInstanceRamRole) -> Answer:
    """Give instances a RAM role, of which each has one at most."""
    if call.store.find(Role, request.ram_role_name) is None:
        raise ApiError(
            "InvalidRamRole.NotFound",
            f"The RAM role {request.ram_role_name!r} does not exist.",
            404,
        )
    for instance_id in request.instance_ids:
        instance = find(call, instance_id)
        if instance.ram_role and instance.ram_role != request.ram_role_name:
            raise ApiError(
                "InvalidOperation.RamRoleAlreadyAttached",
                f"{instance.id} already has the RAM role {instance.ram_role}.",
            )
        call.store.change(instance, ram_role=request.ram_role_name)
    return _role_results(request.instance_ids, "Attach", request.ram_role_name)


@action(writes=True)
def detach_instance_ram_role(call: Call, request: DetachInstanceRamRole) -> Answer:
    """Take the RAM role from instances."""
    for instance_id in request.instance_ids:
        instance = find(call, instance_id)
        call.store.change(instance, ram_role=None)
    return _role_results(request.instance_ids, "Detach", request.ram_role_name or "")


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceRamRole:
    """Parameters of DescribeInstanceRamRole."""

    region_id: str | None = None
    instance_ids: tuple[str, ...] = ()
    ram_role_name: str | None = None
    page_number: int | None = None
    page_size: int | None = None


@action()
def describe_instance_ram_role(call: Call, request: DescribeInstanceRamRole) -> Answer:
    """Which instances have which RAM role; one without any is listed with an empty name."""
    if request.instance_ids:
        found = _several(call, request.instance_ids)
    else:
        found = call.store.where(Instance, "role", request.ram_role_name or "")
    return {
        "RegionId": call.cloud.region,
        "TotalCount": len(found),
        "InstanceRamRoleSets": {
            "InstanceRamRoleSet": [
                {"InstanceId": i.id, "RamRoleName": i.ram_role or ""} for i in found
            ]
        },
    }


@dataclass(frozen=True, kw_only=True)
class GetInstanceConsoleOutput(OneInstance):
    """Parameters of GetInstanceConsoleOutput."""

    remove_symbols: bool | None = None


@action()
def get_instance_console_output(call: Call, request: GetInstanceConsoleOutput) -> Answer:
    """The end of the console output, Base64."""
    instance = find(call, request.instance_id)
    console = call.store.find(Console, instance.id)
    text = console.text if console else ""
    return {
        "InstanceId": instance.id,
        "ConsoleOutput": base64.b64encode(text.encode()).decode(),
        "LastUpdateTime": moment(console.updated if console else instance.started),
    }
