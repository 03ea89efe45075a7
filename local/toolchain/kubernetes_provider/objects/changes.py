"""What differs between a live object and its new inputs, and which differences replace it.

``before`` is the live object pruned to the fields that the program named before; so drift in those
fields is a change, and what defaults and controllers added is not. The rules, the database of
immutable fields and the paths' form follow the official plugin (provider.go, diff.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from toolchain.kubernetes_provider.cluster.discovery import group_of, is_built_in
from toolchain.kubernetes_provider.protocol.wire import UNKNOWN, Object, Value, at, plain, text_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Path: TypeAlias = tuple[str | int, ...]
Kind: TypeAlias = Literal["add", "delete", "update"]

_IDENTITY: Final[tuple[Path, ...]] = (("metadata", "name"), ("metadata", "namespace"))
_WORKLOAD_SELECTOR: Final[tuple[Path, ...]] = (("spec", "selector"),)
_POD_MUTABLE: Final = frozenset(
    {"activeDeadlineSeconds", "tolerations", "topologySpreadConstraints"}
)
_IMMUTABLE: Final[Mapping[tuple[str, str], tuple[Path, ...]]] = {
    ("apps", "DaemonSet"): _WORKLOAD_SELECTOR,
    ("apps", "Deployment"): _WORKLOAD_SELECTOR,
    ("apps", "StatefulSet"): (
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    ("batch", "Job"): (
        ("spec", "completions"),
        ("spec", "parallelism"),
        ("spec", "selector"),
        ("spec", "template"),
    ),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
    ("", "PersistentVolumeClaim"): (
        ("spec", "accessModes"),
        ("spec", "selector"),
        ("spec", "storageClassName"),
        ("spec", "volumeName"),
    ),
    ("", "ResourceQuota"): (("spec", "scopes"),),
    ("", "Secret"): (("type",),),
    ("", "Service"): (("spec", "clusterIP"),),
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One property that differs."""

    path: Path
    kind: Kind
    replaces: bool = False

    @property
    def text(self) -> str:
        """The path as Pulumi writes it: spec.ports[0].name, metadata.labels["a.b/c"]."""
        return path_text(self.path)


def path_text(path: Path) -> str:
    """Return a path in Pulumi's notation."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.search(r'[."\[\]]', part):
            quoted = part.replace('"', '\\"')
            text += f'["{quoted}"]'
        else:
            text += f".{part}" if text else part
    return text


def compare(before: Value, after: Value, *, empty_is_absent: bool = False) -> list[Change]:
    """Return every leaf that differs, in the order of their paths.

    ``empty_is_absent``: for built-in kinds, whose fields the API server leaves out when they are
    false, zero or empty, such a value equals a missing one.
    """
    return list(_compare((), before, after, empty_is_absent=empty_is_absent))


def _compare(path: Path, before: Value, after: Value, *, empty_is_absent: bool) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _compare_member(
                (*path, key),
                (key in before, before.get(key)),
                (key in after, after.get(key)),
                empty_is_absent=empty_is_absent,
            )
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            yield from _compare_member(
                (*path, index),
                (index < len(before), before[index] if index < len(before) else None),
                (index < len(after), after[index] if index < len(after) else None),
                empty_is_absent=empty_is_absent,
            )
    elif after is UNKNOWN or before != after:
        yield Change(path=path, kind="update")


def _compare_member(
    path: Path, old: tuple[bool, Value], new: tuple[bool, Value], *, empty_is_absent: bool
) -> Iterator[Change]:
    (had, before), (has, after) = old, new
    if had and has:
        yield from _compare(path, before, after, empty_is_absent=empty_is_absent)
    elif has and not (empty_is_absent and is_empty(after)):
        yield Change(path=path, kind="add")
    elif had and not has and not (empty_is_absent and is_empty(before)):
        yield Change(path=path, kind="delete")


def is_empty(value: Value) -> bool:
    """Tell whether a field with this value is left out of a built-in kind's JSON."""
    if isinstance(value, dict):
        return all(is_empty(item) for item in value.values())
    return value is None or value is False or value in (0, "", [])


