"""The published parameters of an action, and the check of a request against them.

The data is the vendor's own (`data/*.json`, taken by `localcloud.published.update`). It has types
and mandatory flags; ranges and enumerations are not in it, and stay with the actions.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from localcloud.wire.errors import missing
from localcloud.wire.parameters import Tree

DATA: Final = Path(__file__).resolve().parent / "data"
EXCEPTIONS: Final = DATA / "exceptions.json"
_OWN: Final = ""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One published parameter; `parts` are those of an object, or of each object of a list."""

    name: str
    type: str
    required: bool
    parts: tuple[Parameter, ...]


@functools.cache
def published(product: str) -> Mapping[str, tuple[Parameter, ...]]:
    """Action → its parameters; empty for a product that the vendor does not publish."""
    path = DATA / f"{product}.json"
    if not path.is_file():
        return MappingProxyType({})
    document = json.loads(path.read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            action: tuple(_parameter(parameter) for parameter in parameters)
            for action, parameters in document["actions"].items()
        }
    )


@functools.cache
def not_mandatory() -> Mapping[str, str]:
    """`Product.Action.Parameter` → why the published flag is wrong, with the evidence."""
    document: dict[str, str] = json.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    return MappingProxyType(document)


@functools.cache
def mandatory(product: str, action: str) -> tuple[str, ...]:
    """The top-level parameters that a request cannot leave out, in the published order."""
    return tuple(
        parameter.name
        for parameter in published(product).get(action, ())
        if parameter.required and f"{product}.{action}.{parameter.name}" not in not_mandatory()
    )


def check(product: str, action: str, request: Tree) -> None:
    """Refuse a request that lacks what the vendor declares mandatory.

    Raises:
        ApiError: `Missing…` with the first parameter that is missing.
    """
    for name in mandatory(product, action):
        if not _is_present(request.get(name)):
            raise missing(name)
    for parameter in published(product).get(action, ()):
        if parameter.parts and parameter.name in request:
            _check_parts(parameter, request[parameter.name], parameter.name, product, action)


def _check_parts(parameter: Parameter, node: Tree, path: str, product: str, action: str) -> None:
    if _OWN in node:
        return  # One JSON string: the action's own types read it.
    numbered = [name for name in node if name.isdecimal()]
    nodes = [(f"{path}.{name}", node[name]) for name in numbered] or [(path, node)]
    for where, one in nodes:
        if _OWN in one:
            continue
        for part in parameter.parts:
            key = f"{product}.{action}.{parameter.name}.{part.name}"
            if part.required and key not in not_mandatory() and not _is_present(one.get(part.name)):
                raise missing(f"{where}.{part.name}")


def _is_present(node: Tree | None) -> bool:
    return node is not None and (len(node) > 1 or _OWN not in node or bool(node[_OWN]))


def _parameter(document: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=document["name"],
        type=document["type"],
        required=bool(document.get("required")),
        parts=tuple(_parameter(part) for part in document.get("parts", ())),
    )
