"""What most entities of ECS and VPC have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.tags import Tags

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]
"""For each index of a kind, the keys under which it lists an entity."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """An id, what its owner calls it, when it was created (seconds since the epoch), its tags."""

    id: str
    name: str
    description: str
    created: float
    tags: Tags = ()
