"""Property values as the engine sends them, and as plain data.

The engine marshals properties into a protobuf ``Struct``. Secrets travel as a marked object,
values that are not known yet as marked strings, all numbers as doubles. Here they become Python
data: a secret is a ``Secret``, an unknown is ``UNKNOWN``, a whole number is an ``int``.
Source: sdk/go/common/resource/properties.go and sdk/go/common/resource/plugin/rpc.go of Pulumi.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from google.protobuf import struct_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, not a secret
UNKNOWN_WIRE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One marker for each type that an unknown value would have.
_UNKNOWN_MARKERS: Final = frozenset(
    {
        UNKNOWN_WIRE,  # string
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_SHORTEST_SECRET: Final = 4  # shorter texts occur in any message, which would become unreadable
_SHORTEST_SECRET_LINE: Final = 16
REDACTED: Final = "[secret]"


class Unknown(enum.Enum):
    """The type of ``UNKNOWN``: a value that a preview does not have yet."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A value that state encrypts and that no output shows."""

    value: Value

    def __repr__(self) -> str:
        """Never show what is inside."""
        return "Secret([secret])"


Value: TypeAlias = (
    "bool | int | float | str | list[Value] | dict[str, Value] | Secret | Unknown | None"
)
Object: TypeAlias = dict[str, Value]


def load(struct: struct_pb2.Struct) -> Object:
    """Return the properties of a wire struct; secrets and unknowns stay marked."""
    return {key: _load(value) for key, value in struct.fields.items()}


