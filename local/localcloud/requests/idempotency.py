"""ClientToken: a repeated request gets the first answer and does not create a second resource."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from localcloud.state.store import Store
from localcloud.wire.errors import ApiError

LIFETIME_SECONDS: Final = 24 * 3600


def _hour(at: float) -> str:
    return str(int(at // 3600))


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A write that a client named with a token."""

    INDEXES: ClassVar[Mapping[str, Callable[[Any], Iterable[str]]]] = MappingProxyType(
        {"hour": lambda r: (_hour(r.at),)}
    )

    id: str
    digest: str
    answer: str
    at: float


def _digest(parameters: Mapping[str, str]) -> str:
    text = json.dumps(sorted(parameters.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _key(who: str, action: str, token: str) -> str:
    return f"{who}/{action}/{token}"


def recall(  # noqa: PLR0913, PLR0917  # they identify a call
    store: Store, who: str, action: str, token: str, parameters: Mapping[str, str], now: float
) -> dict[str, object] | None:
    """The first answer to this token, if there is one.

    Raises:
        ApiError: the token was used with other parameters.
    """
    first = store.find(Remembered, _key(who, action, token))
    if first is None or now - first.at > LIFETIME_SECONDS:
        return None
    if first.digest != _digest(parameters):
        raise ApiError(
            "IdempotentParameterMismatch",
            "The request uses the same client token as a previous request with other parameters.",
        )
    return cast("dict[str, object]", json.loads(first.answer))


def remember(  # noqa: PLR0913, PLR0917  # one parameter for each part of the record
    store: Store,
    who: str,
    action: str,
    token: str,
    parameters: Mapping[str, str],
    answer: Mapping[str, object],
    now: float,
) -> None:
    """Keep an answer for a day; runs within the transaction of the call itself."""
    # Grouped by hour, so that a call's cost does not grow with the number of kept answers.
    forgotten = int(_hour(now - LIFETIME_SECONDS))
    for hour in store.keys(Remembered, "hour"):
        if int(hour) < forgotten:
            for old in store.where(Remembered, "hour", hour):
                store.remove(old)
    store.put(
        Remembered(
            id=_key(who, action, token),
            digest=_digest(parameters),
            answer=json.dumps(dict(answer)),
            at=now,
        )
    )
