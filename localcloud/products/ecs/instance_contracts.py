"""How instances are maintained, placed and renewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.actions import Answer, Call, action
from localcloud.wire.errors import invalid

from .instances import SeveralInstances, find, several

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
        raise invalid(
            "ActionOnMaintenance", wanted, f"it must be one of {', '.join(_AT_MAINTENANCE)}"
        )
    changes = {
        "maintenance_action": wanted,
        "maintenance_windows": tuple((w.start_time, w.end_time) for w in request.maintenance_window)
        or None,
        "notify_on_maintenance": request.notify_on_maintenance,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    for instance_id in request.instance_id:
        call.store.change(find(call, instance_id), **named)
    return {}


@dataclass(frozen=True, kw_only=True)
class DescribeInstanceAttachmentAttributes(SeveralInstances):
    """Parameters of DescribeInstanceAttachmentAttributes."""


@action()
def describe_instance_attachment_attributes(
    call: Call, request: DescribeInstanceAttachmentAttributes
) -> Answer:
    """Private pools that instances match: none."""
    found = several(call, request.ids)
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
                for i in several(call, request.ids)
            ]
        },
        "TotalCount": len(request.ids),
        "PageNumber": 1,
        "PageSize": 50,
    }
