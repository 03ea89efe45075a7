"""TagResources, UntagResources and ListTagResources of every product.

Products differ in the names of the parameters, in their error codes, and in the shape of the list.
The rules are the same: at most 50 resources and 20 tags in a call, 20 tags on a resource, each key
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from localcloud.requests import paging, tags
from localcloud.requests.actions import Action, Answer, Call
from localcloud.requests.tags import TagParameter, Tags
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from .resource import Resource

_MOST_RESOURCES: Final = 50
_USUAL_ROWS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class TagResources:
    """Parameters of TagResources."""

    resource_id: tuple[str, ...]
    resource_type: str
    tag: tuple[TagParameter, ...]
    region_id: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The ids of the resources."""
        return self.resource_id


@dataclass(frozen=True, kw_only=True)
class UntagResources:
    """Parameters of UntagResources."""

    resource_id: tuple[str, ...]
    resource_type: str
    tag_key: tuple[str, ...] = ()
    all: bool = False
    region_id: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The ids of the resources."""
        return self.resource_id

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys to remove."""
        return self.tag_key


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

    @property
    def named(self) -> tuple[str, ...]:
        """The ids of the resources. Without ids, the tags select the resources."""
        return self.resource_id

    @property
    def limit(self) -> int | None:
        """The largest number of rows in an answer."""
        return self.max_results or self.page_size


class Listing(Protocol):
    """The parameters of a list of tags, whatever a product calls them."""

    @property
    def resource_type(self) -> str:
        """The kind of the resources."""
        ...

    @property
    def named(self) -> tuple[str, ...]:
        """The ids of the resources. Without ids, the tags select the resources."""
        ...

    @property
    def tag(self) -> tuple[TagParameter, ...]:
        """The tags that a resource must have."""
        ...

    @property
    def next_token(self) -> str | None:
        """The token of the last answer, where this one continues."""
        ...

    @property
    def limit(self) -> int | None:
        """The largest number of rows in an answer."""
        ...


Kinds = Mapping[str, type[Any]]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """A product's error codes and HTTP statuses, by cause. `{}` is the kind of the resource."""

    unknown_type: tuple[str, int]
    unknown_listed_type: tuple[str, int] | None = None
    """Of ListTagResources, where it differs."""
    unknown_resource: tuple[str, int]
    too_many_resources: str = "NumberExceed.ResourceIds"
    nothing_named: tuple[str, int] = ("BothEmpty.TagsAndResources", 403)
    repeated: str = ""
    """For a resource that a request names twice. Empty if the product publishes no code for it."""
    tags: tags.Codes = tags.USUAL


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """The tagging actions of one product.

    `show` builds the answer of a list from the call, the request and the rows of this answer. `row`
    is the key of the resource's id in a row. `names` are the kinds' names in error codes, where
    they are not those of the classes.
    """

    kinds: Kinds
    codes: Codes
    requests: tuple[type[Any], type[Any], type[Any]] = (
        TagResources,
        UntagResources,
        ListTagResources,
    )
    untag: str = "UntagResources"
    row: str = "ResourceId"
    names: Mapping[type[Any], str] = field(default_factory=dict)
    show: Callable[[Call, Any, Sequence[Any]], Mapping[str, object]] | None = None

    def actions(self) -> tuple[Action, ...]:
        """The three actions of the product."""
        add, take, listed = self.requests
        return (
            Action(name="TagResources", request=add, run=self._add, writes=True),
            Action(name=self.untag, request=take, run=self._take, writes=True),
            Action(name="ListTagResources", request=listed, run=self._list, writes=False),
        )

    def _kind(self, resource_type: str, refusal: tuple[str, int] | None = None) -> type[Any]:
        kind = self.kinds.get(resource_type.upper())
        if kind is None:
            code, status = refusal or self.codes.unknown_type
            raise ApiError(
                code,
                f"ResourceType {resource_type[:40]!r} is not one of "
                f"{', '.join(sorted(self.kinds))}.",
                status,
            )
        return kind

    def _existing(self, call: Call, kind: type[Any], names: tuple[str, ...]) -> list[Any]:
        if len(names) > _MOST_RESOURCES:
            raise ApiError(
                self.codes.too_many_resources,
                f"{len(names)} resources are named; a call names at most {_MOST_RESOURCES}.",
            )
        if self.codes.repeated and len(set(names)) < len(names):
            raise ApiError(self.codes.repeated, "A resource is named twice.")
        existing = []
        for name in names:
            entity = call.store.find(kind, name)
            if entity is None:
                code, status = self.codes.unknown_resource
                raise ApiError(
                    code.format(self.names.get(kind, kind.__name__)),
                    f"The resource {name[:80]!r} does not exist.",
                    status,
                )
            existing.append(entity)
        return existing

    def _add(self, call: Call, request: Any) -> Answer:  # noqa: ANN401  # one of `requests`
        kind = self._kind(request.resource_type)
        more = tags.requested(request.tag, self.codes.tags)
        for entity in self._existing(call, kind, request.named):
            _retag(call, entity, tags.merged(entity.tags, more, self.codes.tags))
        return {}

    def _take(self, call: Call, request: Any) -> Answer:  # noqa: ANN401  # one of `requests`
        kind = self._kind(request.resource_type)
        for entity in self._existing(call, kind, request.named):
            left: Tags = () if request.all else tags.without(entity.tags, request.keys)
            _retag(call, entity, left)
        return {}

    def _list(self, call: Call, request: Listing) -> Answer:
        kind = self._kind(request.resource_type, self.codes.unknown_listed_type)
        if request.named:
            entities = [e for i in request.named if (e := call.store.find(kind, i)) is not None]
        elif request.tag:
            entities = list(call.store.all(kind))
        else:
            code, status = self.codes.nothing_named
            raise ApiError(code, "Resources or tags must be named.", status)
        rows = [
            {
                self.row: entity.id,
                "ResourceType": request.resource_type,
                "TagKey": key,
                "TagValue": value,
            }
            for entity in entities
            if tags.match(entity.tags, request.tag)
            for key, value in entity.tags
        ]
        part, following = paging.page_by_token(
            rows, request.next_token, request.limit, usual=_USUAL_ROWS, most=_USUAL_ROWS
        )
        shown = (self.show or _nested)(call, request, part)
        return {**shown, **({"NextToken": following} if following else {})}


def _retag(call: Call, entity: Any, changed: Tags) -> None:  # noqa: ANN401  # of any kind
    if isinstance(entity, Resource):
        call.store.put(entity.retagged(changed, call.now))
    else:
        call.store.change(entity, tags=changed)


def _nested(_call: Call, _request: Listing, part: Sequence[Any]) -> Mapping[str, object]:
    return {"TagResources": {"TagResource": list(part)}}
