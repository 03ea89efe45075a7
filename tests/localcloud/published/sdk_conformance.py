"""Compares answers with the official SDK's models, by reflection.

The models' `from_map` checks nothing, but their constructors carry type hints and their `to_map`
the wire names. The raw answers are compared: an unknown key or a value of another type is a
problem.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_ASSIGNED = re.compile(r"result\['([^']+)'\]\s*=\s*(?:self\.(\w+)|\[\]|\{\})")

PUBLISHED_KEYS = frozenset(
    {
        "DescribeHealthStatus.LoadBalancerId",
        "DescribeLoadBalancerAttribute.HasReservedInfo",
        "DescribeLoadBalancerAttribute.ListenerPortsAndProtocol.ListenerPortAndProtocol[0].ForwardPort",
        "DescribeLoadBalancerUDPListenerAttribute.PersistenceTimeout",
    }
)
"""Keys that the SDK's models do not have: of the reference's sample answers, and of the models of
alibaba-cloud-sdk-go 1.63.107 (PersistenceTimeout of a UDP listener)."""


@functools.cache
def wire_fields(model: type) -> dict[str, Any]:
    """Wire name → type hint of a model."""
    source = inspect.getsource(model.to_map)  # type: ignore[attr-defined]
    module = inspect.getmodule(model)
    assert module is not None
    package = importlib.import_module(module.__name__.rpartition(".")[0])
    names = {"main_models": package, "List": list, "Dict": dict, "Any": Any}
    hints = {
        name: _evaluate(parameter.annotation, names)
        for name, parameter in inspect.signature(model.__init__).parameters.items()  # type: ignore[misc]
        if name != "self"
    }
    fields: dict[str, Any] = {}
    guard = None
    for line in source.splitlines():
        condition = re.search(r"if self\.(\w+) is not None", line)
        if condition:
            guard = condition[1]
        assigned = _ASSIGNED.search(line)
        if assigned:
            attribute = assigned[2] or guard
            # A list is assigned empty first, without a guard; its loop names it afterwards.
            if attribute is None or assigned[2] is None:
                after = source[source.index(line) :]
                loop = re.search(r"for k1 in self\.(\w+)", after)
                attribute = loop[1] if loop else attribute
            fields.setdefault(assigned[1], Any if attribute is None else hints.get(attribute, Any))
    return fields


def _evaluate(annotation: Any, names: dict[str, Any]) -> Any:  # noqa: ANN401  # the SDK is untyped
    if isinstance(annotation, str):
        return eval(annotation, {**vars(typing), **names})  # noqa: S307  # the SDK's own hints
    return annotation


@dataclass(frozen=True)
class _Shape:
    """A type hint, taken apart once: answers have hundreds of thousands of values."""

    hint: Any
    exact: tuple[type, ...] = ()
    """Types of a plain value; empty for all other hints."""
    item: _Shape | None = None
    """Of a list."""
    is_object: bool = False
    is_model: bool = False


@functools.cache
def _shape(hint: Any) -> _Shape:  # noqa: ANN401  # the SDK is untyped
    if hint is Any or hint is inspect.Parameter.empty:
        return _Shape(hint)
    origin = typing.get_origin(hint)
    if origin is list:
        (item,) = typing.get_args(hint)
        return _Shape(hint, item=_shape(item))
    if origin is dict:
        return _Shape(hint, is_object=True)
    if hasattr(hint, "to_map"):
        return _Shape(hint, is_model=True)
    return _Shape(hint, exact={int: (int,), float: (int, float), str: (str,), bool: (bool,)}[hint])


@functools.cache
def _shapes(model: type) -> Mapping[str, _Shape]:
    return {name: _shape(hint) for name, hint in wire_fields(model).items()}


def problems(value: Any, hint: Any, path: str = "") -> list[str]:  # noqa: ANN401  # the SDK is untyped
    """The keys of an answer that the model does not have, or has with another type."""
    return _problems(value, _shape(hint), path)


def _problems(value: Any, shape: _Shape, path: str) -> list[str]:  # noqa: ANN401  # untyped
    if shape.item is not None:
        if not isinstance(value, list):
            return [f"{path}: {type(value).__name__} where a list is due"]
        return [p for n, v in enumerate(value) for p in _problems(v, shape.item, f"{path}[{n}]")]
    if shape.is_object:
        return [] if isinstance(value, dict) else [f"{path}: not an object"]
    if shape.is_model:
        if not isinstance(value, dict):
            return [f"{path}: {type(value).__name__} where {shape.hint.__name__} is due"]
        return _members(value, shape.hint, path)
    plain = isinstance(value, shape.exact) and (bool in shape.exact or not isinstance(value, bool))
    return [] if plain or not shape.exact else [f"{path}: {value!r} is no {shape.hint.__name__}"]


def _members(value: dict[str, Any], hint: Any, path: str) -> list[str]:  # noqa: ANN401  # untyped
    shapes = _shapes(hint)
    problems_below = []
    for name, inner in value.items():
        shape = shapes.get(name)
        if shape is None:
            if f"{path}.{name}" not in PUBLISHED_KEYS:
                problems_below.append(f"{path}.{name}: unknown to {hint.__name__}")
        elif type(inner) not in shape.exact:
            problems_below += _problems(inner, shape, f"{path}.{name}")
    return problems_below


def body_model(models: ModuleType, action: str) -> type | None:
    """The SDK's model of an action's answer."""
    return getattr(models, f"{action}ResponseBody", None)


def request_names(models: ModuleType, action: str) -> set[str] | None:
    """The parameters of an action in the SDK."""
    model = getattr(models, f"{action}Request", None)
    return set(wire_fields(model)) if model else None


def absent(value: Any, hint: Any, path: str) -> list[str]:  # noqa: ANN401  # the SDK is untyped
    """The keys of the model that an answer does not have; `[]` is any item."""
    return _absent(value, _shape(hint), path)


def _absent(value: Any, shape: _Shape, path: str) -> list[str]:  # noqa: ANN401  # the SDK is untyped
    if shape.item is not None and isinstance(value, list):
        return [p for v in value for p in _absent(v, shape.item, f"{path}[]")]
    if not shape.is_model or not isinstance(value, dict):
        return []
    shapes = _shapes(shape.hint)
    paths = [f"{path}.{name}" for name in shapes if name not in value]
    for name, inner in value.items():
        if isinstance(inner, dict | list) and name in shapes:
            paths += _absent(inner, shapes[name], f"{path}.{name}")
    return paths
