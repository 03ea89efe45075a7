"""Follows a path of a stack file through the model: which keys are valid there."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from config.model import ClusterConfig

Path = tuple[str | int, ...]


def document_path(location: Iterable[str | int]) -> Path:
    """Where in the document a finding of pydantic is: without its marks for keys and unions."""
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
    model = _model(kind)
    return tuple(_alias(name) for name in model.model_fields) if model is not None else ()


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    candidates = list(known)
    by_fold = {c.replace("_", "").replace("-", "").lower(): c for c in candidates}
    folded = word.replace("_", "").replace("-", "").lower()
    found = get_close_matches(folded, by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


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


def _alias(field: str) -> str:
    found = ClusterConfig.model_config["alias_generator"]
    return str(found(field)) if callable(found) else field


def _model(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any type annotation
    kind = _bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _bare(kind: Any) -> Any:  # noqa: ANN401 - any type annotation
    """Without `Annotated` and without `| None`."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        rest = [a for a in get_args(kind) if a is not type(None)]
        return _bare(rest[0]) if len(rest) == 1 else None
    return kind


def _step(kind: Any, step: str | int) -> Any:  # noqa: ANN401 - any type annotation
    kind = _bare(kind)
    model = _model(kind)
    if model is not None:
        for name, field in model.model_fields.items():
            if step in (_alias(name), name):
                return field.annotation
        return None
    arguments = get_args(kind)
    if get_origin(kind) in (dict, tuple) and arguments:
        return arguments[1] if get_origin(kind) is dict else arguments[0]
    return None
