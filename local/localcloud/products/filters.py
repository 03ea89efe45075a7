"""Filters of lists. A filter that a request lacks, or leaves empty, lets everything pass."""

from __future__ import annotations

from collections.abc import Collection


def equal(asked: str | None, actual: str | None) -> bool:
    """Whether a field has the value that the request asks for."""
    return not asked or asked == actual


def among(asked: Collection[str], actual: str) -> bool:
    """Whether a field has one of the values that the request asks for."""
    return not asked or actual in asked


def names(text: str | None) -> frozenset[str]:
    """The ids or addresses of a parameter that has several, separated by commas."""
    return frozenset(text.split(",")) if text else frozenset()
