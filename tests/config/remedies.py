"""Remedies of a report, read by a machine: what to write where.

`apply` does what a remedy says, word by word. It reads the first of several ways.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import yaml

from config.report import Problem

Document = dict[str, Any]

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_QUOTED = re.compile(r'^Put it in quotes: "([^"]*)"\.')
_CALLED = re.compile(r"^(?:Call it|Write the key as) (\S+?)\.(?:\s|$)")
_MEANT = re.compile(r"^Did you mean (\S+?)\?")
_PAIR = re.compile(
    r"^Write ([\w.-]+(?:/[\w.-]+)?): (.+?)"
    r"(?: too| with | and |, which|, or|, and|\.(?:\s|$)|\.$)"
)
_VALUE = re.compile(r"^Write (\[.*?\]|\S+?)(?:,|\.)(?:\s|$)")
_NOT_VALUES = {"a", "an", "the", "text", "true", "its", "at"}


def steps_of(document: Any, path: str) -> list[str | int]:  # noqa: ANN401 - YAML is anything
    """`nodePools.workers.taints[0].key` as keys and places. A key may have dots in it."""
    rest: list[str | int] = [int(place) if place else key for place, key in _STEP.findall(path)]
    steps: list[str | int] = []
    while rest:
        taken = 1
        if isinstance(document, dict):
            joined = (
                n for n in range(len(rest), 0, -1) if ".".join(map(str, rest[:n])) in document
            )
            taken = next(joined, 1)
        step = ".".join(map(str, rest[:taken])) if taken > 1 else rest[0]
        steps.append(step)
        rest = rest[taken:]
        inside = document.get(step) if isinstance(document, dict) else None
        if isinstance(document, list) and isinstance(step, int) and step < len(document):
            inside = document[step]
        document = inside
    return steps


def apply(document: Document, problem: Problem) -> Document | None:
    """The document after the remedy; None for a remedy that only a person can follow."""
    changed = deepcopy(document)
    steps = steps_of(document, problem.path)
    if problem.remedy.startswith("Take it out"):
        return changed if _remove(changed, steps) else None
    if match := _QUOTED.match(problem.remedy):
        return _written(changed, steps, match[1])
    if match := (_CALLED.match(problem.remedy) or _MEANT.match(problem.remedy)):
        return _renamed(changed, steps, match[1])
    if match := _PAIR.match(problem.remedy):
        inside = isinstance(_value(document, steps), dict)
        place = [*steps, "key"] if inside else steps
        return _paired(changed, place, match[1], yaml.safe_load(match[2]))
    if (match := _VALUE.match(problem.remedy)) and match[1] not in _NOT_VALUES:
        return _written(changed, steps, yaml.safe_load(match[1]))
    return None


def _holder(document: Any, steps: list[str | int]) -> Any:  # noqa: ANN401 - YAML is anything
    for step in steps:
        if isinstance(document, dict) and step not in document:
            document[step] = {}
        document = document[step]
    return document


def _value(document: Any, steps: list[str | int]) -> object:  # noqa: ANN401 - YAML is anything
    try:
        for step in steps:
            document = document[step]
    except (KeyError, IndexError, TypeError):
        return None
    return document


def _remove(document: Document, steps: list[str | int]) -> bool:
    try:
        holder = _holder(document, steps[:-1])
        del holder[steps[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _written(document: Document, steps: list[str | int], value: object) -> Document:
    _holder(document, steps[:-1])[steps[-1]] = value
    return document


def _renamed(document: Document, steps: list[str | int], name: str) -> Document | None:
    holder = _holder(document, steps[:-1])
    if not isinstance(holder, dict) or steps[-1] not in holder:
        return None
    holder[name] = holder.pop(steps[-1])
    return document


def _paired(document: Document, steps: list[str | int], key: str, value: object) -> Document:
    """A key next to the last step, or at its own path from the top."""
    if "." in key and "/" not in key:
        return _written(document, list(key.split(".")), value)
    return _written(document, [*steps[:-1], key], value)