def immutable_fields(
    target: Object, *, secrets_mutable: bool, config_maps_mutable: bool
) -> tuple[Path, ...]:
    """Return the paths whose change replaces the object.

    A Secret's and a ConfigMap's data count as immutable unless the provider's option makes them
    mutable: pods do not notice a change in place, but they do notice a new name.
    """
    group, kind = group_of(text_at(target, "apiVersion")), text_at(target, "kind")
    frozen = target.get("immutable") is True
    fields = _IDENTITY
    if (group, kind) == ("", "Secret") and (frozen or not secrets_mutable):
        return (*fields, ("type",), ("stringData",), ("data",))
    if (group, kind) == ("", "ConfigMap") and (frozen or not config_maps_mutable):
        return (*fields, ("binaryData",), ("data",))
    if (group, kind) == ("", "Pod"):
        return fields
    return (*fields, *_IMMUTABLE.get((group, kind), ()))


def _replaces(change: Change, after: Object, fields: Iterable[Path]) -> bool:
    if change.kind == "delete" and change.path == ("metadata",):
        return True
    for field in fields:
        if change.path[: len(field)] == field:
            return True
        rest = field[len(change.path) :]
        if rest and field[: len(change.path)] == change.path:
            whole = _at_path(after, change.path)
            if at(whole, *(str(part) for part in rest)) is not None:
                return True
    return False


def _at_path(value: Value, path: Path) -> Value:
    for part in path:
        if isinstance(part, int) and isinstance(value, list) and part < len(value):
            value = value[part]
        elif isinstance(part, str) and isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def object_changes(
    before: Object,
    after: Object,
    *,
    immutable: Iterable[Path],
    ignored: Sequence[str] = (),
) -> list[Change]:
    """Return the changes of one Kubernetes object, and mark those that replace it.

    A pod's spec is immutable except for a few fields. ``ignored`` are the paths of ignoreChanges.
    """
    built_in = is_built_in(text_at(after, "apiVersion"))
    is_pod = built_in and text_at(after, "kind") == "Pod"
    fields = tuple(immutable)
    changes: list[Change] = []
    for change in compare(before, after, empty_is_absent=built_in):
        if is_ignored(change.path, ignored):
            continue
        in_pod_spec = is_pod and change.path[:1] == ("spec",)
        mutable = len(change.path) > 1 and change.path[1] in _POD_MUTABLE
        replaces = _replaces(change, after, fields) or (in_pod_spec and not mutable)
        changes.append(Change(path=change.path, kind=change.kind, replaces=replaces))
    return changes


def parse_path(text: str) -> tuple[str, ...]:
    """Return the parts of a path in Pulumi's notation, indexes and ``*`` as texts."""
    parts = re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|([^.\[\]]+)', text)
    return tuple((quoted or index or name).replace('\\"', '"') for quoted, index, name in parts)


def is_ignored(path: Path, ignored: Iterable[str]) -> bool:
    """Tell whether ignoreChanges covers the path."""
    parts = tuple(str(part) for part in path)
    for text in ignored:
        pattern = parse_path(text)
        if len(pattern) <= len(parts) and all(
            expected in ("*", part) for expected, part in zip(pattern, parts, strict=False)
        ):
            return True
    return False


def three_way(*, state: Value, old_inputs: Value, new_inputs: Value) -> list[Change]:
    """Return the changes that an update makes to a Release; keys that others added stay.

    Additions and updates come from comparing state with the new inputs (so drift shows),
    deletions from comparing old inputs with new ones (so what others added stays). The rule is
    that of a three-way merge patch, which the official plugin makes.
    """
    changes = {
        change.path: change
        for change in compare(plain(state), plain(new_inputs))
        if change.kind != "delete"
    }
    for change in compare(plain(old_inputs), plain(new_inputs)):
        if change.kind == "delete":
            changes[change.path] = change
    return [changes[path] for path in sorted(changes, key=lambda path: [str(p) for p in path])]
