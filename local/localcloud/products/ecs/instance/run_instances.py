"""RunInstances: new instances with their ENIs and disks."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from localcloud.products import choices, resource_groups, statuses
from localcloud.products.ecs import existing, names
from localcloud.products.ecs.disk import disk_rules
from localcloud.products.ecs.entities import Disk, Instance, NetworkInterface
from localcloud.products.ecs.instance import cpu_options, release_times
from localcloud.products.ecs.instance.cpu_options import CpuOptions
from localcloud.products.ecs.instance.instances import RUNNING
from localcloud.products.ecs.interface import interfaces, public_addresses
from localcloud.products.ecs.interface.interfaces import RUNNING as RUNNING_CODES
from localcloud.products.ecs.interface.interfaces import InterfaceRequest
from localcloud.products.vpc import vswitches
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError, invalid, missing
from localcloud.wire.parameters import wire

_MOST_USER_DATA: Final = 32 * 1024
"""Bytes before Base64. RunInstances, UserData: "The raw data can be up to 32 KB in size"
(https://www.alibabacloud.com/help/en/ecs/developer-reference/api-ecs-2014-05-26-runinstances)."""
_MOST_HOPS: Final = 64
_MOST_AMOUNT: Final = 100
_MOST_BANDWIDTH: Final = 100
_SPOT_STRATEGIES: Final = ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo")
_MOST_SPOT_HOURS: Final = 6
"""The provider 1.285.0 takes 0 to 6; the page of RunInstances names 0 and 1."""


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
    """`NetworkInterface.N.*`: an existing ENI or a new one."""

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
class PrivatePoolOptions:
    """`PrivatePoolOptions.*`."""

    match_criteria: str = ""
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AdditionalInfo:
    """`AdditionalInfo.*`. The provider 1.285.0 sends it; the published parameters lack it."""

    enable_high_density_mode: bool | None = None


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
    auto_release_time: str = ""
    credit_specification: str = ""
    spot_strategy: str = "NoSpot"
    spot_price_limit: float | None = None
    spot_duration: int | None = None
    spot_interruption_behavior: str = ""
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
    private_pool_options: PrivatePoolOptions = field(default_factory=PrivatePoolOptions)
    additional_info: AdditionalInfo = field(default_factory=AdditionalInfo)
    tag: tuple[TagParameter, ...] = ()


def check_user_data(text: str, *, base64_status: int = 400) -> None:
    """Raise unless the user-data is Base64 of at most 32 KB.

    For text that is not Base64, RunInstances answers 400 and ModifyInstanceAttribute 403.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(
            "InvalidUserData.Base64FormatInvalid", "UserData must be Base64.", base64_status
        ) from None
    if len(raw) > _MOST_USER_DATA:
        raise ApiError(
            "InvalidUserData.SizeExceeded",
            f"UserData is {len(raw)} bytes; at most {_MOST_USER_DATA} before encoding.",
        )


def check_metadata(tokens: str | None, endpoint: str, hops: int | None) -> None:
    """Raise unless the metadata service can have these settings."""
    if tokens not in {None, "", "optional", "required"}:
        raise ApiError(
            "InvalidHttpTokens.NotSupported",
            f"HttpTokens {(tokens or '')[:40]!r} must be optional or required.",
        )
    if endpoint not in {"enabled", "disabled"}:
        raise ApiError(
            "InvalidHttpEndpoint.NotSupported",
            f"HttpEndpoint {endpoint[:40]!r} must be enabled or disabled.",
        )
    if hops is not None and not 1 <= hops <= _MOST_HOPS:
        raise ApiError(
            "InvalidHttpPutResponseHopLimit.NotSupported",
            f"HttpPutResponseHopLimit {hops} must be from 1 to {_MOST_HOPS}.",
        )


def _check_kind(call: Call, request: RunInstances) -> None:
    kind = existing.instance_type(request.instance_type)
    image = existing.image(request.image_id)
    if (kind.architecture == "ARM") != (image.architecture == "arm64"):
        raise ApiError(
            "ImageNotSupportInstanceType",
            f"The image {image.id} is for {image.architecture}; the instance type {kind.id} is "
            f"{kind.architecture}.",
            403,
        )
    if request.security_group_id and request.security_group_ids:
        raise ApiError(
            "InvalidSecurityGroupId.SingleIdAndMultiIdConflict",
            "SecurityGroupId and SecurityGroupIds.N cannot be specified together.",
        )
    if request.zone_id and request.zone_id not in call.cloud.zones:
        raise ApiError("InvalidZoneId.NotFound", f"Zone {request.zone_id!r} does not exist.", 404)
    if request.ram_role_name:
        existing.ecs_role(call, request.ram_role_name, untrusting_status=401)
    if request.key_pair_name:
        existing.key_pair(call, request.key_pair_name, status=404)
    names.check_instance(
        request.instance_name, request.description, request.host_name, request.password
    )
    check_metadata(request.http_tokens, request.http_endpoint, request.http_put_response_hop_limit)
    if request.http_tokens == "required" and not image.hardened_metadata:
        raise invalid(
            "HttpTokens",
            request.http_tokens,
            f"the image {image.id} does not support the hardened mode of the metadata service",
        )
    if request.user_data:
        check_user_data(request.user_data)
    if not 1 <= request.amount <= _MOST_AMOUNT:
        raise ApiError(
            "InvalidParam.Amount", f"Amount {request.amount} must be from 1 to {_MOST_AMOUNT}.", 403
        )
    _check_payment(request)
    check_protection(request.instance_charge_type, protected=request.deletion_protection)


def _check_payment(request: RunInstances) -> None:
    """Raise if the field texts or error table of RunInstances refuse it (reference of 2025-12)."""
    if request.instance_charge_type not in {"", "PostPaid", "PrePaid"}:
        raise ApiError(
            "InvalidInstanceChargeType.NotFound",
            f"The InstanceChargeType {request.instance_charge_type[:40]!r} is not one of PostPaid, "
            "PrePaid.",
            404,
        )
    if request.instance_charge_type == "PrePaid" and not request.period:
        # The reference has this spelling.
        raise ApiError("MissingParamter", "A subscription instance needs a Period.")
    if request.internet_charge_type not in {"", "PayByTraffic", "PayByBandwidth"}:
        raise ApiError(
            "InvalidInternetChargeType.ValueNotSupported",
            f"InternetChargeType {request.internet_charge_type[:40]!r} must be PayByTraffic or "
            "PayByBandwidth.",
        )
    _check_spot(request)
    if request.private_pool_options.match_criteria == "Target":
        # Target needs the id of a private pool, and no pool exists here.
        raise ApiError(
            "Invalid.PrivatePoolOptions.Id",
            f"The private pool {(request.private_pool_options.id or '')[:80]!r} does not exist.",
        )
    choices.require(
        "PrivatePoolOptions.MatchCriteria",
        request.private_pool_options.match_criteria,
        "Open",
        "Target",
        "None",
    )
    if not 0 <= request.internet_max_bandwidth_out <= _MOST_BANDWIDTH:
        raise invalid(
            "InternetMaxBandwidthOut",
            request.internet_max_bandwidth_out,
            f"it must be from 0 to {_MOST_BANDWIDTH} Mbit/s",
        )
    if len(request.data_disk) > disk_rules.MOST_DATA:
        raise ApiError(
            "InstanceDiskNumber.LimitExceed",
            f"{len(request.data_disk)} data disks; an instance has at most {disk_rules.MOST_DATA}.",
        )


def _check_spot(request: RunInstances) -> None:
    if request.spot_strategy not in {"", *_SPOT_STRATEGIES}:
        raise ApiError(
            "InvalidSpotStrategy",
            f"SpotStrategy {request.spot_strategy[:40]!r} must be one of "
            f"{', '.join(_SPOT_STRATEGIES)}.",
        )
    if request.instance_charge_type == "PrePaid" and request.spot_strategy not in {"", "NoSpot"}:
        raise ApiError(
            "InvalidSpotPrepaid", f"{request.spot_strategy} is not for subscription instances."
        )
    behaviour = request.spot_interruption_behavior
    if behaviour not in {"", "Terminate", "Stop"}:
        raise ApiError(
            "InvalidSpotInterruptionBehavior",
            f"SpotInterruptionBehavior {behaviour[:40]!r} must be Terminate or Stop.",
        )
    if request.spot_duration is not None and not 0 <= request.spot_duration <= _MOST_SPOT_HOURS:
        raise ApiError(
            "InvalidSpotDuration",
            f"SpotDuration {request.spot_duration} must be from 0 to {_MOST_SPOT_HOURS} hours.",
        )
    if (request.spot_price_limit or 0.0) < 0:
        raise ApiError(
            "InvalidSpotPriceLimit", f"SpotPriceLimit {request.spot_price_limit} is negative."
        )


def check_protection(charge_type: str, *, protected: bool) -> None:
    """Raise if the request protects a subscription instance from deletion."""
    if protected and charge_type == "PrePaid":
        raise ApiError(
            "InvalidChargeType.ValueNotSupported",
            "Deletion protection is only valid for pay-as-you-go instances.",
            403,
        )


def _request_of(parameter: InterfaceParameter, groups: Sequence[str]) -> InterfaceRequest:
    own = parameter.security_group_ids or (
        (parameter.security_group_id,) if parameter.security_group_id else ()
    )
    return InterfaceRequest(
        vswitch_id=parameter.vswitch_id,
        security_group_ids=own or groups,
        name=parameter.network_interface_name,
        description=parameter.description,
        primary_address=parameter.primary_ip_address,
        addresses=parameter.private_ip_address,
        address_count=parameter.secondary_private_ip_address_count,
        ipv6=parameter.ipv6_address,
        ipv6_count=parameter.ipv6_address_count,
        delete_on_release=parameter.delete_on_release,
        source_dest_check=parameter.source_dest_check,
        traffic_mode=parameter.network_interface_traffic_mode,
        queue_number=parameter.queue_number,
        queue_pairs=parameter.queue_pair_number,
    )


def _primary(call: Call, request: RunInstances) -> tuple[NetworkInterface, int]:
    """The ENI that becomes the primary one: an existing ENI or a new one."""
    groups = request.security_group_ids or (
        (request.security_group_id,) if request.security_group_id else ()
    )
    primaries = [n for n in request.network_interface if n.instance_type == "Primary"]
    if len(primaries) > 1:
        raise ApiError(
            "InvalidParameter.NetworkInterface", "Only one NetworkInterface.N can be Primary.", 403
        )
    if primaries and (request.vswitch_id or request.private_ip_address):
        # A request can describe the primary ENI in two ways. The page: using both fails.
        raise ApiError(
            "InvalidParam.NetworkInterface",
            "VSwitchId and PrivateIpAddress cannot be specified with a primary NetworkInterface.N.",
        )
    if primaries and primaries[0].network_interface_id:
        if request.amount > 1:
            raise ApiError(
                "InvalidParam.Amount", "An existing ENI can be on one instance only.", 403
            )
        eni = existing.interface(call, primaries[0].network_interface_id, status=403)
        return eni, primaries[0].network_card_index
    if primaries:
        eni = interfaces.make(call, _request_of(primaries[0], groups), RUNNING_CODES)
        return eni, primaries[0].network_card_index
    if not request.vswitch_id:
        raise missing("VSwitchId")
    eni = interfaces.make(
        call,
        InterfaceRequest(
            vswitch_id=request.vswitch_id,
            security_group_ids=groups,
            primary_address=request.private_ip_address,
            ipv6=request.ipv6_address,
            ipv6_count=request.ipv6_address_count,
        ),
        RUNNING_CODES,
    )
    return eni, 0


def _hostname(requested: str, instance_id: str) -> str:
    return requested or "iZ" + instance_id.removeprefix("i-") + "Z"


@action(writes=True)
def run_instances(call: Call, request: RunInstances) -> Answer:
    """Create and start instances, all or none."""
    resource_groups.require_of_ecs(request.resource_group_id)
    _check_kind(call, request)
    ids = [_run_one(call, request) for _ in range(request.amount)]
    return {"InstanceIdSets": {"InstanceIdSet": ids}, "OrderId": "", "TradePrice": 0.0}


def _run_one(call: Call, request: RunInstances) -> str:
    primary, card = _primary(call, request)
    vswitch = vswitches.find(call, primary.vswitch_id)
    statuses.require(call, vswitch, "Available", code="IncorrectVSwitchStatus")
    if request.zone_id and request.zone_id != vswitch.zone:
        raise ApiError(
            "InvalidParameter.Mismatch",
            f"The zone {request.zone_id} is not the vSwitch's, {vswitch.zone}.",
        )
    instance_id = call.new_id("i")
    kind = existing.instance_type(request.instance_type)
    is_spot = request.spot_strategy not in {"", "NoSpot"}
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
            renewal_status="AutoRenewal" if request.auto_renew else "Normal",
            renewal_duration=request.auto_renew_period or 1,
            renewal_unit=request.period_unit or "Month",
            credit_specification=request.credit_specification,
            spot_strategy=request.spot_strategy,
            spot_price_limit=(request.spot_price_limit or 0.0) if is_spot else 0.0,
            spot_duration=_spot_hours(request) if is_spot else 0,
            spot_interruption=(
                (request.spot_interruption_behavior or "Terminate") if is_spot else ""
            ),
            auto_release_time=(
                # The page allows a release time for pay-as-you-go instances only.
                ""
                if request.instance_charge_type == "PrePaid"
                else release_times.shown(call, request.auto_release_time)
            ),
            cpu=cpu_options.requested(request.cpu_options, kind, None),
            high_density=bool(request.additional_info.enable_high_density_mode),
            private_pool_criteria=request.private_pool_options.match_criteria or "None",
            resource_group_id=request.resource_group_id,
            jumbo_frame=request.network_options.enable_jumbo_frame,
            serial_number=str(uuid.uuid4()),
            created=call.now,
            started=call.now,
            life=call.passing(("Pending", 2.0), ("Starting", 8.0), to=RUNNING),
            tags=tags.requested(request.tag),
        )
    )
    if request.internet_max_bandwidth_out > 0:
        instance = public_addresses.assign(call, instance)
    interfaces.attach(call, primary, instance, primary=True, card=card)
    for parameter in request.network_interface:
        if parameter.instance_type == "Primary":
            continue
        eni = (
            existing.interface(call, parameter.network_interface_id, status=403)
            if parameter.network_interface_id
            else interfaces.make(
                call, _request_of(parameter, primary.security_group_ids), RUNNING_CODES
            )
        )
        attached = interfaces.attach(
            call,
            eni,
            instance,
            primary=False,
            card=parameter.network_card_index,
            over_limit="InvalidParameter.EniNumExceededWithLaunchEcs",
        )
        call.store.change(attached, life=Lifecycle.settled("InUse"))
    _make_disks(call, request, instance)
    return instance_id


def _spot_hours(request: RunInstances) -> int:
    """The protection period of a spot instance. Its default is one hour (page RunInstances)."""
    return 1 if request.spot_duration is None else request.spot_duration


def _make_disks(call: Call, request: RunInstances, instance: Instance) -> None:
    system = request.system_disk or DiskParameter()
    image = existing.image(instance.image_id)
    family = existing.instance_type(instance.instance_type).family
    of_system = system.size or max(40, image.size)
    for number, disk in enumerate((system, *request.data_disk)):
        kind = "data" if number else "system"
        disk_rules.check_category(disk.category, family, system=not number)
        level = disk_rules.level_of(disk.category, disk.performance_level)
        if number:
            of_size = disk.size or 20
            disk_rules.check_data_size(disk.category, level, of_size)
        else:
            of_size = of_system
            disk_rules.check_system_size(disk.category, level, of_size, image.size)
        call.store.put(
            Disk(
                id=call.new_id("d"),
                instance_id=instance.id,
                zone=instance.zone,
                name=disk.disk_name,
                description=disk.description,
                kind=kind,
                category=disk.category,
                performance_level=level,
                size=of_size,
                encrypted=disk.encrypted,
                kms_key_id=disk.kms_key_id or disk.kmskey_id,
                image_id=instance.image_id if kind == "system" else "",
                device=disk.device or f"/dev/xvd{chr(ord('a') + number)}",
                snapshot_policy_id=disk.auto_snapshot_policy_id,
                delete_with_instance=disk.delete_with_instance,
                created=call.now,
                attached=call.now,
            )
        )
