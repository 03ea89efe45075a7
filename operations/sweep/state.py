"""The contents of a stack's state, which a sweep never deletes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from config.facts.resource_types import INSTANCE
from operations.engine.pulumi_stack import pending_operation
from operations.json_texts import texts_in

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VPC = "alicloud:vpc/network:Network"


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The contents of a deployment as `pulumi stack export` prints it.

    The resource of a pending operation counts as part of the state, unless the operation creates
    it. A creation may already have an id that was recorded when the engine was killed, but Pulumi
    drops it anyway.
    """

    words: frozenset[str]
    """Every id, and every word of every input: what any resource refers to is never deleted."""
    ids: frozenset[tuple[str, str]]
    """Type token and id, for resources whose id in the cloud is a name that others may have."""
    pending: tuple[str, ...]
    """Operations that a run began and did not finish, as `creating <type> <name>`."""
    creating: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    """The resources of those that are creations; an input may be a secret."""

    @classmethod
    def of(cls, deployment: Mapping[str, object] | None) -> StackState:
        """Read a deployment; None is a stack without one."""
        document = deployment or {}
        pending = _items(document.get("pending_operations"))
        resources = [
            *_items(document.get("resources")),
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
            for text in texts_in((id_, resource.get("inputs"))):
                words.update(_WORD.findall(text))
        return cls(
            words=frozenset(words),
            ids=frozenset(ids),
            pending=tuple(pending_operation(item) for item in pending),
            creating=tuple(
                resource
                for item in pending
                if item.get("type") == "creating"
                and isinstance(resource := item.get("resource"), Mapping)
            ),
        )

    def has(self, type_: str, id_: str) -> bool:
        """Whether a resource of that type token has that id."""
        return (type_, id_) in self.ids

    def of_type(self, type_: str) -> frozenset[str]:
        """Return the ids of a type token."""
        return frozenset(id_ for token, id_ in self.ids if token == type_)

    def unfinished(self, type_: str, key: str) -> frozenset[str]:
        """Return an input of the pending creations of a type token."""
        inputs = (item.get("inputs") for item in self.creating if item.get("type") == type_)
        return frozenset(str(each[key]) for each in inputs if isinstance(each, Mapping))

    @property
    def has_machines(self) -> bool:
        """Whether a machine of the cluster is left; then its cloud controller may still work."""
        return bool(self.of_type(INSTANCE))

    @property
    def vpcs(self) -> frozenset[str]:
        """Ids of the VPCs that the stack created."""
        return self.of_type(_VPC)


def _items(value: object) -> Sequence[Mapping[str, object]]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, Mapping)]