def _load(value: struct_pb2.Value) -> Value:
    result: Value = None
    match value.WhichOneof("kind"):
        case "struct_value":
            result = _load_struct(value.struct_value)
        case "list_value":
            result = [_load(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            # Kubernetes refuses 1.0 where it wants an integer, and the wire has doubles only.
            result = int(number) if number.is_integer() else number
        case "string_value":
            text = value.string_value
            result = UNKNOWN if text in _UNKNOWN_MARKERS else text
        case "bool_value":
            result = value.bool_value
    return result


def _load_struct(struct: struct_pb2.Struct) -> Value:
    fields = struct.fields
    if SIGNATURE_KEY in fields and fields[SIGNATURE_KEY].string_value == SECRET_SIGNATURE:
        return Secret(value=_load(fields["value"]))
    return {key: _load(item) for key, item in fields.items()}


def dump(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    """Return properties in wire form."""
    return struct_pb2.Struct(fields={key: _dump(value) for key, value in properties.items()})


def _dump(value: Value) -> struct_pb2.Value:
    match value:
        case Unknown():
            wire = struct_pb2.Value(string_value=UNKNOWN_WIRE)
        case Secret():
            marked: Object = {SIGNATURE_KEY: SECRET_SIGNATURE, "value": value.value}
            wire = struct_pb2.Value(struct_value=dump(marked))
        case dict():
            wire = struct_pb2.Value(struct_value=dump(value))
        case list():
            items = struct_pb2.ListValue(values=[_dump(item) for item in value])
            wire = struct_pb2.Value(list_value=items)
        case bool():
            wire = struct_pb2.Value(bool_value=value)
        case int() | float():
            wire = struct_pb2.Value(number_value=value)
        case str():
            wire = struct_pb2.Value(string_value=value)
        case _:
            wire = struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    return wire


def plain(value: Value) -> Value:
    """Return the value with every secret unwrapped; unknowns stay."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def plain_object(value: Value) -> Object:
    """Return ``plain(value)`` when that is an object, else an empty one."""
    bare = plain(value)
    return bare if isinstance(bare, dict) else {}


def without_nulls(value: Value) -> Value:
    """Return the value without keys and items that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value


def contains_unknown(value: Value) -> bool:
    """Tell whether anything inside is not known yet."""
    if isinstance(value, Secret):
        return contains_unknown(value.value)
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


def contains_secret(value: Value) -> bool:
    """Tell whether anything inside is a secret."""
    if isinstance(value, dict):
        return any(contains_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_secret(item) for item in value)
    return isinstance(value, Secret)


def at(value: Value, *path: str) -> Value:
    """Return the value under the keys, ``None`` where one is missing."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text_at(value: Value, *path: str) -> str:
    """Return the text under the keys, an empty one where there is none."""
    leaf = at(value, *path)
    return leaf if isinstance(leaf, str) else ""


def number_at(value: Value, *path: str) -> int:
    """Return the whole number under the keys, 0 where there is none."""
    leaf = at(value, *path)
    return leaf if isinstance(leaf, int) and not isinstance(leaf, bool) else 0


def object_at(value: Value, *path: str) -> Object:
    """Return the object under the keys, an empty one where there is none."""
    leaf = at(value, *path)
    return leaf if isinstance(leaf, dict) else {}


def objects_at(value: Value, *path: str) -> list[Object]:
    """Return the objects of the list under the keys."""
    leaf = at(value, *path)
    return [item for item in leaf if isinstance(item, dict)] if isinstance(leaf, list) else []


def with_secrets_of(outputs: Object, inputs: Object) -> Object:
    """Return the outputs, marked secret wherever the inputs are.

    Objects are walked, so that one secret does not hide a whole document; a list is secret as a
    whole when any item is. ``data`` and ``stringData`` of a Kubernetes Secret always are.
    The rule is the official plugin's (annotateSecrets in provider.go).
    """
    marked = dict(outputs)
    if outputs.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in marked and not isinstance(marked[key], Secret):
                marked[key] = Secret(value=marked[key])
        return marked
    for key, source in inputs.items():
        if key not in marked:
            continue
        got = marked[key]
        if isinstance(got, dict) and isinstance(source, dict):
            marked[key] = with_secrets_of(got, source)
        elif not isinstance(got, Secret) and contains_secret(source):
            marked[key] = Secret(value=got)
    return marked


def secret_texts(values: Iterable[Value]) -> frozenset[str]:
    """Return every text inside secrets that a message must not contain."""
    return frozenset(form for value in values for form in _secret_texts(value, hidden=False))


def open_texts(values: Iterable[Value]) -> frozenset[str]:
    """Return every text outside secrets: whoever may read the state can read it there."""
    return frozenset(form for value in values for form in _open_texts(value))


def _open_texts(value: Value) -> Iterator[str]:
    if isinstance(value, dict):
        is_secret = value.get("kind") == "Secret"
        for key, item in value.items():
            if not (is_secret and key in ("data", "stringData")):
                yield from _open_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _open_texts(item)
    elif isinstance(value, str):
        yield from _forms(value)


def _secret_texts(value: Value, *, hidden: bool) -> Iterator[str]:
    if isinstance(value, Secret):
        yield from _secret_texts(value.value, hidden=True)
    elif isinstance(value, dict):
        is_secret = value.get("kind") == "Secret"
        for key, item in value.items():
            inner = hidden or (is_secret and key in ("data", "stringData"))
            yield from _secret_texts(item, hidden=inner)
    elif isinstance(value, list):
        for item in value:
            yield from _secret_texts(item, hidden=hidden)
    elif hidden and isinstance(value, str):
        yield from _forms(value)


def _forms(text: str) -> Iterator[str]:
    """Yield the shapes in which a tool may quote a text.

    Raw, escaped, decoded, encoded (`stringData` of a Secret becomes base64 on its way), and line
    by line.
    """
    shapes = {text, json.dumps(text)[1:-1]}
    if len(text) >= _SHORTEST_SECRET:
        shapes.add(base64.b64encode(text.encode()).decode())
    with contextlib.suppress(binascii.Error, ValueError):  # not base64 of a text
        shapes.add(base64.b64decode(text, validate=True).decode())
    for shape in tuple(shapes):
        shapes.update(line for line in shape.splitlines() if len(line) >= _SHORTEST_SECRET_LINE)
    yield from (shape for shape in shapes if len(shape) >= _SHORTEST_SECRET)


def redact(message: str, secrets: Iterable[str]) -> str:
    """Return the message with every secret text replaced."""
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, REDACTED)
    return message
