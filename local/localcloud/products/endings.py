"""Deletions that take a while. The entity stays visible until its deletion has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from localcloud.requests import hostility
from localcloud.requests.actions import Call
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError

T = TypeVar("T", bound=Any)
DELETED: Final = "Deleted"
"""The status of a deleted entity. Answers never show it."""
LEAVING: Final = "leaving"
"""The index that lists the entities whose deletion has begun, under the key `LEAVING`."""


def leaving(entity: Any) -> tuple[str, ...]:  # noqa: ANN401  # an entity with a lifecycle
    """The keys of an entity in the index `LEAVING`."""
    return (LEAVING,) if entity.life.steps[-1][1] == DELETED else ()


def has_begun(call: Call, entity: T, status: str, *, longest: float) -> bool:
    """Begin a deletion that takes a while; False if it ends at once and the caller removes.

    Args:
        call: The request being answered.
        entity: What is deleted.
        status: The status that describes show until it is gone.
        longest: The longest time that the deletion takes in hostile mode, in seconds of the real
            cloud. A friendly cloud deletes at once.
    """
    kind = type(entity).__name__
    seconds = hostility.deletion_seconds(call.cloud, longest, kind, entity.name)
    life = call.passing((status, seconds), to=DELETED)
    if life.at(call.now) == DELETED:
        return False
    call.store.change(entity, life=life)
    return True


def ended(call: Call, kind: type[T]) -> list[T]:
    """The entities of a kind whose deletion has ended."""
    return [e for e in call.store.where(kind, LEAVING, LEAVING) if e.life.at(call.now) == DELETED]


def settle(call: Call, kind: type[T], check_empty: Callable[[Call, T], None]) -> None:
    """Remove the entities whose deletion has ended. An entity that is no longer empty stays.

    `check_empty` raises `ApiError` if others still need the entity.
    """
    for entity in ended(call, kind):
        try:
            check_empty(call, entity)
        except ApiError:
            call.store.change(entity, life=Lifecycle.settled("Available"))
        else:
            call.store.remove(entity)
