"""Filters of lists. A filter that is absent or empty in the request matches everything."""

from __future__ import annotations

import json
from collections.abc import Collection

from localcloud.wire.parameters import encodable


def equal(asked: str | None, actual: str | None) -> bool:
    """Whether a field has the requested value."""
    return not asked or asked == actual


def among(asked: Collection[str], actual: str) -> bool:
    """Whether a field has one of the requested values."""
    return not asked or actual in asked


def names(text: str | None) -> frozenset[str]:
    """The ids or addresses in a parameter that separates them by commas."""
    return frozenset(text.split(",")) if text else frozenset()


def texts(array: str) -> list[str] | None:
    """The texts in a parameter that is a JSON array; None if it is anything else."""
    try:
        values = json.loads(array)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list):
        return None
    if not all(isinstance(value, str) and encodable(value) for value in values):
        return None
    return values
