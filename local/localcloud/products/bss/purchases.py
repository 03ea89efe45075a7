"""QueryAvailableInstances: the purchases of the account, of which there are none."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.parameters import wire


@dataclass(frozen=True, kw_only=True)
class QueryAvailableInstances:
    """Parameters of QueryAvailableInstances."""

    region: str | None = None
    region_id: str | None = None
    product_code: str | None = None
    product_type: str | None = None
    subscription_type: str | None = None
    renew_status: str | None = None
    instance_ids: str | None = wire("InstanceIDs", default=None)
    page_num: int = 1
    page_size: int = 20
    create_time_start: str | None = None
    create_time_end: str | None = None
    end_time_start: str | None = None
    end_time_end: str | None = None


@action()
def query_available_instances(_call: Call, request: QueryAvailableInstances) -> Answer:
    """Return an empty page."""
    return {
        "Success": True,
        "Code": "Success",
        "Message": "Successful!",
        "Data": {
            "PageNum": request.page_num,
            "PageSize": request.page_size,
            "TotalCount": 0,
            "InstanceList": [],
        },
    }
