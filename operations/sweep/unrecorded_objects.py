"""Kubernetes objects that a run created, and whose answer was an error.

The API server may commit a creation and answer with an error all the same: etcd's answer came too
late, or a proxy between them ended the connection. The run then goes on, so no operation is
pending, and every later `up` stops at "already exists". Only a preview shows that the program would
create the object. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from operations.json_texts import texts_in
from operations.sweep.interrupted import RELEASE, Creation, Object

_KUBERNETES: Final = "kubernetes:"
_PROVIDER: Final = "pulumi:providers:kubernetes"
_MASKED: Final = "[secret]"
_IDENTITY: Final = frozenset({"apiVersion", "kind", "metadata", "status"})


def has_provider(deployment: Object) -> bool:
    """Whether the stack has worked in a cluster."""
    return any(item.get("type") == _PROVIDER for item in deployment.get("resources") or ())


def unrecorded_creations(
    planned: Sequence[Object], deployment: Object
) -> tuple[tuple[Creation, str | None], ...]:
    """Return the objects that the next run would create, each with a reason against taking it.

    The reason is None where the state can take the object. Releases are left out: Helm has its own
    records. So are patches, which are applied.
    """
    urns = {str(item["urn"]) for item in deployment.get("resources") or ()}
    creations: list[tuple[Creation, str | None]] = []
    for resource in planned:
        type_ = str(resource.get("type", ""))
        if not type_.startswith(_KUBERNETES) or type_ == RELEASE or type_.endswith("Patch"):
            continue
        creation = Creation(resource=resource)
        missing = sorted(set(_references(resource)) - urns)
        reason = None
        if _MASKED in texts_in(resource.get("inputs")):
            reason = "it has a secret, which a preview does not show"
        elif missing:
            reason = f"the state does not have {missing[0].rpartition('::')[2]} yet"
        else:
            urns.add(str(resource["urn"]))
        if creation.name:
            creations.append((creation, reason))
    return tuple(creations)


def difference(creation: Creation, live: Object) -> str | None:
    """The first field by which the live object is not what the program asks for; None without one.

    Fields that the program leaves out are the API server's or a controller's.
    """
    for key, value in creation.inputs.items():
        if key not in _IDENTITY and not _contains(live.get(key), value):
            return f"its {key} is not what this stack writes"
    return None


def _contains(live: object, asked: object) -> bool:
    if isinstance(asked, Mapping):
        return isinstance(live, Mapping) and all(
            _contains(live.get(key), value) for key, value in asked.items()
        )
    if isinstance(asked, list):
        return (
            isinstance(live, list) and len(live) == len(asked) and all(map(_contains, live, asked))
        )
    return live == asked


def _references(resource: Mapping[str, Any]) -> Iterator[str]:
    if resource.get("parent"):
        yield str(resource["parent"])
    if resource.get("provider"):
        # URN and id.
        yield str(resource["provider"]).rpartition("::")[0]
    yield from map(str, resource.get("dependencies") or ())
