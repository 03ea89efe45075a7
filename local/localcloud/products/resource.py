"""The fields that most entities of ECS and VPC have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

from localcloud.requests import hostility
from localcloud.requests.tags import Tags
from localcloud.settings import Cloud

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]
"""Indexes of a kind. For each one, a function returns the keys under which it lists an entity."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """The id, name, description, time of creation (seconds since the epoch) and tags of an entity.

    `former_tags` are the tags before TagResources or UntagResources changed them at the time
    `tagged`.
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
        """The resource with other tags."""
        return dataclasses.replace(self, tags=tags, former_tags=self.tags, tagged=now)

    def as_listed(self, cloud: Cloud, now: float) -> Self:
        """The resource with the tags that a list shows now.

        In hostile mode, a list shows a change of tags late.
        """
        if hostility.shows_tags(cloud, self.tagged, now, type(self).__name__, self.name):
            return self
        return dataclasses.replace(self, tags=self.former_tags)
