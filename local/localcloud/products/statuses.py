"""Checks of an entity's status. Most actions refuse an entity that is changing its status."""

from __future__ import annotations

from typing import Protocol

from localcloud.requests.actions import Call
from localcloud.state.lifecycle import Lifecycle
from localcloud.wire.errors import ApiError


class Living(Protocol):
    """An entity with a lifecycle."""

    @property
    def id(self) -> str:
        """The id of the entity."""
        ...

    @property
    def life(self) -> Lifecycle:
        """The statuses that the entity goes through."""
        ...


def require(call: Call, entity: Living, *allowed: str, code: str, status: int = 400) -> None:
    """Raise unless the entity's status is one of `allowed`.

    Args:
        call: The request being answered.
        entity: What the request acts on.
        allowed: The statuses in which the action is possible.
        code: The error code of the action for any other status.
        status: The HTTP status of that code.

    Raises:
        ApiError: the entity has another status.
    """
    current = entity.life.at(call.now)
    if current not in allowed:
        raise ApiError(
            code, f"{entity.id} is {current}; it must be {' or '.join(allowed)}.", status
        )
