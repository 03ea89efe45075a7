"""What most entities of ECS and VPC have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

from localcloud import hostility
from localcloud.settings import Cloud
from localcloud.tags import Tags

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]
"""For each index of a kind, the keys under which it lists an entity."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """An id, what its owner calls it, when it was created (seconds since the epoch), its tags.

    `former_tags` are the tags before TagResources or UntagResources changed them, at `tagged`.
    """

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    id: str
    name: str
    description: str
    created: float
    tags: Tags = ()
    former_tags: Tags = ()
    tagged: float = 0.0

    def retagged(self, tags: Tags, now: float) -> Self:
        """The same with other tags."""
        return dataclasses.replace(self, tags=tags, former_tags=self.tags, tagged=now)

    def as_listed(self, cloud: Cloud, now: float) -> Self:
        """The same with the tags that a list shows now: in hostile mode a change is seen late."""
        if hostility.shows_tags(cloud, self.tagged, now, type(self).__name__, self.name):
            return self
        return dataclasses.replace(self, tags=self.former_tags)
