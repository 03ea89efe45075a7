"""Lookups of the entity that a request names, for every product and kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from localcloud.requests.actions import Call
from localcloud.wire.errors import ApiError

T = TypeVar("T", bound=Any)
_LONGEST_SHOWN: Final = 80


@dataclass(frozen=True)
class Lookup(Generic[T]):
    """Finds entities of one kind by id, and refuses an unknown id as the product's API does.

    `ended` is the last status of kinds that are kept for some time after their deletion. `hidden`
    is true for an entity that the service does not see yet.
    """

    kind: type[T]
    what: str
    code: str
    status: int = 404
    ended: str | None = None
    hidden: Callable[[Call, T], bool] | None = None

    def __call__(
        self, call: Call, key: str | None, *, code: str = "", status: int | None = None
    ) -> T:
        """The entity.

        Args:
            call: The request being answered.
            key: The id that the request names.
            code: The error code, for an action that has its own.
            status: The HTTP status of that code, where it differs.

        Raises:
            ApiError: there is no such entity.
        """
        entity = call.store.find(self.kind, key)
        if (
            entity is None
            or (self.ended and entity.life.at(call.now) == self.ended)
            or (self.hidden is not None and self.hidden(call, entity))
        ):
            raise ApiError(
                code or self.code,
                # The cloud controller searches the message for "LoadBalancerId does not exist".
                f"The specified {self.what} does not exist: {str(key or '')[:_LONGEST_SHOWN]!r}.",
                self.status if status is None else status,
            )
        return entity
