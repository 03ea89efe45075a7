"""The two paginations of the OpenAPI: by page number, and by token."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .wire.errors import ApiError, invalid

T = TypeVar("T")


def page(
    items: Sequence[T], number: int | None, size: int | None, *, most: int = 100
) -> tuple[Sequence[T], int, int]:
    """The items of a page, its number and its size (default 1 and 10)."""
    at = 1 if number is None else number
    length = 10 if size is None else size
    if at < 1:
        raise invalid("PageNumber", at, "pages are numbered from 1")
    if not 1 <= length <= most:
        raise invalid("PageSize", length, f"it must be from 1 to {most}")
    start = (at - 1) * length
    return items[start : start + length], at, length


def listed(
    name: str, rows: Sequence[T], token: str | None, limit: int | None, *, most: int = 100
) -> dict[str, object]:
    """An answer of the newer kind: the rows under `name`, how many, and where it goes on."""
    part, following = by_token(rows, token, limit, most=most)
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


def numbered(  # noqa: PLR0913, PLR0917  # what all such answers are made of
    outer: str,
    inner: str,
    rows: Sequence[T],
    request: Paged,
    show: Callable[[T], object],
    most: int = 100,
) -> dict[str, object]:
    """An answer of the older kind: a page of rows under `outer.inner`, and which one it is."""
    part, number, size = page(rows, request.page_number, request.page_size, most=most)
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


def either(  # noqa: PLR0913, PLR0917  # what all such answers are made of
    outer: str,
    inner: str,
    rows: Sequence[T],
    request: PagedTwice,
    show: Callable[[T], object],
    usual: int = 10,
    most: int = 100,
) -> dict[str, object]:
    """An answer by token where the request has one or asks for it, else by page."""
    if request.max_results is None and not request.next_token:
        return numbered(outer, inner, rows, request, show, most=most)
    part, following = by_token(
        rows, request.next_token, request.max_results, usual=usual, most=most
    )
    return {
        outer: {inner: [show(row) for row in part]},
        "TotalCount": len(rows),
        "NextToken": following,
    }


def by_token(
    items: Sequence[T], token: str | None, limit: int | None, *, usual: int = 20, most: int = 500
) -> tuple[Sequence[T], str]:
    """The items after `token` and the next token, empty at the end."""
    length = usual if limit is None else limit
    if not 1 <= length <= most:
        raise invalid("MaxResults", length, f"it must be from 1 to {most}")
    start = 0
    if token:
        try:
            start = int(base64.b64decode(token, validate=True))
        except (binascii.Error, ValueError):
            raise ApiError("InvalidParameter.NextToken", "The NextToken is not valid.") from None
        if start < 0:
            raise ApiError("InvalidParameter.NextToken", "The NextToken is not valid.")
    end = start + length
    following = base64.b64encode(str(end).encode()).decode() if end < len(items) else ""
    return items[start:end], following
