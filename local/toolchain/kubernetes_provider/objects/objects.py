"""Kubernetes objects between inputs, the API server and Pulumi's state.

State holds the live object with three keys of the official plugin added (checkpointObject in its
provider.go): ``__inputs``, ``__initialApiVersion`` and ``__fieldManager``.
``metadata.managedFields`` is left out, because only the API server needs it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from toolchain.kubernetes_provider.cluster.discovery import is_built_in
from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Secret,
    Value,
    at,
    contains_unknown,
    object_at,
    objects_at,
    plain,
    plain_object,
    text_at,
    with_secrets_of,
    without_nulls,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUTS_KEY: Final = "__inputs"
API_VERSION_KEY: Final = "__initialApiVersion"
FIELD_MANAGER_KEY: Final = "__fieldManager"

_READ_ONLY_METADATA: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
# A Python or Go identifier has no dash, so the SDKs spell these keys with underscores.
_DASHED: Final[Mapping[str, str]] = {
    name: name.replace("_", "-")
    for name in (
        "x_kubernetes_embedded_resource",
        "x_kubernetes_int_or_string",
        "x_kubernetes_list_map_keys",
        "x_kubernetes_list_type",
        "x_kubernetes_map_type",
        "x_kubernetes_preserve_unknown_fields",
        "x_kubernetes_validations",
    )
}
_UNDERSCORED: Final[Mapping[str, str]] = {dashed: name for name, dashed in _DASHED.items()}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What state remembers of one object."""

    inputs: Object
    live: Object
    field_manager: str


def from_properties(properties: Object) -> Object:
    """Return the Kubernetes object that resource inputs describe: no secrets, no nulls."""
    return _renamed(without_nulls(plain_object(properties)), _DASHED)


def identity(target: Object) -> str:
    """Return the resource id: "namespace/name", or the name alone."""
    namespace = text_at(target, "metadata", "namespace")
    name = text_at(target, "metadata", "name")
    return f"{namespace}/{name}" if namespace else name


def describe(target: Object) -> str:
    """Return how messages name the object: "Deployment kube-system/agent"."""
    return f"{text_at(target, 'kind')} {identity(target)}"


def split_identity(resource_id: str) -> tuple[str, str]:
    """Return (namespace, name) of a resource id."""
    namespace, _, name = resource_id.rpartition("/")
    return namespace, name


def stub(*, api_version: str, kind: str, namespace: str, name: str) -> Object:
    """Return an object that has only its identity."""
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def normalized(target: Object) -> Object:
    """Return the object in the form in which the API server will give it back.

    For built-in kinds: a Secret's ``stringData`` becomes ``data``, quantities become canonical.
    For all: metadata that only the server writes is dropped. An object with unknown values keeps
    its form, as it does in the official plugin.
    """
    result = dict(target)
    if is_built_in(text_at(target, "apiVersion")) and not contains_unknown(target):
        kind = text_at(target, "kind")
        if kind == "Secret":
            result = _normalized_secret(result)
        elif kind == "CustomResourceDefinition":
            result.pop("status", None)
        else:
            result = _with_canonical_quantities(result)
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        kept: Object = {k: v for k, v in metadata.items() if k not in _READ_ONLY_METADATA}
        result["metadata"] = kept
    return result


def _normalized_secret(target: Object) -> Object:
    result = dict(target)
    data = dict(object_at(target, "data"))
    for key, value in data.items():
        if isinstance(value, str):
            try:
                data[key] = base64.b64encode(base64.b64decode(value, validate=False)).decode()
            except (binascii.Error, ValueError):
                continue  # the API server reports what is wrong with it
    # stringData wins over data, as in the API server's own conversion.
    for key, value in object_at(target, "stringData").items():
        if isinstance(value, str):
            data[key] = base64.b64encode(value.encode()).decode()
    result.pop("stringData", None)
    if data or "data" in target:
        result["data"] = dict(data)
    return result


