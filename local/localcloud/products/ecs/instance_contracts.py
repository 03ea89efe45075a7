"""How instances are maintained, placed and renewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.actions import Answer, Call, action
from localcloud.wire.errors import ApiError, invalid

from . import existing
from .instances import SeveralInstances, several

_AT_MAINTENANCE: Final = ("Stop", "AutoRecover", "AutoRedeploy")


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceMaintenanceAttributes(SeveralInstances):
    """Parameters of DescribeInstanceMaintenanceAttributes."""


@action()
def describe_instance_maintenance_attributes(
    call: Call, request: DescribeInstanceMaintenanceAttributes
) -> Answer:
    """What happens to instances at maintenance."""
    found = several(call, request.ids)
    return {
        "MaintenanceAttributes": {
            "MaintenanceAttribute": [
                {
                    "InstanceId": i.id,
                    "ActionOnMaintenance": {
                        "Value": i.maintenance_action,
                        "DefaultValue": "AutoRecover",
                        "SupportedValues": {"SupportedValue": list(_AT_MAINTENANCE)},
                    },
                    "MaintenanceWindows": {
                        "MaintenanceWindow": [
                            {"StartTime": start, "EndTime": end}
                            for start, end in i.maintenance_windows
                        ]
                    },
                    "NotifyOnMaintenance": i.notify_on_maintenance,
                }
                for i in found
            ]
        },
        "TotalCount": len(found),
        "PageNumber": 1,
        "PageSize": 10,
    }


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
    """Change what happens to instances at maintenance; what is not given stays."""
    wanted = request.action_on_maintenance
    if wanted is not None and wanted not in _AT_MAINTENANCE:
        raise ApiError(
            "InvalidParameter",
            f"ActionOnMaintenance {wanted[:40]!r} must be one of {', '.join(_AT_MAINTENANCE)}.",
            403,
        )
    changes = {
        "maintenance_action": wanted,
        "maintenance_windows": tuple((w.start_time, w.end_time) for w in request.maintenance_window)
        or None,
        "notify_on_maintenance": request.notify_on_maintenance,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    for instance_id in request.instance_id:
        call.store.change(existing.instance(call, instance_id), **named)
    return {}


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttachmentAttributes:
    """Parameters of DescribeInstanceAttachmentAttributes."""

    instance_ids: tuple[str, ...]
    region_id: str | None = None
    page_number: int | None = None
    page_size: int | None = None


@action()
def describe_instance_attachment_attributes(
    call: Call, request: DescribeInstanceAttachmentAttributes
) -> Answer:
    """Private pools that instances match: none."""
    found = several(call, request.instance_ids)
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
    """How instances that are paid in advance are renewed; others are left out."""
    found = [
        i
        for i in several(call, request.ids)
        if i.charge_type == "PrePaid" and request.renewal_status in {None, "", i.renewal_status}
    ]
    return {
        "InstanceRenewAttributes": {
            "InstanceRenewAttribute": [
                {
                    "InstanceId": i.id,
                    "RenewalStatus": i.renewal_status,
                    "AutoRenewEnabled": i.renewal_status == "AutoRenewal",
                    "Duration": i.renewal_duration,
                    "PeriodUnit": i.renewal_unit,
                    "EnableExpectedRenewDay": False,
                }
                for i in found
            ]
        },
        "TotalCount": len(found),
        "PageNumber": 1,
        "PageSize": 10,
    }


@dataclass(frozen=True, kw_only=True)
class ModifyInstanceAutoRenewAttribute:
    """Parameters of ModifyInstanceAutoRenewAttribute; InstanceId is separated by commas."""

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
    """Change how instances are renewed that are paid in advance."""
    status = request.renewal_status or ("AutoRenewal" if request.auto_renew else "Normal")
    if status not in {"AutoRenewal", "Normal", "NotRenewal"}:
        raise invalid("RenewalStatus", status, "it must be AutoRenewal, Normal or NotRenewal")
    for instance_id in request.instance_id:
        instance = existing.instance(call, instance_id)
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
    """Parameters of ModifyInstanceChargeType; InstanceIds is a JSON array."""

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
    """Pay instances in advance, or afterwards. Nothing is charged here."""
    if request.instance_charge_type not in {"PrePaid", "PostPaid"}:
        raise invalid(
            "InstanceChargeType", request.instance_charge_type, "it must be PrePaid or PostPaid"
        )
    for instance_id in request.instance_ids:
        call.store.change(
            existing.instance(call, instance_id), charge_type=request.instance_charge_type
        )
    return {"OrderId": "", "FeeOfInstances": {"FeeOfInstance": []}}
