"""How ECS pages its lists: by number, or by token; and in which order it lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from localcloud import hostility, paging
from localcloud.actions import Call
from localcloud.paging import Paged, PagedTwice

T = TypeVar("T")
_USUAL: Final = 10


def numbered(  # noqa: PLR0913, PLR0917  # what all such answers are made of
    call: Call,
    outer: str,
    inner: str,
    rows: Sequence[T],
    request: Paged,
    show: Callable[[T], object],
    most: int = 100,
) -> dict[str, object]:
    """A page of rows under `outer.inner`, and which one it is."""
    mixed = hostility.shuffled(call.cloud, rows)
    return paging.numbered(outer, inner, mixed, request, show, most=most)


def listed(  # noqa: PLR0913, PLR0917  # what all such answers are made of
    call: Call,
    outer: str,
    inner: str,
    rows: Sequence[T],
    request: PagedTwice,
    show: Callable[[T], object],
    *,
    most: int = 100,
    most_on_page: int = 100,
) -> dict[str, object]:
    """An answer by token where the request has one or asks for it, else by page.

    MaxResults is never refused: below 10 it counts as 10, above `most` as `most` (texts of
    DescribeInstances, DescribeDisks, DescribeNetworkInterfaces in alibabacloud-go/ecs-20140526
    v7.2.4). A request with neither kind of paging gets the first 10 and the token of the next ones.
    """
    if request.page_number is not None or request.page_size is not None:
        answer = numbered(call, outer, inner, rows, request, show, most=most_on_page)
        return {**answer, "NextToken": ""}
    length = min(max(request.max_results or _USUAL, _USUAL), most)
    mixed = hostility.shuffled(call.cloud, rows)
    part, following = paging.by_token(mixed, request.next_token, length, most=most)
    answer = {
        outer: {inner: [show(row) for row in part]},
        "TotalCount": len(rows),
        "NextToken": following,
    }
    if request.max_results is None and not request.next_token:
        answer |= {"PageNumber": 1, "PageSize": _USUAL}
    return answer
