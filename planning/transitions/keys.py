"""Every key of the configuration as a pattern, and a document taken apart by them.

A pattern has `*` for a name that the user gives and `[]` for a place in a list:
`nodePools.*.taints[].key`. A key with an object of free names (`labels`, `tags`) is one key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from config.annotations import entries_of, model_in
from config.model import ClusterConfig


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A value of a document: its path, the pattern of its key, and the value itself."""

    path: str
    pattern: str
    value: Any


def all_keys() -> tuple[str, ...]:
    """Every key of a stack file's cluster object that has a value of its own, in model order."""
    return tuple(_patterns(ClusterConfig, ""))


def leaves(document: Mapping[str, Any]) -> Iterator[Leaf]:
    """The values of a `cluster` document that are not empty.

    A missing key has its default, so a release that adds a key changes nothing. What the model does
    not know is left out.
    """
    yield from _leaves(ClusterConfig, document, "", "")


def entries(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and pattern of every named object (`services.web`, `services.*`)."""
    yield from _entries(ClusterConfig, document, "", "")


@dataclass(frozen=True, kw_only=True)
class _Key:
    """A key of a model, and the model inside of it with what leads there: nothing, `.*` or `[]`."""

    name: str
    inner: type[BaseModel] | None
    suffix: str
    default: Any


@cache
def _keys(model: type[BaseModel]) -> tuple[_Key, ...]:
    """The keys of a model in its order. A check of an edit asks for them dozens of times."""
    return tuple(_key(field) for field in model.model_fields.values())


def _key(field: FieldInfo) -> _Key:
    inner, suffix = _inner(field.annotation)
    return _Key(name=str(field.alias), inner=inner, suffix=suffix, default=_default(field))


def _patterns(model: type[BaseModel], at: str) -> Iterator[str]:
    for key in _keys(model):
        here = f"{at}.{key.name}" if at else key.name
        if key.inner is None:
            yield here
        else:
            if key.suffix:
                yield f"{here}{key.suffix}"
            yield from _patterns(key.inner, f"{here}{key.suffix}")


def _leaves(
    model: type[BaseModel], document: Mapping[str, Any], path: str, pattern: str
) -> Iterator[Leaf]:
    for key in _keys(model):
        value = document.get(key.name)
        here = f"{path}.{key.name}" if path else key.name
        key_pattern = f"{pattern}.{key.name}" if pattern else key.name
        if key.inner is None or key.suffix == "[]":
            shown = value if value is not None else key.default
            if shown not in (None, [], {}):
                yield Leaf(path=here, pattern=f"{key_pattern}{key.suffix}", value=shown)
        elif key.suffix:
            for name, item in sorted((value or {}).items()):
                yield from _leaves(key.inner, item, f"{here}.{name}", f"{key_pattern}.*")
        else:
            yield from _leaves(key.inner, value or {}, here, key_pattern)


def _entries(
    model: type[BaseModel], document: Mapping[str, Any], path: str, pattern: str
) -> Iterator[tuple[str, str]]:
    for key in _keys(model):
        value = document.get(key.name)
        here = f"{path}.{key.name}" if path else key.name
        key_pattern = f"{pattern}.{key.name}" if pattern else key.name
        if key.inner is None or not isinstance(value, Mapping):
            continue
        if key.suffix == ".*":
            for name, item in sorted(value.items()):
                yield f"{here}.{name}", f"{key_pattern}.*"
                if isinstance(item, Mapping):
                    yield from _entries(key.inner, item, f"{here}.{name}", f"{key_pattern}.*")
        else:
            yield from _entries(key.inner, value, here, key_pattern)


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - JSON
    if field.is_required():
        return None
    return to_jsonable_python(field.get_default(call_default_factory=True))


def _inner(kind: Any) -> tuple[type[BaseModel] | None, str]:  # noqa: ANN401 - any annotation
    """The model inside of an annotation, and what leads to it: nothing, `.*` or `[]`.

    None without a model: an object or a list of plain values is one value.
    """
    model, entries_kind = model_in(kind), entries_of(kind)
    if model is not None:
        return model, ""
    if entries_kind is not None:
        container, values = entries_kind
        inner, _ = _inner(values)
        if inner is not None:
            return inner, ".*" if container is dict else "[]"
    return None, ""
