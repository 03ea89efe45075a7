"""What can be rented where: regions, zones, instance types, images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from localcloud.products import filters
from localcloud.products.ecs import catalog, existing, regions
from localcloud.products.ecs.disk import disk_rules
from localcloud.products.pages import PageRequest, Table
from localcloud.requests import paging
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from .catalog import Image, InstanceType

_DISKS: Final = frozenset({"SystemDisk", "DataDisk"})


@dataclass(frozen=True, kw_only=True)
class DescribeRegions:
    """Parameters of DescribeRegions."""

    region_id: str | None = None
    accept_language: str | None = None
    instance_charge_type: str | None = None
    resource_type: str | None = None


@action()
def describe_regions(call: Call, _request: DescribeRegions) -> Answer:
    """List regions. Resources exist only in the region of this cloud."""
    names = dict.fromkeys((call.cloud.region, *regions.REGIONS))
    return {
        "Regions": {
            "Region": [
                {
                    "RegionId": name,
                    "LocalName": name,
                    "RegionEndpoint": f"ecs.{name}.aliyuncs.com",
                    "Status": "available",
                }
                for name in names
            ]
        }
    }


@dataclass(frozen=True, kw_only=True)
class DescribeZones:
    """Parameters of DescribeZones."""

    region_id: str | None = None
    accept_language: str | None = None
    instance_charge_type: str | None = None
    spot_strategy: str | None = None
    verbose: bool | None = None


@action()
def describe_zones(call: Call, _request: DescribeZones) -> Answer:
    """List the region's zones. Each zone offers everything."""
    types = list(catalog.instance_types())
    disks = list(catalog.DISK_CATEGORIES)
    return {
        "Zones": {
            "Zone": [
                {
                    "ZoneId": zone,
                    "LocalName": zone,
                    "ZoneType": "AvailabilityZone",
                    "AvailableInstanceTypes": {"InstanceTypes": types},
                    "AvailableDiskCategories": {"DiskCategories": disks},
                    "AvailableResourceCreation": {
                        "ResourceTypes": ["VSwitch", "IoOptimized", "Instance", "Disk"]
                    },
                    "AvailableVolumeCategories": {"VolumeCategories": []},
                    "AvailableDedicatedHostTypes": {"DedicatedHostType": []},
                    "DedicatedHostGenerations": {"DedicatedHostGeneration": []},
                    "AvailableResources": {
                        "ResourcesInfo": [
                            {
                                "IoOptimized": True,
                                "NetworkTypes": {"supportedNetworkCategory": ["vpc"]},
                                "InstanceGenerations": {"supportedInstanceGeneration": []},
                                "InstanceTypeFamilies": {
                                    "supportedInstanceTypeFamily": sorted(
                                        {k.family for k in catalog.instance_types().values()}
                                    )
                                },
                                "InstanceTypes": {"supportedInstanceType": types},
                                "SystemDiskCategories": {"supportedSystemDiskCategory": disks},
                                "DataDiskCategories": {"supportedDataDiskCategory": disks},
                            }
                        ]
                    },
                }
                for zone in call.cloud.zones
            ]
        }
    }


@dataclass(frozen=True, kw_only=True)
class DescribeAvailableResource:
    """Parameters of DescribeAvailableResource."""

    destination_resource: str
    region_id: str | None = None
    zone_id: str | None = None
    instance_charge_type: str | None = None
    instance_type: str | None = None
    resource_type: str | None = None
    io_optimized: str | None = None
    network_category: str | None = None
    spot_strategy: str | None = None
    spot_duration: int | None = None
    system_disk_category: str | None = None
    data_disk_category: str | None = None
    dedicated_host_id: str | None = None
    cores: int | None = None
    memory: float | None = None
    scope: str | None = None


def _supported(values: Iterable[str], kind: str) -> list[dict[str, object]]:
    return [
        {
            "Value": value,
            "Status": "Available",
            "StatusCategory": "WithStock",
            **(_sizes(value, system=kind == "SystemDisk") if kind in _DISKS else {}),
        }
        for value in values
    ]


def _sizes(category: str, *, system: bool) -> dict[str, object]:
    largest = disk_rules.LARGEST_SYSTEM if system else disk_rules.largest_data(category)
    return {"Min": disk_rules.smallest(category), "Max": largest, "Unit": "GiB"}


