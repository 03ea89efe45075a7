"""Resource groups: the default one and two others."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products import filters, resource_groups
from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP
from localcloud.requests.actions import Answer, Call, action, moment


def _shown(call: Call, group_id: str) -> dict[str, object]:
    name = "default" if group_id == DEFAULT_RESOURCE_GROUP else group_id.removeprefix("rg-")
    return {
        "Id": group_id,
        "Name": name,
        "DisplayName": f"{name} resource group",
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
    """List resource groups by filter."""
    groups = [
        shown
        for group_id in resource_groups.ALL
        if filters.equal(request.resource_group_id, group_id)
        and filters.equal(request.name, str((shown := _shown(call, group_id))["Name"]))
        and filters.equal(request.status, "OK")
    ]
    first = (request.page_number - 1) * request.page_size
    return {
        "ResourceGroups": {"ResourceGroup": groups[first : first + request.page_size]},
        "TotalCount": len(groups),
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
    """Return a resource group by its id."""
    resource_groups.require(request.resource_group_id, "EntityNotExists.ResourceGroup", 404)
    regions = {"RegionStatus": [{"RegionId": call.cloud.region, "Status": "OK"}]}
    return {"ResourceGroup": {**_shown(call, request.resource_group_id), "RegionStatuses": regions}}
