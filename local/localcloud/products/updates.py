"""The changes of an entity that a request asks for."""

from __future__ import annotations


def requested(**fields: object) -> dict[str, object]:
    """The fields that a request sets, which are those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
