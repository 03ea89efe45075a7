"""What the installed SDK of the Alibaba Cloud provider says of itself, read from its classes."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import importlib
import importlib.util
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import pulumi

Shape = Mapping[str, "Property"]


class Property(typing.TypedDict):
    """One property: whether it is a collection, and the fields of a nested object."""

    many: bool
    fields: Shape


def token_registered_by(module: types.ModuleType, name: str) -> str:
    """Return the token that the class or function `name` of `module` hands to the engine."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    definition = next(
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
    )
    tokens = {
        node.value
        for node in ast.walk(definition)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"alicloud:[\w/]+:\w+", node.value)
    }
    assert len(tokens) == 1, f"{module.__name__}.{name} registers {sorted(tokens)}"
    return tokens.pop()


def module_of(token: str) -> types.ModuleType:
    """Import the SDK's module for `alicloud:vpc/natGateway:NatGateway`."""
    room, file = token.split(":")[1].split("/")
    package = "pulumi_alicloud" if room == "index" else f"pulumi_alicloud.{room}"
    # A package of the SDK loads when an attribute is first asked for (`pulumi._utils.lazy_import`).
    # If one of its modules were imported before that, it would stay empty for every later test.
    hasattr(importlib.import_module(package), snake(file))
    return importlib.import_module(f"{package}.{snake(file)}")


def snake(name: str) -> str:
    """Return `nat_gateway` for `natGateway`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def outputs_of(token: str) -> Shape:
    """Return the properties that a resource, or the result of a data source, has."""
    name = token.rsplit(":", maxsplit=1)[-1]
    if name.startswith("get"):
        name = f"G{name[1:]}Result"
    return shape(getattr(module_of(token), name))


def inputs_of(token: str) -> set[str]:
    """Return the names of the properties that a program may set on a resource."""
    return names(getattr(module_of(token), f"{token.rsplit(':', maxsplit=1)[-1]}Args"))


def arguments_of(token: str) -> set[str]:
    """Return the names of a data source's arguments, as they go over the wire."""
    module = module_of(token)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    function = next(
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name == snake(token.rsplit(":", maxsplit=1)[-1])
    )
    return {
        node.slice.value
        for node in ast.walk(function)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "__args__"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    }


def names(cls: type) -> set[str]:
    """Return the Pulumi names of an SDK class's properties."""
    return {name for name, _ in _getters(cls)}


def shape(cls: type) -> Shape:
    """Return the Pulumi properties of an SDK class, nested ones too."""
    return {
        name: Property(**_typed(typing.get_type_hints(getter)["return"]))
        for name, getter in _getters(cls)
    }


def _getters(cls: type) -> Iterator[tuple[str, typing.Callable[..., object]]]:
    for base in cls.__mro__:
        if base is pulumi.CustomResource:
            return
        for member in vars(base).values():
            if isinstance(member, builtins.property) and member.fget is not None:
                name = getattr(member.fget, "_pulumi_name", None)
                if name is not None:
                    yield name, member.fget


def _typed(hint: object) -> Property:
    many = False
    while (origin := typing.get_origin(hint)) is not None:
        arguments = typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            hint = next(a for a in arguments if a is not type(None))
        elif origin in (collections.abc.Sequence, list):
            if many:  # a list of lists: the outer one is what counts
                break
            many = True
            hint = arguments[0]
        elif origin is pulumi.Output:
            hint = arguments[0]
        else:
            break
    nested = isinstance(hint, type) and hint.__module__.startswith("pulumi_alicloud.")
    return Property(many=many, fields=shape(hint) if nested and isinstance(hint, type) else {})
