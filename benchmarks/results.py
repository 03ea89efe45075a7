"""The recorded figures: `results.json`, and `results.md`, which is made from it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results.json"
WORSE: Final = 1.10
"""A ratio that grows by more than this is a regression."""

Part = Literal["program", "engine"]
"""Who measures: `benchmarks/program.py` or `benchmarks/engine.py`. Each records its own part."""


def recorded() -> dict[str, Any]:
    """All recorded figures, by part."""
    document = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    assert isinstance(document, dict)
    return document


def record(part: Part, document: Mapping[str, Any]) -> None:
    """Keep the figures of a part instead of those of its last run."""
    text = json.dumps({**recorded(), part: document}, indent=1)
    RESULTS.write_text(f"{text}\n", encoding="utf-8")


def regressions(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """A sentence for each ratio that is worse than the recorded one by more than a tenth."""
    return [
        f"{key}: ours to flat is {after[key]:.2f}, and {before[key]:.2f} is recorded."
        for key in sorted(before.keys() & after.keys())
        if after[key] > before[key] * WORSE
    ]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, with the smallest and the largest."""
    middle, low, high = (f"{n:.{digits}f}" for n in (median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def machine() -> str:
    """The processor, its cores and the memory."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()}"


def versions() -> str:
    """The interpreter and the SDKs."""
    packages = ("pulumi", "pulumi_alicloud", "pulumi_kubernetes", "grpcio")
    named = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return ", ".join((f"Python {platform.python_version()}", *named))
