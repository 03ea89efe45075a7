"""TagResources, UntagResources and ListTagResources, the same in every product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud import paging, tags
from localcloud.actions import Answer, Call
from localcloud.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire


@dataclass(frozen=True, kw_only=True)
class TagResources:
    """Parameters of TagResources."""

    resource_id: tuple[str, ...]
    resource_type: str
    tag: tuple[TagParameter, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class UntagResources:
    """Parameters of UntagResources."""

    resource_id: tuple[str, ...]
    resource_type: str
    tag_key: tuple[str, ...] = ()
    all: bool = False
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ListTagResources:
    """Parameters of ListTagResources."""

    resource_type: str
    resource_id: tuple[str, ...] = ()
    tag: tuple[TagParameter, ...] = ()
    next_token: str | None = None
    max_results: int | None = None
    page_size: int | None = wire("PageSize", default=None)
    region_id: str | None = None


Kinds = Mapping[str, type[Any]]


def _kind(kinds: Kinds, resource_type: str) -> type[Any]:
    kind = kinds.get(resource_type.upper())
    if kind is None:
        raise ApiError(
            "InvalidResourceType.NotFound",
            f"ResourceType {resource_type!r} is not one of {', '.join(sorted(kinds))}.",
            404,
        )
    return kind


def _found(call: Call, kind: type[Any], ids: tuple[str, ...]) -> list[Any]:
    found = []
    for resource_id in ids:
        entity = call.store.find(kind, resource_id)
        if entity is None:
            raise ApiError(
                "InvalidResourceId.NotFound", f"The resource {resource_id!r} does not exist.", 404
            )
        found.append(entity)
    return found


def add(call: Call, request: TagResources, kinds: Kinds) -> Answer:
    """Add the tags to each resource."""
    kind = _kind(kinds, request.resource_type)
    more = tags.given(request.tag)
    for entity in _found(call, kind, request.resource_id):
        call.store.change(entity, tags=tags.merged(entity.tags, more))
    return {}


def take(call: Call, request: UntagResources, kinds: Kinds) -> Answer:
    """Take the named tags, or all, from each resource."""
    kind = _kind(kinds, request.resource_type)
    for entity in _found(call, kind, request.resource_id):
        left = () if request.all else tags.without(entity.tags, request.tag_key)
        call.store.change(entity, tags=left)
    return {}


def rows(call: Call, request: ListTagResources, kinds: Kinds) -> tuple[list[dict[str, str]], str]:
    """One row for each tag of each matching resource, and the next token."""
    kind = _kind(kinds, request.resource_type)
    if request.resource_id:
        entities = [e for i in request.resource_id if (e := call.store.find(kind, i)) is not None]
    elif request.tag:
        entities = list(call.store.all(kind))
    else:
        raise ApiError("MissingParameter.ResourceIds", "Give ResourceId.N or Tag.N.")
    found = [
        {
            "ResourceId": entity.id,
            "ResourceType": request.resource_type,
            "TagKey": key,
            "TagValue": value,
        }
        for entity in entities
        if tags.match(entity.tags, request.tag)
        for key, value in entity.tags
    ]
    part, following = paging.by_token(
        found, request.next_token, request.max_results or request.page_size, usual=1000, most=1000
    )
    return list(part), following
