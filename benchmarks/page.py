"""Writes `results.md` from the recorded figures of both measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import engine, program
from benchmarks.results import RESULTS, recorded


def page(document: Mapping[str, Any]) -> str:
    """`results.md`."""
    lines = ["# Results", "", "Written by `make bench`.", ""]
    if "engine" in document:
        lines += [*engine.section(document["engine"]), ""]
    if "program" in document:
        lines += program.section(document["program"])
    return "\n".join(lines).rstrip() + "\n"


def write() -> None:
    """Write the page of the recorded figures."""
    RESULTS.with_suffix(".md").write_text(page(recorded()), encoding="utf-8")
