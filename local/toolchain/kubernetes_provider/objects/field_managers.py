"""Who owns which field of a live object (metadata.managedFields).

Objects are created by POST under the name ``pulumi-kubernetes`` (operation Update) and from the
first update on applied under a name of their own (operation Apply), as the official plugin does
it (fixCSAFieldManagers and handleSSAIgnoreFields in await.go). The first update therefore takes
over what the creation and ``kubectl`` own.
Source of the format: Kubernetes, "Server-Side Apply", fieldsV1 trees of ``f:<name>`` keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.objects.changes import parse_path
from toolchain.kubernetes_provider.protocol.wire import (
    Object,
    Value,
    object_at,
    objects_at,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CREATOR: Final = "pulumi-kubernetes"
# An update takes over the fields of these managers: (prefix of the name, operation).
_TAKEN_OVER: Final = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)


def take_over_patch(live: Object, manager: str) -> list[Value] | None:
    """Return the JSON patch that gives ``manager`` what creation and kubectl own.

    ``None`` when there is nothing to take over.
    """
    entries = objects_at(live, "metadata", "managedFields")
    own = next((entry for entry in entries if _is(entry, manager)), None)
    fields = object_at(own, "fieldsV1") if own else {}
    base = own
    kept: list[Value] = []
    taken = False
    for entry in entries:
        if entry is own:
            continue
        if _is_taken_over(entry):
            taken = True
            fields = _merged(fields, object_at(entry, "fieldsV1"))
            base = base or {**entry, "manager": manager, "operation": "Apply"}
        else:
            kept.append(entry)
    if not taken or base is None:
        return None
    combined: Object = {**base, "fieldsV1": fields}
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, combined]},
        {
            "op": "replace",
            "path": "/metadata/resourceVersion",
            "value": text_at(live, "metadata", "resourceVersion"),
        },
    ]


def created_by_pulumi(live: Object) -> bool:
    """Tell whether the object still carries the mark of its creation."""
    return any(
        text_at(entry, "manager").startswith(CREATOR) and text_at(entry, "operation") == "Update"
        for entry in objects_at(live, "metadata", "managedFields")
    )


def is_legacy(live: Object) -> bool:
    """Tell whether the object was made before ownership was recorded at all."""
    return not objects_at(live, "metadata", "managedFields")


def with_ignored_fields(
    inputs: Object, live: Object, *, manager: str, ignored: Sequence[str]
) -> Object:
    """Return the inputs to apply when the program ignores changes of some paths.

    A field that somebody else owns is left out (naming it would be a conflict); any other keeps
    its live value (leaving it out would remove it). Paths into lists are left as they are.
    """
    result = inputs
    for text in ignored:
        path = parse_path(text)
        if not path or any(part == "*" or part.isdecimal() for part in path):
            continue
        theirs = _owned(live, path, by=manager, invert=True)
        ours = _owned(live, path, by=manager, invert=False)
        if theirs and not ours:
            result = _without(result, path)
            continue
        is_set, value = _find(live, path)
        if is_set:
            result = _with(result, path, value)
    return result


def _is(entry: Object, manager: str) -> bool:
    return text_at(entry, "manager") == manager and text_at(entry, "operation") == "Apply"


def _is_taken_over(entry: Object) -> bool:
    if text_at(entry, "subresource"):
        return False
    return any(
        text_at(entry, "manager").startswith(prefix) and text_at(entry, "operation") == operation
        for prefix, operation in _TAKEN_OVER
    )


def _merged(one: Object, other: Object) -> Object:
    result = dict(one)
    for key, value in other.items():
        mine = result.get(key)
        both = isinstance(mine, dict) and isinstance(value, dict)
        result[key] = _merged(object_at(result, key), object_at(other, key)) if both else value
    return result


def _owned(live: Object, path: tuple[str, ...], *, by: str, invert: bool) -> bool:
    keys = [f"f:{part}" for part in path]
    for entry in objects_at(live, "metadata", "managedFields"):
        if (text_at(entry, "manager") == by) is invert:
            continue
        fields: Value = entry.get("fieldsV1")
        for key in keys:
            fields = fields.get(key) if isinstance(fields, dict) else None
        if fields is not None:
            return True
    return False


def _find(value: Value, path: tuple[str, ...]) -> tuple[bool, Value]:
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _with(target: Object, path: tuple[str, ...], value: Value) -> Object:
    head, *rest = path
    if not rest:
        return {**target, head: value}
    return {**target, head: _with(object_at(target, head), tuple(rest), value)}


def _without(target: Object, path: tuple[str, ...]) -> Object:
    head, *rest = path
    if not rest:
        return {key: value for key, value in target.items() if key != head}
    if not isinstance(target.get(head), dict):
        return target
    return {**target, head: _without(object_at(target, head), tuple(rest))}
