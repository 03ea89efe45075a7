"""The account's resource groups. No action creates one here."""

from __future__ import annotations

from typing import Final

from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP
from localcloud.wire.errors import ApiError

OTHERS: Final = ("rg-other", "rg-third")
"""Groups in addition to the default one, so that resources can be moved."""
ALL: Final = (DEFAULT_RESOURCE_GROUP, *OTHERS)


def is_shown(asked: str | None, group_id: str) -> bool:
    """Whether a list of ECS with the parameter ResourceGroupId shows a resource.

    "Resources in the default resource group are displayed in the response regardless of how this
    parameter is set" (text of the parameter in the lists of ECS, metadata of 2025-12-19).
    """
    return not asked or (group_id or DEFAULT_RESOURCE_GROUP) in {DEFAULT_RESOURCE_GROUP, asked}


def require(group_id: str | None, code: str, status: int = 400) -> None:
    """Raise unless the account has the resource group, which may be left out.

    Raises:
        ApiError: there is no such group; `code` and `status` are those of the action's page.
    """
    if group_id and group_id not in ALL:
        raise ApiError(
            code,
            f"The resource group {group_id[:40]!r} does not exist. The local cloud has "
            f"{', '.join(ALL)}.",
            status,
        )


def require_of_ecs(group_id: str | None) -> None:
    """The same with the code that the pages of ECS have in common."""
    require(group_id, "InvalidResourceGroup.NotFound", 404)


def require_of_vpc(group_id: str | None) -> None:
    """The same with the code of most pages of VPC."""
    require(group_id, "InvalidResourceGroupId")
