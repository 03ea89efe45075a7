"""Admission policies: their API version, and the texts and variables of their CEL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

API_VERSION: Final = "admissionregistration.k8s.io/v1"

Manifest = Mapping[str, object]


def cel_variable(name: str, expression: str) -> Manifest:
    """A variable of an admission policy."""
    return {"name": name, "expression": expression}


def cel_text(value: str) -> str:
    """A CEL string; none of ours has a quote or a backslash."""
    return f"'{value}'"
