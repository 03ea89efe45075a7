"""Texts and variables of the CEL in admission policies."""

from __future__ import annotations

from collections.abc import Mapping

Manifest = Mapping[str, object]


def cel_variable(name: str, expression: str) -> Manifest:
    """A variable of an admission policy."""
    return {"name": name, "expression": expression}


def cel_text(value: str) -> str:
    """A CEL string; none of ours has a quote or a backslash."""
    return f"'{value}'"
