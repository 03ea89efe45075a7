"""The log of calls: keeps the most recent ones in memory and masks secrets."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KEPT: Final = 20_000
_SECRET: Final = re.compile(r"password|secret|userdata|securitytoken|privatekey", re.IGNORECASE)
_LONGEST: Final = 512
_SHARE: Final = 16 * 1024
_MOST_UNKNOWN: Final = 50


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One call as GET /calls shows it."""

    n: int
    time: float
    product: str
    action: str
    parameters: Mapping[str, str]
    status: int
    code: str
    seconds: float
    unknown: tuple[str, ...] = ()
    principal: str = ""


def masked(parameters: Mapping[str, str]) -> dict[str, str]:
    """Replace secrets, cut long values and limit the size of a call's parameters.

    A sender without rights must not be able to fill the memory.
    """
    kept: dict[str, str] = {}
    room = _SHARE
    for name, value in parameters.items():
        shown = "***" if value and _SECRET.search(name) else value[:_LONGEST]
        room -= len(name) + len(shown)
        if room < 0:
            kept["…"] = f"{len(parameters) - len(kept)} more"
            break
        kept[name] = shown
    return kept


class CallLog:
    """A ring of calls, numbered from 1."""

    def __init__(self) -> None:
        self._calls: deque[Logged] = deque(maxlen=KEPT)
        self._next = 1

    def add(  # noqa: PLR0913  # one parameter for each field
        self,
        *,
        time: float,
        product: str,
        action: str,
        parameters: Mapping[str, str],
        status: int,
        code: str,
        seconds: float,
        unknown: tuple[str, ...] = (),
        principal: str = "",
    ) -> Logged:
        """Note a call."""
        logged = Logged(
            n=self._next,
            time=time,
            product=product,
            action=action[:_LONGEST],
            parameters=masked(parameters),
            status=status,
            code=code,
            seconds=round(seconds, 6),
            unknown=tuple(name[:_LONGEST] for name in unknown[:_MOST_UNKNOWN]),
            principal=principal,
        )
        self._next += 1
        self._calls.append(logged)
        return logged

    def after(self, number: int) -> list[Logged]:
        """The calls with a larger number."""
        return [call for call in self._calls if call.n > number]
