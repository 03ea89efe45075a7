"""From flat request parameters to typed, frozen request objects.

The OpenAPI flattens: a list is `Name.1`, a list of objects `Name.1.Key`, an object `Name.Key`;
some lists and objects come as one JSON string instead, with case-insensitive names. A request
type is a frozen dataclass whose fields declare all of it: `str`, `int`, `float`, `bool`,
`tuple[X, ...]`, another such dataclass, or any of them with None. A field without a default is
mandatory. An empty text counts as left out if the default is another text. The wire name is the
field's name in Pascal case unless `wire("…")` sets another. Where the API takes a bare text instead
of an object, the class variable `PLAIN` names the field that gets the text.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar, cast

from .errors import ApiError, invalid, missing

T = TypeVar("T")

_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 1000
_OWN: Final = ""
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_POSITION: Final = re.compile(r"[0-9]{1,9}")
_NAMES: Final = {"vswitch": "VSwitch", "vswitches": "VSwitches", "vrouter": "VRouter"}

Tree = dict[str, Any]


class JsonTree(Tree):
    """An object from a JSON string. Its names are case-insensitive.

    Clients of the real API rely on it: the cloud controller v2.14.0 writes `serverId` in the
    backend servers of a CLB, where the reference says `ServerId`.
    """


Reader = Callable[[Tree, str, list[str]], Any]


def encodable(text: str) -> bool:
    """Whether text can be encoded: JSON may have lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def wire(name: str, default: object = dataclasses.MISSING) -> Any:  # noqa: ANN401  # as dataclasses.field
    """A field whose wire name does not follow from its Python name."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={"wire": name})
    return dataclasses.field(default=default, metadata={"wire": name})


def wire_name(field: dataclasses.Field[Any]) -> str:
    """The parameter's name in requests: `vpc_id` is `VpcId`."""
    named = field.metadata.get("wire")
    if named is not None:
        return str(named)
    return "".join(_NAMES.get(part, part.capitalize()) for part in field.name.split("_"))


def tree(parameters: Mapping[str, str]) -> Tree:
    """Nest the flat names: `A.1.B=c` is `{"A": {"1": {"B": {"": "c"}}}}`."""
    root: Tree = {}
    for name, value in parameters.items():
        if not name:
            raise ApiError("InvalidParameter", "A parameter has no name.")
        if "." not in name:
            root.setdefault(name, {})[_OWN] = value
            continue
        parts = name.split(".")
        if len(parts) > _MAX_DEPTH or not all(parts):
            raise ApiError("InvalidParameter", f"The parameter name {name[:80]!r} is malformed.")
        node = root
        for part in parts:
            node = node.setdefault(part, {})
        node[_OWN] = value
    return root


def read(kind: type[T], parameters: Mapping[str, str]) -> tuple[T, tuple[str, ...]]:
    """Build `kind` from flat parameters; see `read_tree`."""
    return read_tree(kind, tree(parameters))


def read_tree(kind: type[T], parameters: Tree) -> tuple[T, tuple[str, ...]]:
    """Build `kind` from nested parameters.

    Returns:
        The request and the names (flat, sorted) of parameters that `kind` does not declare.

    Raises:
        ApiError: a mandatory parameter is missing or a value is not of its type.
    """
    unknown: list[str] = []
    request = _object(cast("Hashable", kind))(parameters, "", unknown)
    return cast("T", request), tuple(sorted(unknown))


def declared(kind: type[object]) -> frozenset[str]:
    """The top-level wire names that a request type declares."""
    return _declared(cast("Hashable", kind))


@functools.cache
def _declared(kind: Hashable) -> frozenset[str]:
    return frozenset(
        wire_name(field)
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]  # request types are dataclasses
    )


def _leaves(node: Tree, path: str) -> list[str]:
    paths = []
    for name, child in node.items():
        if name == _OWN:
            paths.append(path)
        else:
            paths.extend(_leaves(child, f"{path}.{name}" if path else name))
    return paths


def _text(node: Tree, path: str, unknown: list[str]) -> str | None:
    for name, child in node.items():
        if name != _OWN:
            unknown.extend(_leaves(child, f"{path}.{name}"))
    return cast("str | None", node.get(_OWN))


def _integer(node: Tree, path: str, unknown: list[str]) -> int | None:
    text = _text(node, path, unknown)
    if not text:
        return None
    if not _INTEGER.fullmatch(text):
        raise invalid(path, text, "it must be an integer")
    return int(text)


def _number(node: Tree, path: str, unknown: list[str]) -> float | None:
    text = _text(node, path, unknown)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise invalid(path, text, "it must be a number") from None


def _truth(node: Tree, path: str, unknown: list[str]) -> bool | None:
    text = _text(node, path, unknown)
    if not text:
        return None
    lowered = text.lower()
    if lowered not in {"true", "false"}:
        raise invalid(path, text, "it must be true or false")
    return lowered == "true"


_SCALARS: Final[Mapping[object, Reader]] = types.MappingProxyType(
    {str: _text, int: _integer, float: _number, bool: _truth}
)


