"""Tags of roles, policies and users. RAM has names where other products have ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from localcloud.products.tagged import Codes, Listing, Tagging
from localcloud.requests import tags
from localcloud.requests.actions import Call
from localcloud.requests.tags import TagParameter

from .entities import Policy, Role, User

_INVALID: Final = "InvalidParameter"
TAG_CODES: Final = tags.Codes(
    too_many=_INVALID, full=_INVALID, twice=_INVALID, key=_INVALID, value=_INVALID
)
"""RAM has no page with codes for tags; this one heads its list of codes with 400."""


@dataclass(frozen=True, kw_only=True)
class TagResources:
    """Parameters of TagResources."""

    resource_type: str
    resource_names: tuple[str, ...]
    tag: tuple[TagParameter, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the resources."""
        return self.resource_names


@dataclass(frozen=True, kw_only=True)
class UntagResources:
    """Parameters of UntagResources. The provider sends TagKey.N."""

    resource_type: str
    resource_names: tuple[str, ...]
    tag_keys: tuple[str, ...] = ()
    tag_key: tuple[str, ...] = ()
    all: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the resources."""
        return self.resource_names

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys to remove."""
        return self.tag_keys or self.tag_key


@dataclass(frozen=True, kw_only=True)
class ListTagResources:
    """Parameters of ListTagResources."""

    resource_type: str
    resource_names: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()
    next_token: str | None = None
    page_size: int | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the resources. Without names, the tags select the resources."""
        return self.resource_names

    @property
    def limit(self) -> int | None:
        """The largest number of rows in an answer."""
        return self.page_size


def _shown(_call: Call, _request: Listing, part: Sequence[Any]) -> Mapping[str, object]:
    return {"TagResources": list(part)}


TAGGING: Final = Tagging(
    kinds={"ROLE": Role, "POLICY": Policy, "USER": User},
    codes=Codes(
        unknown_type=(_INVALID, 400),
        unknown_resource=("EntityNotExist.{}", 404),
        too_many_resources=_INVALID,
        nothing_named=(_INVALID, 400),
        tags=TAG_CODES,
    ),
    requests=(TagResources, UntagResources, ListTagResources),
    row="ResourceName",
    show=_shown,
).actions()
