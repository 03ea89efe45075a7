"""The older actions for tags of CLBs. Their parameter `Tags` is a JSON array."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.tags import TagParameter

from . import load_balancers
from .entities import LoadBalancer
from .load_balancers import SpelledTag

_CODES: Final = tags.Codes(
    too_many="QuotaExceeded.Tag",
    full="QuotaExceed.TagsPerResource",
    twice="Duplicate.TagKey",
    key="InvalidParameter.TagKey",
    value="InvalidParameter.TagValue",
)
"""The codes of the page AddTags."""


@dataclass(frozen=True, kw_only=True)
class AddTags:
    """Parameters of AddTags."""

    load_balancer_id: str
    tags: tuple[SpelledTag, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemoveTags:
    """Parameters of RemoveTags."""

    load_balancer_id: str
    tags: tuple[SpelledTag, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DescribeTags:
    """Parameters of DescribeTags."""

    region_id: str | None = None
    load_balancer_id: str | None = None
    tags: tuple[SpelledTag, ...] = ()
    distinct_key: bool = False
    page_number: int | None = None
    page_size: int | None = None


@action(writes=True)
def add_tags(call: Call, request: AddTags) -> Answer:
    """Add tags to CLBs. Ids are separated by commas."""
    named = [TagParameter(key=t.tag_key, value=t.tag_value) for t in request.tags]
    more = tags.requested(named, _CODES)
    for load_balancer_id in request.load_balancer_id.split(","):
        balancer = load_balancers.find(call, load_balancer_id)
        call.store.change(balancer, tags=tags.merged(balancer.tags, more, _CODES))
    return {}


@action(writes=True)
def remove_tags(call: Call, request: RemoveTags) -> Answer:
    """Remove tags from CLBs."""
    keys = [t.tag_key for t in request.tags]
    for load_balancer_id in request.load_balancer_id.split(","):
        balancer = load_balancers.find(call, load_balancer_id)
        call.store.change(balancer, tags=tags.without(balancer.tags, keys))
    return {}


@action()
def describe_tags(call: Call, request: DescribeTags) -> Answer:
    """List the existing tags with the number of CLBs that have each."""
    filters = {t.tag_key: t.tag_value for t in request.tags}
    counted: Counter[tuple[str, str]] = Counter()
    for balancer in call.store.all(LoadBalancer):
        if request.load_balancer_id and balancer.id not in request.load_balancer_id.split(","):
            continue
        for key, value in balancer.tags:
            if not filters or (key in filters and filters[key] in {"", value}):
                counted[key, "" if request.distinct_key else value] += 1

    def shown(row: tuple[tuple[str, str], int]) -> dict[str, object]:
        (key, value), count = row
        return {"TagKey": key, "TagValue": value, "InstanceCount": count}

    return paging.number_answer(
        "TagSets", "TagSet", sorted(counted.items()), request, shown, usual=50
    )