@functools.cache
def _reader(hint: object) -> Reader:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin = typing.get_origin(hint)
    if origin in {types.UnionType, typing.Union}:
        (inner,) = (a for a in typing.get_args(hint) if a is not type(None))
        return _reader(inner)
    if origin is tuple:
        return _list(typing.get_args(hint)[0])
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _object(hint)
    raise TypeError(f"a request field cannot be {hint!r}")


def _list(item: object) -> Reader:
    read_item = _reader(item)

    def read_list(node: Tree, path: str, unknown: list[str]) -> tuple[Any, ...]:
        own = node.get(_OWN)
        if own is not None:
            return _from_json(own, path, read_item, unknown) if own else ()
        numbered: list[tuple[int, Tree]] = []
        for name, child in node.items():
            if not _POSITION.fullmatch(name) or not 1 <= int(name) <= _MAX_ITEMS:
                raise invalid(f"{path}.{name}", name, f"a list is numbered from 1 to {_MAX_ITEMS}")
            numbered.append((int(name), child))
        numbered.sort(key=lambda pair: pair[0])
        values = (read_item(child, f"{path}.{number}", unknown) for number, child in numbered)
        return tuple(value for value in values if value is not None)

    return read_list


def _from_json(text: str, path: str, read_item: Reader, unknown: list[str]) -> tuple[Any, ...]:
    if not text.lstrip().startswith("["):
        # Clients write a list of one item this way where the API takes both forms.
        return tuple(read_item({_OWN: part}, path, unknown) for part in text.split(","))
    items = _items(text)
    if items is None:
        raise invalid(path, text, "it must be a JSON array")
    if len(items) > _MAX_ITEMS:
        raise invalid(path, text, f"a list has at most {_MAX_ITEMS} items")
    values = (
        read_item(_unfold(value, path, 0), f"{path}.{number}", unknown)
        for number, value in enumerate(items, 1)
    )
    return tuple(value for value in values if value is not None)


def _items(text: str) -> list[Any] | None:
    """The items of an array, in double or single quotes; None if it is not an array.

    The provider writes BackendServers with single quotes (v1.285.0,
    `alicloud/extension_slb.go`), so the real API must take them.
    """
    for read in (json.loads, ast.literal_eval):
        try:
            items = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return items if isinstance(items, list) else None
    return None


def _unfold(value: object, path: str, depth: int) -> Tree:
    if depth > _MAX_DEPTH:
        raise invalid(path, "…", f"it is nested deeper than {_MAX_DEPTH}")
    if isinstance(value, dict):
        if not all(encodable(name) for name in value):
            raise invalid(path, "…", "its names must be valid Unicode")
        return JsonTree(
            (str(name), _unfold(child, path, depth + 1))
            for name, child in value.items()
            if child is not None and name
        )
    if isinstance(value, list):
        return {
            str(number): _unfold(child, path, depth + 1)
            for number, child in enumerate(value, 1)
            if child is not None
        }
    if isinstance(value, bool):
        return {_OWN: "true" if value else "false"}
    if isinstance(value, str) and not encodable(value):
        raise invalid(path, ascii(value), "it must be valid Unicode")
    return {_OWN: "" if value is None else str(value)}


def _folded(text: str, path: str) -> Tree:
    try:
        folded = json.loads(text)
    except (ValueError, RecursionError):
        folded = None
    if not isinstance(folded, dict):
        raise invalid(path, text, "it must be a JSON object")
    return _unfold(folded, path, 0)


@functools.cache
def _object(kind: object) -> Reader:  # noqa: C901  # one reader, its few cases in order
    maker = cast("type[Any]", kind)
    hints = typing.get_type_hints(maker)
    fields = {
        wire_name(field): (
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(maker)
    }

    with_default = {
        field.name
        for field in dataclasses.fields(maker)
        if isinstance(field.default, str) and field.default
    }
    in_any_case = {name.lower(): name for name in fields}
    mandatory = tuple((name, attribute) for name, (attribute, _, must) in fields.items() if must)

    plain = getattr(maker, "PLAIN", None)

    def read_object(node: Tree, path: str, unknown: list[str]) -> object:
        if len(node) == 1 and _OWN in node:
            text = node[_OWN]
            if not text:
                return None
            if plain is not None and not text.lstrip().startswith("{"):
                return maker(**{plain: text})
            node = _folded(text, path)
        json_names = isinstance(node, JsonTree)
        values: dict[str, Any] = {}
        for name, child in node.items():
            if name == _OWN:
                continue
            here = f"{path}.{name}" if path else name
            field = fields.get(in_any_case.get(name.lower(), name) if json_names else name)
            if field is None:
                unknown.extend(_leaves(child, here))
                continue
            attribute, read_value, _ = field
            value = read_value(child, here, unknown)
            # Some clients also send empty parameters, for example Gardener's machine driver.
            if value is not None and not (value == "" and attribute in with_default):
                values[attribute] = value
        for name, attribute in mandatory:
            if values.get(attribute) in (None, "", ()):
                raise missing(f"{path}.{name}" if path else name)
        return maker(**values)

    return read_object
