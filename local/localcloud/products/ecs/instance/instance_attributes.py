"""Actions that describe and change the attributes of one instance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from localcloud.products import choices, statuses
from localcloud.products.ecs import existing, names
from localcloud.products.ecs.catalog import InstanceType
from localcloud.products.ecs.entities import Instance
from localcloud.products.ecs.instance import cpu_options
from localcloud.products.ecs.instance.cpu_options import CpuOptions
from localcloud.products.ecs.instance.instances import (
    RUNNING,
    STOPPED,
    OneInstance,
    enis_of,
    instance_shown,
)
from localcloud.products.ecs.instance.run_instances import (
    AdditionalInfo,
    DiskParameter,
    check_metadata,
    check_protection,
    check_user_data,
)
from localcloud.products.ecs.interface import interfaces
from localcloud.products.ecs.interface.interfaces import check_groups, check_repeated
from localcloud.products.updates import requested
from localcloud.products.vpc.entities import Eip
from localcloud.requests import hostility
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

_VPC_MISMATCH: Final = ("InvalidParameter", 400)
# The reference has this spelling.
_MULTIPLE_TYPES: Final = ("EnterpriseGroupLimited.MutliGroupType", 403)


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttribute(OneInstance):
    """Parameters of DescribeInstanceAttribute."""


@action()
def describe_instance_attribute(call: Call, request: DescribeInstanceAttribute) -> Answer:
    """Describe the attributes of one instance."""
    instance = existing.instance(call, request.instance_id)
    shown = instance_shown(call, instance)
    same = (
        "InstanceId InstanceName HostName Description Status RegionId ZoneId ClusterId ImageId "
        "InstanceType Cpu Memory InstanceNetworkType InstanceChargeType InternetChargeType "
        "InternetMaxBandwidthIn InternetMaxBandwidthOut CreditSpecification SerialNumber "
        "StoppedMode VlanId CreationTime ExpiredTime PublicIpAddress InnerIpAddress VpcAttributes "
        "SecurityGroupIds OperationLocks"
    )
    answer = {name: shown[name] for name in same.split()}
    answer["DedicatedHostAttribute"] = {"DedicatedHostId": "", "DedicatedHostName": ""}
    answer["IoOptimized"] = "optimized"
    answer["EnableJumboFrame"] = instance.jumbo_frame
    public = call.store.where(Eip, "instance", instance.id)
    answer["EipAddress"] = {
        "AllocationId": public[0].id if public else "",
        "IpAddress": public[0].ip if public else "",
        "InternetChargeType": public[0].internet_charge_type if public else "",
        **({"Bandwidth": public[0].bandwidth} if public else {}),
    }
    return answer


@dataclass(frozen=True, kw_only=True)
class DescribeUserData(OneInstance):
    """Parameters of DescribeUserData."""


@action()
def describe_user_data(call: Call, request: DescribeUserData) -> Answer:
    """Return the user-data exactly as it was sent."""
    instance = existing.instance(call, request.instance_id)
    return {
        "InstanceId": instance.id,
        "RegionId": call.cloud.region,
        "UserData": instance.user_data,
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
    cpu_options: CpuOptions = field(default_factory=CpuOptions)
    additional_info: AdditionalInfo = field(default_factory=AdditionalInfo)


@action(writes=True)
def modify_instance_attribute(call: Call, request: ModifyInstanceAttribute) -> Answer:
    """Change a Running or Stopped instance in place. Its next start shows the new UserData.

    UserData: "After you restart the instance, the new user data is displayed but not run as
    scripts" (field text in alibabacloud_ecs20140526 7.11.8 and in the API metadata of 2025-12-19).
    The provider 1.285.0 changes it on a running instance in its own acceptance tests
    (`TestAccAliCloudECSInstanceMetadataOptions` and others). Older pages demanded the status
    Stopped; a hostile cloud still demands it.
    """
    instance = existing.instance(call, request.instance_id)
    changes = requested(
        name=request.instance_name,
        description=request.description,
        hostname=request.host_name,
        deletion_protection=request.deletion_protection,
        credit_specification=request.credit_specification,
        jumbo_frame=request.enable_jumbo_frame,
    )
    names.check_instance(
        request.instance_name or "",
        request.description or "",
        request.host_name or "",
        request.password,
    )
    check_protection(instance.charge_type, protected=bool(request.deletion_protection))
    if request.user_data is not None:
        usable = hostility.statuses_for_user_data(call.cloud)
        statuses.require(call, instance, *usable, code="IncorrectInstanceStatus", status=403)
        check_user_data(request.user_data, base64_status=403)
        changes["user_data"] = request.user_data
    changes |= _changes_of_a_stopped_one(call, instance, request)
    if request.security_group_ids:
        primary = enis_of(call, instance)[0]
        check_repeated(request.security_group_ids, 404)
        check_groups(
            call, request.security_group_ids, instance.vpc_id, _VPC_MISMATCH, _MULTIPLE_TYPES
        )
        call.store.change(primary, security_group_ids=request.security_group_ids)
    call.store.change(instance, **changes)
    return {}


def _changes_of_a_stopped_one(
    call: Call, instance: Instance, request: ModifyInstanceAttribute
) -> dict[str, object]:
    """The requested CPU options and density. Only a stopped instance can change these."""
    density = request.additional_info.enable_high_density_mode
    if request.cpu_options.is_empty and density is None:
        return {}
    statuses.require(call, instance, STOPPED, code="InvalidStatus.StoppedRequired")
    kind = existing.instance_type(instance.instance_type)
    cpu = cpu_options.requested(request.cpu_options, kind, instance.cpu)
    return requested(cpu=cpu, high_density=density)


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
    instance = existing.instance(call, request.instance_id)
    check_metadata(request.http_tokens, request.http_endpoint, request.http_put_response_hop_limit)
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
    """Change the instance type of a stopped instance. The new type must have room for its ENIs."""
    instance = existing.instance(call, request.instance_id)
    if not request.instance_type or request.instance_type == instance.instance_type:
        return {}
    kind = existing.instance_type(request.instance_type)
    statuses.require(call, instance, STOPPED, code="InvalidInstanceStatus.NotStopped")
    _change_type(call, instance, kind)
    return {}


def _change_type(call: Call, instance: Instance, kind: InstanceType) -> None:
    """Give an instance another type that has room for its ENIs, and drop its CPU options."""
    changed = call.store.change(instance, instance_type=kind.id, cpu=None)
    enis = enis_of(call, changed)
    if len(enis) > kind.enis:
        raise ApiError(
            "InvalidOperation.EniCountExceeded",
            f"{instance.id} has {len(enis)} network interfaces; {kind.id} allows {kind.enis}.",
            403,
        )
    for eni in enis:
        interfaces.check_limits(eni, changed)


@dataclass(frozen=True, kw_only=True)
class ModifyPrepayInstanceSpec:
    """Parameters of ModifyPrepayInstanceSpec."""

    instance_id: str
    instance_type: str
    region_id: str | None = None
    operator_type: str = ""
    auto_pay: bool | None = None
    migrate_across_zone: bool | None = None
    reboot_time: str | None = None
    reboot_when_finished: bool | None = None
    end_time: str | None = None
    modify_mode: str | None = None


@action(writes=True)
def modify_prepay_instance_spec(call: Call, request: ModifyPrepayInstanceSpec) -> Answer:
    """Change the type of a subscription instance.

    "Downgrade: the instance must be in the Stopped state"; "upgrade: in the Stopped or Running
    state" (page ModifyPrepayInstanceSpec, 2025-12). OperatorType is optional: the system itself
    determines whether it is an upgrade.
    """
    instance = existing.instance(call, request.instance_id)
    choices.require("OperatorType", request.operator_type, "upgrade", "downgrade")
    if instance.charge_type != "PrePaid":
        raise ApiError(
            "InvalidBillingMethod.ValueNotSupported",
            f"{instance.id} is a pay-as-you-go instance; use ModifyInstanceSpec.",
        )
    kind = existing.instance_type(request.instance_type)
    before = existing.instance_type(instance.instance_type)
    if (kind.vcpus, kind.memory) < (before.vcpus, before.memory):
        statuses.require(call, instance, STOPPED, code="InvalidStatus.NotStopped")
    else:
        statuses.require(
            call, instance, RUNNING, STOPPED, code="IncorrectInstanceStatus", status=403
        )
    _change_type(call, instance, kind)
    return {"OrderId": ""}
