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


def problems(value: Any, hint: Any, path: str = "") -> list[str]:  # noqa: ANN401, PLR0911  # the SDK is untyped
    """The keys of an answer that the model does not have, or has with another type."""
    origin = typing.get_origin(hint)
    if hint is Any or hint is inspect.Parameter.empty:
        return []
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: {type(value).__name__} where a list is due"]
        (item,) = typing.get_args(hint)
        return [p for n, v in enumerate(value) for p in problems(v, item, f"{path}[{n}]")]
    if origin is dict:
        return [] if isinstance(value, dict) else [f"{path}: not an object"]
    if hasattr(hint, "to_map"):
        if not isinstance(value, dict):
            return [f"{path}: {type(value).__name__} where {hint.__name__} is due"]
        return _members(value, hint, path)
    allowed = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}[hint]
    if not isinstance(value, allowed) or (isinstance(value, bool) and hint is not bool):
        return [f"{path}: {value!r} is no {hint.__name__}"]
    return []


def _members(value: dict[str, Any], hint: Any, path: str) -> list[str]:  # noqa: ANN401  # untyped
    fields = wire_fields(hint)
    problems_below = []
    for name, inner in value.items():
        if f"{path}.{name}" in PUBLISHED_KEYS:
            continue
        if name not in fields:
            problems_below.append(f"{path}.{name}: unknown to {hint.__name__}")
        else:
            problems_below += problems(inner, fields[name], f"{path}.{name}")
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
    origin = typing.get_origin(hint)
    if origin is list and isinstance(value, list):
        (item,) = typing.get_args(hint)
        return [p for v in value for p in absent(v, item, f"{path}[]")]
    if not hasattr(hint, "to_map") or not isinstance(value, dict):
        return []
    fields = wire_fields(hint)
    paths = [f"{path}.{name}" for name in fields if name not in value]
    for name, inner in value.items():
        paths += absent(inner, fields.get(name, Any), f"{path}.{name}")
    return paths
