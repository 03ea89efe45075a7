"""Tags, as every product takes and shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.wire.errors import ApiError

Tags = tuple[tuple[str, str], ...]

_MOST: Final = 20
_KEY_LENGTH: Final = 128
_WEB: Final = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class TagParameter:
    """`Tag.N.Key` and `Tag.N.Value`; older clients write `key` and `value`."""

    key: str = ""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Codes:
    """An action's error codes for invalid tags, by cause."""

    too_many: str
    too_many_status: int = 400
    full: str
    twice: str
    key: str
    value: str
    kept_values: tuple[str, ...] = ()
    """Beginnings of values that the product keeps for itself."""


KEPT: Final = ("aliyun", "acs:")
"""What no key may begin with, and no value of VPC, CLB and NLB: "The tag value cannot start with
`aliyun` or `acs:`" (text of `Tag.N.Value` in CreateVpc, CreateLoadBalancer and others, metadata of
2025-12-19). The texts of ECS and RAM have no such rule for values."""
USUAL: Final = Codes(
    too_many="NumberExceed.Tags",
    full="OperationDenied.QuotaExceed",
    twice="Duplicate.TagKey",
    key="InvalidTagKey.Malformed",
    value="InvalidTagValue.Malformed",
)
"""The codes of ECS (page TagResources), shared by most actions that create something."""
CREATING: Final = dataclasses.replace(USUAL, too_many="QuotaExceed.Tags", too_many_status=403)
"""The codes of the actions of ECS that create a disk, an ENI, a group or a key pair."""


def requested(parameters: Iterable[TagParameter], codes: Codes = USUAL) -> Tags:
    """The tags of a request, checked: each key once, 20 at most.

    Raises:
        ApiError: a tag is invalid.
    """
    tags: dict[str, str] = {}
    for tag in parameters:
        if tag.key in tags:
            raise ApiError(codes.twice, f"The tag key {tag.key[:40]!r} is given twice.")
        tags[tag.key] = tag.value
    if len(tags) > _MOST:
        raise ApiError(
            codes.too_many, f"A request has at most {_MOST} tags.", codes.too_many_status
        )
    for key, value in tags.items():
        lowered = key.lower()
        if (
            not key
            or len(key) > _KEY_LENGTH
            or lowered.startswith(KEPT)
            or any(web in lowered for web in _WEB)
        ):
            raise ApiError(codes.key, f"The tag key {key[:40]!r} is not valid.")
        if (
            len(value) > _KEY_LENGTH
            or any(web in value for web in _WEB)
            or value.lower().startswith(codes.kept_values)
        ):
            raise ApiError(codes.value, f"The value of tag {key!r} is not valid.")
    return tuple(sorted(tags.items()))


def merged(tags: Tags, more: Tags, codes: Codes = USUAL) -> Tags:
    """Tags with others added or replaced; a resource has 20 at most.

    Raises:
        ApiError: it would have more.
    """
    both = {**dict(tags), **dict(more)}
    if len(both) > _MOST:
        raise ApiError(codes.full, f"A resource has at most {_MOST} tags.")
    return tuple(sorted(both.items()))


def without(tags: Tags, keys: Sequence[str]) -> Tags:
    """Tags without some keys."""
    return tuple(pair for pair in tags if pair[0] not in keys)


def match(tags: Tags, filters: Iterable[TagParameter]) -> bool:
    """Whether tags pass a filter: they have each key, and its value if the filter has one."""
    for condition in filters:
        for key, value in tags:
            if key == condition.key and (not condition.value or value == condition.value):
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
