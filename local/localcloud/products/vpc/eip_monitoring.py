"""Fine-grained monitoring of EIPs, which writes to a Logstore of the Log Service.

The Log Service is not emulated. The only Logstore in the account is `LOGSTORE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from .eips import find

LOGSTORE: Final = ("hdmonitor-cn-shenzhen", "hdmonitor")
"""Project and Logstore, by the names that the provider's acceptance test gives them (1.285.0)."""


@dataclass(frozen=True, kw_only=True)
class SetHighDefinitionMonitorLogStatus:
    """Parameters of SetHighDefinitionMonitorLogStatus."""

    instance_id: str
    status: str
    region_id: str | None = None
    log_project: str = ""
    log_store: str = ""
    instance_type: str = ""


@action(writes=True)
def set_high_definition_monitor_log_status(
    call: Call, request: SetHighDefinitionMonitorLogStatus
) -> Answer:
    """Switch the monitoring of an EIP on or off."""
    eip = find(call, request.instance_id, status=400)
    if request.status not in {"ON", "OFF"} or request.instance_type not in {"", "EIP"}:
        raise ApiError("ParameterInvalid", "Status must be ON or OFF, and InstanceType EIP.")
    logstore = (request.log_project, request.log_store)
    if logstore != LOGSTORE:
        raise ApiError(
            "ProjectOrLogstoreNotExist",
            f"The Logstore {request.log_store[:80]!r} of the project {request.log_project[:80]!r} "
            "does not exist.",
        )
    call.store.change(eip, monitor_log=logstore if request.status == "ON" else None)
    return {"Success": "true"}


@dataclass(frozen=True, kw_only=True)
class DescribeHighDefinitionMonitorLogAttribute:
    """Parameters of DescribeHighDefinitionMonitorLogAttribute."""

    instance_id: str
    region_id: str | None = None
    instance_type: str | None = None


@action()
def describe_high_definition_monitor_log_attribute(
    call: Call, request: DescribeHighDefinitionMonitorLogAttribute
) -> Answer:
    """Return the Logstore of an EIP's monitoring. The names are empty while monitoring is off."""
    eip = find(call, request.instance_id, status=400)
    project, logstore = eip.monitor_log or ("", "")
    return {
        "InstanceId": eip.id,
        "InstanceType": "EIP",
        "LogProject": project,
        "LogStore": logstore,
        "Success": "true",
    }
