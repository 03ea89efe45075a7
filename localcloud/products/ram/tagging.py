"""Tags of roles, policies and users; RAM goes by names where others have ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localcloud import paging, tags
from localcloud.actions import Answer, Call, action
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError, invalid

from .entities import Policy, Role, User

_KINDS: dict[str, type[Any]] = {"role": Role, "policy": Policy, "user": User}


def _found(call: Call, resource_type: str, names: tuple[str, ...]) -> list[Any]:
    kind = _KINDS.get(resource_type.lower())
    if kind is None:
        raise invalid("ResourceType", resource_type, "it must be role, policy or user")
    found = []
    for name in names:
        entity = call.store.find(kind, name)
        if entity is None:
            what = kind.__name__
            raise ApiError(f"EntityNotExist.{what}", f"{what} {name!r} does not exist.", 404)
        found.append(entity)
    return found


@dataclass(frozen=True, kw_only=True)
class TagResources:
    """Parameters of TagResources."""

    resource_type: str
    resource_names: tuple[str, ...]
    tag: tuple[TagParameter, ...]


@action(writes=True)
def tag_resources(call: Call, request: TagResources) -> Answer:
    """Add tags."""
    for entity in _found(call, request.resource_type, request.resource_names):
        call.store.change(entity, tags=tags.merged(entity.tags, tags.given(request.tag)))
    return {}


@dataclass(frozen=True, kw_only=True)
class UntagResources:
    """Parameters of UntagResources; the provider writes TagKey.N."""

    resource_type: str
    resource_names: tuple[str, ...]
    tag_keys: tuple[str, ...] = ()
    tag_key: tuple[str, ...] = ()
    all: bool = False


@action(writes=True)
def untag_resources(call: Call, request: UntagResources) -> Answer:
    """Take tags away."""
    for entity in _found(call, request.resource_type, request.resource_names):
        left = () if request.all else tags.without(entity.tags, request.tag_keys or request.tag_key)
        call.store.change(entity, tags=left)
    return {}


@dataclass(frozen=True, kw_only=True)
class ListTagResources:
    """Parameters of ListTagResources."""

    resource_type: str
    resource_names: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()
    next_token: str | None = None
    page_size: int | None = None


@action()
def list_tag_resources(call: Call, request: ListTagResources) -> Answer:
    """The tags of roles, policies or users."""
    rows = [
        {
            "ResourceName": entity.id,
            "ResourceType": request.resource_type,
            "TagKey": key,
            "TagValue": value,
        }
        for entity in _found(call, request.resource_type, request.resource_names)
        if tags.match(entity.tags, request.tag)
        for key, value in entity.tags
    ]
    part, following = paging.by_token(
        rows, request.next_token, request.page_size, usual=1000, most=1000
    )
    return {"TagResources": list(part), **({"NextToken": following} if following else {})}