@action()
def describe_available_resource(call: Call, request: DescribeAvailableResource) -> Answer:
    """List what a zone offers of one kind of resource: everything in the catalog."""
    kind = request.destination_resource
    if kind == "InstanceType":
        values = [
            k.id
            for k in catalog.instance_types().values()
            if filters.equal(request.instance_type, k.id)
            and (not request.cores or k.vcpus == request.cores)
            and (not request.memory or k.memory == request.memory)
        ]
    elif kind in _DISKS:
        values = list(catalog.DISK_CATEGORIES)
    elif kind in {"Zone", "Network", "IoOptimized", "ddh"}:
        values = {"Network": ["vpc"], "IoOptimized": ["optimized"]}.get(kind, [])
    else:
        raise ApiError(
            "Invalid.DestinationResource",
            f"The specified DestinationResource {kind[:60]!r} is not valid.",
            404,
        )
    zones = [z for z in call.cloud.zones if request.zone_id in {None, "", z}]
    return {
        "AvailableZones": {
            "AvailableZone": [
                {
                    "RegionId": call.cloud.region,
                    "ZoneId": zone,
                    "Status": "Available",
                    "StatusCategory": "WithStock",
                    "AvailableResources": {
                        "AvailableResource": [
                            {
                                "Type": kind,
                                "SupportedResources": {
                                    "SupportedResource": _supported(values, kind)
                                },
                            }
                        ]
                        if values
                        else []
                    },
                }
                for zone in zones
            ]
        }
    }


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceTypes:
    """Parameters of DescribeInstanceTypes.

    The provider sends InstanceType, which has no effect.
    """

    region_id: str | None = None
    instance_types: tuple[str, ...] = ()
    instance_type: str | None = None
    instance_type_family: str | None = None
    cpu_architecture: str | None = None
    minimum_cpu_core_count: int | None = None
    minimum_eni_quantity: int | None = None
    minimum_eni_private_ip_address_quantity: int | None = None
    minimum_eni_ipv6_address_quantity: int | None = None
    minimum_memory_size: float | None = None
    next_token: str | None = None
    max_results: int | None = None


def _type_shown(kind: InstanceType) -> dict[str, object]:
    shown = _limits_shown(kind)
    if kind.network_cards > 1:
        cards = [{"NetworkCardIndex": index} for index in range(kind.network_cards)]
        shown["NetworkCards"] = {"NetworkCardInfo": cards}
    return shown


def _limits_shown(kind: InstanceType) -> dict[str, object]:
    return {
        "InstanceTypeId": kind.id,
        "InstanceTypeFamily": kind.family,
        "InstanceFamilyLevel": "EnterpriseLevel",
        "InstanceCategory": "General-purpose",
        "CpuArchitecture": kind.architecture,
        "CpuCoreCount": kind.vcpus,
        "CpuSpeedFrequency": 2.7,
        "CpuTurboFrequency": 3.5,
        "MemorySize": kind.memory,
        "EniQuantity": kind.enis,
        "EniTotalQuantity": kind.enis,
        "EniPrivateIpAddressQuantity": kind.ipv4_per_eni,
        "EniIpv6AddressQuantity": kind.ipv6_per_eni,
        "EniTrunkSupported": False,
        "EriQuantity": 0,
        "DiskQuantity": 17,
        "GPUAmount": 0,
        "GPUSpec": "",
        "GPUMemorySize": 0.0,
        "BaselineCredit": 0,
        "InitialCredit": 0,
        "InstanceBandwidthRx": 2097152,
        "InstanceBandwidthTx": 2097152,
        "InstancePpsRx": 900000,
        "InstancePpsTx": 900000,
        "JumboFrameSupport": True,
        "LocalStorageCategory": "",
        "NvmeSupport": "supported",
        "NetworkCardQuantity": kind.network_cards,
        "PrimaryEniQueueNumber": 2,
        "SecondaryEniQueueNumber": 2,
        "MaximumQueueNumberPerEni": 2,
        "TotalEniQueueQuantity": kind.enis * 2,
        "QueuePairNumber": 0,
        "PhysicalProcessorModel": "Intel(R) Xeon(R) Platinum",
        "SupportedBootModes": {"SupportedBootMode": ["UEFI", "BIOS"]},
    }


@action()
def describe_instance_types(_call: Call, request: DescribeInstanceTypes) -> Answer:
    """List instance types with the limits of their ENIs."""
    types = [
        k
        for k in catalog.instance_types().values()
        if filters.among(request.instance_types, k.id)
        and filters.equal(request.instance_type_family, k.family)
        and filters.equal(request.cpu_architecture, k.architecture)
        and k.vcpus >= (request.minimum_cpu_core_count or 0)
        and k.memory >= (request.minimum_memory_size or 0)
        and k.enis >= (request.minimum_eni_quantity or 0)
        and k.ipv4_per_eni >= (request.minimum_eni_private_ip_address_quantity or 0)
        and k.ipv6_per_eni >= (request.minimum_eni_ipv6_address_quantity or 0)
    ]
    part, following = paging.page_by_token(
        types, request.next_token, request.max_results, usual=1600, most=1600
    )
    return {
        "InstanceTypes": {"InstanceType": [_type_shown(k) for k in part]},
        "NextToken": following,
    }


