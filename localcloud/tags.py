"""Tags, as every product takes and shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .wire.errors import ApiError

Tags = tuple[tuple[str, str], ...]

_MOST: Final = 20
_KEY_LENGTH: Final = 128


@dataclass(frozen=True, kw_only=True)
class TagParameter:
    """`Tag.N.Key` and `Tag.N.Value`; older clients write `key` and `value`."""

    key: str = ""
    value: str = ""


def given(parameters: Iterable[TagParameter]) -> Tags:
    """The tags of a request, checked: each key once."""
    tags: dict[str, str] = {}
    for tag in parameters:
        if tag.key in tags:
            raise ApiError("Duplicate.TagKey", f"The tag key {tag.key[:40]!r} is given twice.")
        tags[tag.key] = tag.value
    check(tags)
    return tuple(sorted(tags.items()))


def check(tags: dict[str, str]) -> None:
    """Raise what the API raises for tags that cannot be."""
    if len(tags) > _MOST:
        raise ApiError("NumberExceed.Tags", f"A resource has at most {_MOST} tags.")
    for key, value in tags.items():
        lowered = key.lower()
        if not key or len(key) > _KEY_LENGTH or lowered.startswith(("aliyun", "acs:")):
            raise ApiError("InvalidTagKey.Malformed", f"The tag key {key[:40]!r} is not valid.")
        if len(value) > _KEY_LENGTH or "http://" in value or "https://" in value:
            raise ApiError("InvalidTagValue.Malformed", f"The value of tag {key!r} is not valid.")


def merged(tags: Tags, more: Tags) -> Tags:
    """Tags with others added or replaced."""
    both = {**dict(tags), **dict(more)}
    check(both)
    return tuple(sorted(both.items()))


def without(tags: Tags, keys: Sequence[str]) -> Tags:
    """Tags with some taken away."""
    return tuple(pair for pair in tags if pair[0] not in keys)


def match(tags: Tags, filters: Iterable[TagParameter]) -> bool:
    """Whether tags pass a filter: each key there, and its value where the filter has one."""
    for wanted in filters:
        for key, value in tags:
            if key == wanted.key and (not wanted.value or value == wanted.value):
                break
        else:
            return False
    return True


def plain(tags: Tags) -> list[dict[str, str]]:
    """`[{"Key", "Value"}]`, as VPC, NLB and RAM show tags."""
    return [{"Key": key, "Value": value} for key, value in tags]


def ecs(tags: Tags) -> dict[str, object]:
    """`{"Tag": [{"TagKey", "TagValue"}]}`, as ECS shows them."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags]}


def vpc(tags: Tags) -> dict[str, object]:
    """`{"Tag": [{"Key", "Value"}]}`, as VPC shows them."""
    return {"Tag": plain(tags)}
