"""The two paginations of the OpenAPI: by page number, and by token."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from localcloud.wire.errors import ApiError, invalid

T = TypeVar("T")


@dataclass(frozen=True)
class TokenCodes:
    """The error codes for an invalid MaxResults or NextToken."""

    limit: str = "InvalidParameter"
    token: str = "InvalidParameter.NextToken"  # noqa: S105  # an error code


USUAL_CODES: Final = TokenCodes()
ILLEGAL_CODES: Final = TokenCodes("IllegalParam.MaxResults", "IllegalParam.NextToken")
"""The codes of newer products and actions (DescribeLoadBalancerListeners, ListLoadBalancers)."""
_USUAL_ITEMS: Final = 100
_MOST_ITEMS: Final = 1000


def page_by_number(
    items: Sequence[T], number: int | None, size: int | None, *, usual: int = 10, most: int = 100
) -> tuple[Sequence[T], int, int]:
    """The items of a page, its number and its size (default 1 and `usual`).

    Raises:
        ApiError: the number or the size is out of range.
    """
    at = 1 if number is None else number
    length = usual if size is None else size
    if at < 1:
        raise invalid("PageNumber", at, "pages are numbered from 1")
    if not 1 <= length <= most:
        raise invalid("PageSize", length, f"it must be from 1 to {most}")
    start = (at - 1) * length
    return items[start : start + length], at, length


def token_answer(  # noqa: PLR0913  # the codes are what actions differ in
    name: str,
    rows: Sequence[T],
    token: str | None,
    limit: int | None,
    *,
    most: int = 100,
    codes: TokenCodes = ILLEGAL_CODES,
) -> dict[str, object]:
    """An answer of the newer kind: the rows under `name`, their number, the next token."""
    part, following = page_by_token(rows, token, limit, most=most, codes=codes)
    answer: dict[str, object] = {
        name: list(part),
        "TotalCount": len(rows),
        "MaxResults": 20 if limit is None else limit,
    }
    if following:
        answer["NextToken"] = following
    return answer


class Paged(Protocol):
    """A request that names a page by its number."""

    @property
    def page_number(self) -> int | None:
        """From 1."""
        ...

    @property
    def page_size(self) -> int | None:
        """How many items a page has."""
        ...


def number_answer(  # noqa: PLR0913, PLR0917  # what all such answers are made of
    outer: str,
    inner: str,
    rows: Sequence[T],
    request: Paged,
    show: Callable[[T], object],
    most: int = 100,
    usual: int = 10,
) -> dict[str, object]:
    """An answer of the older kind: a page of rows under `outer.inner`, and the page's number."""
    part, number, size = page_by_number(
        rows, request.page_number, request.page_size, usual=usual, most=most
    )
    return {
        outer: {inner: [show(row) for row in part]},
        "TotalCount": len(rows),
        "PageNumber": number,
        "PageSize": size,
    }


class PagedTwice(Paged, Protocol):
    """A request that names a page by its number, or by a token."""

    @property
    def next_token(self) -> str | None:
        """Where the last answer ended."""
        ...

    @property
    def max_results(self) -> int | None:
        """How many items an answer has."""
        ...


def number_or_token_answer(  # noqa: PLR0913, PLR0917  # what all such answers are made of
    outer: str,
    inner: str,
    rows: Sequence[T],
    request: PagedTwice,
    show: Callable[[T], object],
    usual: int = 10,
    most: int = 100,
) -> dict[str, object]:
    """An answer by token if the request has a token or asks for one, else by page."""
    if request.max_results is None and not request.next_token:
        return number_answer(outer, inner, rows, request, show, most=most)
    # ECS cuts a MaxResults that is too large and takes the default for one that is too small
    # (alibabacloud-go/ecs-20140526 v7.2.4, texts of DescribeInstances).
    limit = request.max_results
    length = usual if limit is None or limit < usual else min(limit, most)
    part, following = page_by_token(rows, request.next_token, length, usual=usual, most=most)
    return {
        outer: {inner: [show(row) for row in part]},
        "TotalCount": len(rows),
        "NextToken": following,
    }


def page_by_token(  # noqa: PLR0913  # the codes are what products differ in
    items: Sequence[T],
    token: str | None,
    limit: int | None,
    *,
    usual: int = 20,
    most: int = 500,
    codes: TokenCodes = USUAL_CODES,
) -> tuple[Sequence[T], str]:
    """The items after `token` and the next token, empty at the end.

    Raises:
        ApiError: the token or the limit is not valid.
    """
    length = usual if limit is None else limit
    if not 1 <= length <= most:
        raise ApiError(
            codes.limit,
            f"The value '{length}' of MaxResults is not valid: it must be from 1 to {most}.",
        )
    start = 0
    if token:
        try:
            start = int(base64.b64decode(token, validate=True))
        except (binascii.Error, ValueError):
            raise ApiError(codes.token, "The NextToken is not valid.") from None
        if start < 0:
            raise ApiError(codes.token, "The NextToken is not valid.")
    end = start + length
    following = base64.b64encode(str(end).encode()).decode() if end < len(items) else ""
    return items[start:end], following


class Marked(Protocol):
    """A request that continues at the marker of the last answer."""

    @property
    def marker(self) -> str | None:
        """Where the last answer ended."""
        ...

    @property
    def max_items(self) -> int | None:
        """How many items an answer has."""
        ...


def marker_answer(outer: str, inner: str, rows: Sequence[T], request: Marked) -> dict[str, object]:
    """An answer of RAM: rows under `outer.inner`, whether more follow, and then the marker."""
    codes = TokenCodes("InvalidParameter", "InvalidParameter")
    part, following = page_by_token(
        rows, request.marker, request.max_items, usual=_USUAL_ITEMS, most=_MOST_ITEMS, codes=codes
    )
    answer: dict[str, object] = {outer: {inner: list(part)}, "IsTruncated": bool(following)}
    if following:
        answer["Marker"] = following
    return answer
