"""How instances are maintained, placed and renewed."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.actions import Answer, Call, action

from .instances import SeveralInstances, several


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
