"""What a stack's state knows: the one thing that a sweep must never touch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MACHINE = "alicloud:ecs/instance:Instance"
_VPC = "alicloud:vpc/network:Network"


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The contents of a deployment as `pulumi stack export` prints it.

    A pending operation counts as known, unless it is a create: that one may have its id already,
    recorded when the engine was killed, and is forgotten nevertheless.
    """

    words: frozenset[str]
    """Every id, and every word of an input: generous, because what is known is not touched."""
    ids: frozenset[tuple[str, str]]
    """Type token and id, for what the cloud knows by a name that others may have too."""
    pending: tuple[str, ...]
    """Operations that a run began and whose end nobody saw, as `creating <type> <name>`."""

    @classmethod
    def of(cls, deployment: Mapping[str, object] | None) -> StackState:
        """Read a deployment; None is a stack without one."""
        found = deployment or {}
        pending = _items(found.get("pending_operations"))
        resources = [
            *_items(found.get("resources")),
            *(
                resource
                for item in pending
                if item.get("type") != "creating"
                and isinstance(resource := item.get("resource"), Mapping)
            ),
        ]
        words: set[str] = set()
        ids: set[tuple[str, str]] = set()
        for resource in resources:
            id_ = str(resource.get("id") or "")
            if id_:
                ids.add((str(resource.get("type", "")), id_))
            for text in _texts((id_, resource.get("inputs"))):
                words.update(_WORD.findall(text))
        return cls(
            words=frozenset(words),
            ids=frozenset(ids),
            pending=tuple(_operation(item) for item in pending),
        )

    def has(self, type_: str, id_: str) -> bool:
        """Say whether a resource of that type token has that id."""
        return (type_, id_) in self.ids

    def of_type(self, type_: str) -> frozenset[str]:
        """Return the ids of a type token."""
        return frozenset(id_ for known, id_ in self.ids if known == type_)

    @property
    def has_machines(self) -> bool:
        """Whether a machine of the cluster is left; then its cloud controller may still work."""
        return bool(self.of_type(_MACHINE))

    @property
    def vpcs(self) -> frozenset[str]:
        """Ids of the VPCs that the stack made."""
        return self.of_type(_VPC)


def _items(value: object) -> Sequence[Mapping[str, object]]:
    found = value if isinstance(value, list) else []
    return [item for item in found if isinstance(item, Mapping)]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _operation(item: Mapping[str, object]) -> str:
    resource = item.get("resource")
    urn = str(resource.get("urn", "")) if isinstance(resource, Mapping) else ""
    *_, chain, name = ["", "", *urn.split("::")]
    return f"{item.get('type', 'changing')} {chain.rpartition('$')[2]} {name}"
