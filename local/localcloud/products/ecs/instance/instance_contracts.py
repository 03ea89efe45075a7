"""How instances are maintained, placed and renewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import filters
from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import Instance
from localcloud.products.ecs.instance.instances import SeveralInstances, several
from localcloud.products.pages import PageRequest, Table
from localcloud.products.updates import requested
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

_AT_MAINTENANCE: Final = ("Stop", "AutoRecover", "AutoRedeploy")


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceMaintenanceAttributes(SeveralInstances):
    """Parameters of DescribeInstanceMaintenanceAttributes."""


def _maintenance_shown(_call: Call, i: Instance) -> dict[str, object]:
    return {
        "InstanceId": i.id,
        "ActionOnMaintenance": {
            "Value": i.maintenance_action,
            "DefaultValue": "AutoRecover",
            "SupportedValues": {"SupportedValue": list(_AT_MAINTENANCE)},
        },
        "MaintenanceWindows": {
            "MaintenanceWindow": [
                {"StartTime": start, "EndTime": end} for start, end in i.maintenance_windows
            ]
        },
        "NotifyOnMaintenance": i.notify_on_maintenance,
    }


_MAINTENANCE: Final = Table("MaintenanceAttributes", "MaintenanceAttribute", _maintenance_shown)


@action()
def describe_instance_maintenance_attributes(
    call: Call, request: DescribeInstanceMaintenanceAttributes
) -> Answer:
    """Describe what happens to instances during maintenance."""
    return _MAINTENANCE.numbered(call, several(call, request.ids), request)


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """`MaintenanceWindow.N` of a request."""

    start_time: str
    end_time: str


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceMaintenanceAttributes:
    """Parameters of ModifyInstanceMaintenanceAttributes."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    action_on_maintenance: str | None = None
    maintenance_window: tuple[MaintenanceWindow, ...] = ()
    notify_on_maintenance: bool | None = None


@action(writes=True)
def modify_instance_maintenance_attributes(
    call: Call, request: ModifyInstanceMaintenanceAttributes
) -> Answer:
    """Change what happens to instances during maintenance.

    Attributes that the request leaves out stay as they are.
    """
    reaction = request.action_on_maintenance
    if reaction is not None and reaction not in _AT_MAINTENANCE:
        raise ApiError(
            "InvalidParameter",
            f"ActionOnMaintenance {reaction[:40]!r} must be one of {', '.join(_AT_MAINTENANCE)}.",
            403,
        )
    windows = tuple((w.start_time, w.end_time) for w in request.maintenance_window)
    changes = requested(
        maintenance_action=reaction,
        maintenance_windows=windows or None,
        notify_on_maintenance=request.notify_on_maintenance,
    )
    for instance_id in request.instance_id:
        call.store.change(existing.instance(call, instance_id), **changes)
    return {}


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttachmentAttributes(PageRequest):
    """Parameters of DescribeInstanceAttachmentAttributes."""

    instance_ids: tuple[str, ...]
    region_id: str | None = None


def _attachment_shown(_call: Call, i: Instance) -> dict[str, object]:
    return {
        "InstanceId": i.id,
        "PrivatePoolOptionsMatchCriteria": i.private_pool_criteria,
        "PrivatePoolOptionsId": "",
    }


_ATTACHMENTS: Final = Table("Instances", "Instance", _attachment_shown)


@action()
def describe_instance_attachment_attributes(
    call: Call, request: DescribeInstanceAttachmentAttributes
) -> Answer:
    """Describe the criteria by which instances match private pools. No pool exists here."""
    return _ATTACHMENTS.numbered(call, several(call, request.instance_ids), request)


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAutoRenewAttribute(SeveralInstances):
    """Parameters of DescribeInstanceAutoRenewAttribute. InstanceId has ids separated by commas."""

    instance_id: tuple[str, ...] = ()
    renewal_status: str | None = None


def _renewal_shown(_call: Call, i: Instance) -> dict[str, object]:
    return {
        "InstanceId": i.id,
        "RenewalStatus": i.renewal_status,
        "AutoRenewEnabled": i.renewal_status == "AutoRenewal",
        "Duration": i.renewal_duration,
        "PeriodUnit": i.renewal_unit,
        "EnableExpectedRenewDay": False,
    }


_RENEWALS: Final = Table("InstanceRenewAttributes", "InstanceRenewAttribute", _renewal_shown)


@action()
def describe_instance_auto_renew_attribute(
    call: Call, request: DescribeInstanceAutoRenewAttribute
) -> Answer:
    """Describe how subscription instances are renewed. Pay-as-you-go ones are left out."""
    instances = [
        i
        for i in several(call, request.ids)
        if i.charge_type == "PrePaid" and filters.equal(request.renewal_status, i.renewal_status)
    ]
    return _RENEWALS.numbered(call, instances, request)


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceAutoRenewAttribute:
    """Parameters of ModifyInstanceAutoRenewAttribute. InstanceId has ids separated by commas."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    renewal_status: str | None = None
    auto_renew: bool | None = None
    duration: int | None = None
    period_unit: str | None = None


@action(writes=True)
def modify_instance_auto_renew_attribute(
    call: Call, request: ModifyInstanceAutoRenewAttribute
) -> Answer:
    """Change how subscription instances are renewed."""
    status = request.renewal_status or ("AutoRenewal" if request.auto_renew else "Normal")
    if status not in {"AutoRenewal", "Normal", "NotRenewal"}:
        raise ApiError(
            "InvalidParameter.RenewalStatus",
            f"RenewalStatus {status[:40]!r} must be AutoRenewal, Normal or NotRenewal.",
            403,
        )
    for instance_id in request.instance_id:
        instance = existing.instance(
            call, instance_id, code="InvalidParameter.InvalidInstanceId", status=403
        )
        if instance.charge_type != "PrePaid":
            raise ApiError(
                "ChargeTypeViolation", f"{instance.id} is a pay-as-you-go instance.", 403
            )
        call.store.change(
            instance,
            renewal_status=status,
            renewal_duration=request.duration or instance.renewal_duration,
            renewal_unit=request.period_unit or instance.renewal_unit,
        )
    return {}


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceChargeType:
    """Parameters of ModifyInstanceChargeType. InstanceIds is a JSON array."""

    instance_ids: tuple[str, ...]
    region_id: str | None = None
    instance_charge_type: str = "PrePaid"
    period: int | None = None
    period_unit: str | None = None
    include_data_disks: bool | None = None
    auto_pay: bool | None = None
    is_detail_fee: bool | None = None


@action(writes=True)
def modify_instance_charge_type(call: Call, request: ModifyInstanceChargeType) -> Answer:
    """Switch instances between subscription and pay-as-you-go. The local cloud charges nothing."""
    if request.instance_charge_type not in {"PrePaid", "PostPaid"}:
        raise ApiError(
            "InvalidInstanceChargeType.ValueNotSupported",
            f"InstanceChargeType {request.instance_charge_type[:40]!r} must be PrePaid or "
            "PostPaid.",
        )
    for instance_id in request.instance_ids:
        call.store.change(
            existing.instance(call, instance_id), charge_type=request.instance_charge_type
        )
    return {"OrderId": "", "FeeOfInstances": {"FeeOfInstance": []}}
