"""The lists in answers of ECS and VPC: their order, and their paging by number or by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from localcloud.requests import hostility, paging
from localcloud.requests.actions import Call

from .resource import Resource

T = TypeVar("T")
_USUAL: Final = 10


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """Parameters of an action that lists by page."""

    page_number: int | None = None
    page_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class TokenRequest(PageRequest):
    """Parameters of an action that lists by page or by token."""

    next_token: str | None = None
    max_results: int | None = None


@dataclass(frozen=True)
class Table(Generic[T]):
    """The list in an action's answer.

    The rows are under `outer.inner`, and `show` creates one row. `most` is the largest PageSize;
    `most_by_token` is the largest MaxResults. `codes` are the action's own for an invalid token.
    """

    outer: str
    inner: str
    show: Callable[[Call, T], object]
    most: int = 100
    most_by_token: int = 100
    codes: paging.TokenCodes = paging.USUAL_CODES

    def _nested(self, call: Call, rows: Sequence[T]) -> dict[str, object]:
        seen = (
            row.as_listed(call.cloud, call.now) if isinstance(row, Resource) else row
            for row in rows
        )
        return {self.outer: {self.inner: [self.show(call, row) for row in seen]}}

    def numbered(self, call: Call, rows: Sequence[T], request: PageRequest) -> dict[str, object]:
        """The page of rows that the request names, with the page's number and size."""
        mixed = hostility.shuffled(call.cloud, rows)
        part, number, size = paging.page_by_number(
            mixed, request.page_number, request.page_size, most=self.most
        )
        return {
            **self._nested(call, part),
            "TotalCount": len(rows),
            "PageNumber": number,
            "PageSize": size,
        }

    def listed(self, call: Call, rows: Sequence[T], request: TokenRequest) -> dict[str, object]:
        """An answer by page if the request names a page, else by token.

        MaxResults is never refused. A value below 10 counts as 10, and a value above
        `most_by_token` counts as `most_by_token` (texts of DescribeInstances, DescribeDisks,
        DescribeNetworkInterfaces in alibabacloud-go/ecs-20140526 v7.2.4). A request with neither
        kind of paging gets the first 10 rows and the token of the next ones.
        """
        if request.page_number is not None or request.page_size is not None:
            return {**self.numbered(call, rows, request), "NextToken": ""}
        length = min(max(request.max_results or _USUAL, _USUAL), self.most_by_token)
        part, following = paging.page_by_token(
            hostility.shuffled(call.cloud, rows),
            request.next_token,
            length,
            most=self.most_by_token,
            codes=self.codes,
        )
        answer = {
            **self._nested(call, part),
            "TotalCount": len(rows),
            "NextToken": following,
        }
        if request.max_results is None and not request.next_token:
            answer |= {"PageNumber": 1, "PageSize": _USUAL}
        return answer