def _with_canonical_quantities(target: Object) -> Object:
    def walk(value: Value, *, amounts: bool) -> Value:
        if isinstance(value, dict):
            return {
                key: walk(item, amounts=amounts or key in ("limits", "requests", "hard"))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [walk(item, amounts=False) for item in value]
        if amounts and isinstance(value, str | int | float) and not isinstance(value, bool):
            return canonical_quantity(value)
        return value

    walked = walk(target, amounts=False)
    return walked if isinstance(walked, dict) else target


_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")


def canonical_quantity(value: str | float) -> Value:
    """Return a resource quantity as the API server writes it: 0.5 is "500m", 1024Mi is "1Gi".

    Source: resource.Quantity's canonical form (apimachinery/pkg/api/resource/quantity.go): no
    fraction, the largest suffix of the same family. What is not a quantity comes back unchanged.
    """
    text = str(value)
    for power, suffix in enumerate(_BINARY[1:], start=1):
        if text.endswith(suffix):
            return _scaled(text.removesuffix(suffix), 1024, power, _BINARY, 0) or value
    for index, suffix in enumerate(_DECIMAL):
        if suffix and text.endswith(suffix):
            return _scaled(text.removesuffix(suffix), 1000, index - 3, _DECIMAL, 3) or value
    return _scaled(text, 1000, 0, _DECIMAL, 3) or value


def _scaled(digits: str, base: int, power: int, suffixes: tuple[str, ...], zero: int) -> str | None:
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    if number == 0:
        return "0"
    while number != number.to_integral_value() and power + zero > 0:
        number, power = number * base, power - 1
    while number % base == 0 and power + zero < len(suffixes) - 1:
        number, power = number / base, power + 1
    if number != number.to_integral_value():
        return None
    return f"{int(number)}{suffixes[power + zero]}"


def pruned(live: Value, shape: Value) -> Value:
    """Return the live value reduced to the keys that the shape has.

    This separates drift in fields that the program names from everything that defaults and
    controllers add. List items are matched by position. The rule is the official plugin's
    (pruneMap and pruneSlice in util.go).
    """
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(item, shape[key]) for key, item in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        if not live or not shape:
            return []
        if type(live[0]) is not type(shape[0]):
            return list(live)
        return [pruned(item, part) for item, part in zip(live, shape, strict=False)]
    return live


def pruned_object(live: Object, shape: Object) -> Object:
    """Return ``pruned`` for two objects."""
    return {key: pruned(item, shape[key]) for key, item in live.items() if key in shape}


def importable(live: Object) -> Object:
    """Return inputs that would have created the live object: without status and server metadata."""
    inputs: Object = {key: value for key, value in live.items() if key != "status"}
    metadata = object_at(live, "metadata")
    kept: Object = {k: v for k, v in metadata.items() if k not in _READ_ONLY_METADATA}
    annotations = {
        key: value
        for key, value in object_at(metadata, "annotations").items()
        if key
        not in (
            "deployment.kubernetes.io/revision",
            "kubectl.kubernetes.io/last-applied-configuration",
        )
    }
    kept.pop("annotations", None)
    if annotations:
        kept["annotations"] = dict(annotations)
    inputs["metadata"] = kept
    return inputs


def to_state(*, inputs: Object, live: Object, properties: Object, field_manager: str) -> Object:
    """Return what state keeps: the live object, marked secret where the inputs are.

    ``properties`` are the inputs as the engine sent them, with their secret marks.
    """
    shown = _renamed(live, _UNDERSCORED)
    metadata: Object = {
        key: value for key, value in object_at(shown, "metadata").items() if key != "managedFields"
    }
    shown["metadata"] = metadata
    outputs = with_secrets_of(shown, properties)
    outputs[INPUTS_KEY] = with_secrets_of(_renamed(inputs, _UNDERSCORED), properties)
    outputs[API_VERSION_KEY] = text_at(inputs, "apiVersion")
    outputs[FIELD_MANAGER_KEY] = field_manager
    return outputs


def inputs_property(inputs: Object, properties: Object) -> Object:
    """Return checked or read inputs in the engine's form, secret where the given ones are."""
    return with_secrets_of(_renamed(inputs, _UNDERSCORED), properties)


def from_state(state: Object, inputs: Object) -> Checkpoint:
    """Return the checkpoint in the state; ``inputs`` are those that the engine sent with it.

    The engine's own record of the inputs takes precedence over ``__inputs``, which exists for the
    official plugin.
    """
    bare = plain_object(state)
    remembered = bare.pop(INPUTS_KEY, None)
    bare.pop(API_VERSION_KEY, None)
    manager = bare.pop(FIELD_MANAGER_KEY, None)
    sent = plain_object(inputs)
    chosen = sent or (remembered if isinstance(remembered, dict) else {})
    return Checkpoint(
        inputs=normalized(from_properties(chosen)),
        live=_renamed(bare, _DASHED),
        field_manager=manager if isinstance(manager, str) else "",
    )


def hidden_in_preview(answer: Object, inputs: Object) -> Object:
    """Return a dry run's answer to a creation without the values that the server invented.

    A dry run answers with a uid and a clusterIP that the real object will not have. They are
    unknown until it exists; so is everything in the status.
    """
    shown = dict(answer)
    metadata = dict(object_at(answer, "metadata"))
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        metadata[key] = UNKNOWN
    shown["metadata"] = metadata
    shown["status"] = UNKNOWN
    if text_at(answer, "kind") == "Service" and isinstance(answer.get("spec"), dict):
        spec = dict(object_at(answer, "spec"))
        for key in ("clusterIP", "clusterIPs"):
            if key in spec and at(inputs, "spec", key) is None:
                spec[key] = UNKNOWN
        ports: list[Value] = []
        requested = objects_at(inputs, "spec", "ports")
        for index, port in enumerate(objects_at(spec, "ports")):
            is_requested = index < len(requested) and "nodePort" in requested[index]
            ports.append(
                {**port, "nodePort": UNKNOWN} if "nodePort" in port and not is_requested else port
            )
        if ports:
            spec["ports"] = ports
        shown["spec"] = spec
    return shown


def _renamed(value: Value, names: Mapping[str, str]) -> Object:
    def walk(item: Value) -> Value:
        if isinstance(item, dict):
            return {names.get(key, key): walk(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [walk(inner) for inner in item]
        if isinstance(item, Secret):
            return walk(plain(item))
        return item

    walked = walk(value)
    return walked if isinstance(walked, dict) else {}
