"""Resource groups. The account has only the default one."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.wire.errors import ApiError


def _shown(call: Call) -> dict[str, object]:
    return {
        "Id": DEFAULT_RESOURCE_GROUP,
        "Name": "default",
        "DisplayName": "default resource group",
        "Status": "OK",
        "AccountId": call.cloud.account_id,
        "CreateDate": moment(0),
        "Tags": {"Tag": []},
    }


@dataclass(frozen=True, kw_only=True)
class ListResourceGroups:
    """Parameters of ListResourceGroups."""

    status: str | None = None
    name: str | None = None
    resource_group_id: str | None = None
    page_number: int = 1
    page_size: int = 10
    region_id: str | None = None


@action()
def list_resource_groups(call: Call, request: ListResourceGroups) -> Answer:
    """List the default resource group."""
    return {
        "ResourceGroups": {"ResourceGroup": [_shown(call)]},
        "TotalCount": 1,
        "PageNumber": request.page_number,
        "PageSize": request.page_size,
    }


@dataclass(frozen=True, kw_only=True)
class GetResourceGroup:
    """Parameters of GetResourceGroup."""

    resource_group_id: str
    region_id: str | None = None


@action()
def get_resource_group(call: Call, request: GetResourceGroup) -> Answer:
    """Return the default resource group by its id."""
    if request.resource_group_id != DEFAULT_RESOURCE_GROUP:
        raise ApiError("EntityNotExists.ResourceGroup", "The resource group does not exist.", 404)
    regions = {"RegionStatus": [{"RegionId": call.cloud.region, "Status": "OK"}]}
    return {"ResourceGroup": {**_shown(call), "RegionStatuses": regions}}
