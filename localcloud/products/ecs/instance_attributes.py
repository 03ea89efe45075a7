"""What is asked of one instance, and changed on it."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.actions import Answer, Call, action
from localcloud.products.vpc.entities import Eip
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from . import catalog, interfaces
from .instances import STOPPED, OneInstance, _instance_shown, enis_of
from .run_instances import DiskParameter, check_user_data


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttribute(OneInstance):
    """Parameters of DescribeInstanceAttribute."""


@action()
def describe_instance_attribute(call: Call, request: DescribeInstanceAttribute) -> Answer:
    """One instance's attributes."""
    instance = existing.instance(call, request.instance_id)
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


@action(writes=True)
def modify_instance_attribute(call: Call, request: ModifyInstanceAttribute) -> Answer:
    """Change an instance in place; user-data counts from the next start on."""
    instance = existing.instance(call, request.instance_id)
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
        check_user_data(request.user_data)
        changes["user_data"] = request.user_data
    if request.security_group_ids:
        primary = enis_of(call, instance)[0]
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
    instance = existing.instance(call, request.instance_id)
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
    instance = existing.instance(call, request.instance_id)
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
    enis = enis_of(call, changed)
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