@dataclass(frozen=True, kw_only=True)
class DescribeImages(PageRequest):
    """Parameters of DescribeImages."""

    region_id: str | None = None
    image_id: str | None = None
    image_name: str | None = None
    image_family: str | None = None
    image_owner_alias: str | None = None
    image_owner_id: str | None = None
    architecture: str | None = None
    os_type: str | None = None
    ostype: str | None = None
    status: str | None = None
    usage: str | None = None
    action_type: str | None = None
    dry_run: bool | None = None
    instance_type: str | None = None
    is_public: bool | None = None
    is_support_cloudinit: bool | None = None
    is_support_io_optimized: bool | None = None
    show_expired: bool | None = None
    snapshot_id: str | None = None
    resource_group_id: str | None = None


def _image_shown(_call: Call, image: Image) -> dict[str, object]:
    return {
        "ImageId": image.id,
        "ImageName": image.name,
        "ImageFamily": image.family,
        "ImageVersion": "",
        "ImageOwnerAlias": "system",
        "ImageOwnerId": 0,
        "Description": "",
        "Architecture": image.architecture,
        "BootMode": "UEFI-Preferred",
        "Platform": image.platform,
        "OSName": image.platform,
        "OSNameEn": image.platform,
        "OSType": "linux",
        "Size": image.size,
        "Status": "Available",
        "Progress": "100%",
        "Usage": "instance",
        "IsCopied": False,
        "IsPublic": True,
        "IsSelfShared": "",
        "IsSubscribed": False,
        "IsSupportCloudinit": True,
        "IsSupportIoOptimized": True,
        "Features": {
            "CpuOnlineDowngrade": "unsupported",
            "CpuOnlineUpgrade": "unsupported",
            "ImdsSupport": "v2" if image.hardened_metadata else "v1",
            "MemoryOnlineDowngrade": "unsupported",
            "MemoryOnlineUpgrade": "unsupported",
            "NvmeSupport": "supported",
        },
        "LoginAsNonRootSupported": True,
        "ProductCode": "",
        "ResourceGroupId": "",
        "SupplierName": "",
        "CreationTime": "2026-09-16T00:00:00Z",
        "DiskDeviceMappings": {
            "DiskDeviceMapping": [
                {
                    "Device": "/dev/xvda",
                    "Encrypted": False,
                    "Format": "",
                    "ImportOSSBucket": "",
                    "ImportOSSObject": "",
                    "Progress": "",
                    "RemainTime": 0,
                    "Size": str(image.size),
                    "SnapshotId": "",
                    "Type": "system",
                }
            ]
        },
        "Tags": {"Tag": []},
    }


_IMAGES: Final = Table("Images", "Image", _image_shown)


@action()
def describe_images(call: Call, request: DescribeImages) -> Answer:
    """List public images. A request by id also finds images older than the current ones."""
    if request.image_id:
        named = (catalog.image(i) for i in request.image_id.split(","))
        candidates = [i for i in named if i is not None]
    else:
        candidates = list(catalog.images().values())
    images = [
        i
        for i in candidates
        if request.image_owner_alias in {None, "", "system"}
        and filters.equal(request.architecture, i.architecture)
        and filters.equal(request.image_family, i.family)
        and filters.equal(request.image_name, i.name)
        and filters.among(filters.names(request.status), "Available")
        and filters.equal(request.usage, "instance")
    ]
    return {**_IMAGES.numbered(call, images, request), "RegionId": call.cloud.region}


@dataclass(frozen=True, kw_only=True)
class DescribeImageSupportInstanceTypes:
    """Parameters of DescribeImageSupportInstanceTypes."""

    image_id: str
    region_id: str | None = None
    action_type: str | None = None


@action()
def describe_image_support_instance_types(
    call: Call, request: DescribeImageSupportInstanceTypes
) -> Answer:
    """List the instance types that an image runs on."""
    existing.image(request.image_id)
    return {
        "ImageId": request.image_id,
        "RegionId": call.cloud.region,
        "InstanceTypes": {
            "InstanceType": [
                {
                    "InstanceTypeId": k.id,
                    "InstanceTypeFamily": k.family,
                    "CpuCoreCount": k.vcpus,
                    "MemorySize": k.memory,
                }
                for k in catalog.instance_types().values()
                if k.architecture == "X86"
            ]
        },
    }
