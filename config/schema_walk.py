"""Follows a path of a stack file through the model: which keys are valid there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from config.annotations import entries_of, model_in
from config.model import ClusterConfig

Path = tuple[str | int, ...]


def document_path(location: Iterable[str | int]) -> Path:
    """The document path of a pydantic error, without pydantic's marks for keys and unions."""
    return tuple(
        step
        for step in location
        if step != "[key]" and not str(step).startswith(("constrained-", "function-"))
    )


def keys_at(path: Path) -> tuple[str, ...]:
    """The keys that the object at this path may have; empty where any key is valid."""
    kind: Any = ClusterConfig
    for step in path:
        kind = _step(kind, step)
    model = model_in(kind)
    if model is None:
        return ()
    return tuple(str(field.alias) for field in model.model_fields.values())


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The most similar candidate, regardless of case and separators; None if none is similar."""
    by_fold = {_folded(candidate): candidate for candidate in candidates}
    matches = get_close_matches(_folded(word), by_fold, n=1, cutoff=0.6)
    return by_fold[matches[0]] if matches else None


def value_at(document: object, path: Path) -> object:
    """The value at a path; None when there is none."""
    for step in path:
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, list | tuple) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def _folded(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()


def _step(kind: Any, step: str | int) -> Any:  # noqa: ANN401 - any annotation
    """The annotation one step below; None if there is none."""
    model = model_in(kind)
    if model is not None:
        for name, field in model.model_fields.items():
            if step in (field.alias, name):
                return field.annotation
        return None
    entries = entries_of(kind)
    return None if entries is None else entries[1]
