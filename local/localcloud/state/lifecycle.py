"""Statuses as a function of time: no timers, so nothing is lost when the process dies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Lifecycle:
    """The statuses an entity goes through: (since, status), in order of time."""

    steps: tuple[tuple[float, str], ...]

    @classmethod
    def settled(cls, status: str) -> Self:
        """A status that does not change by itself."""
        return cls(((0.0, status),))

    @classmethod
    def passing(cls, now: float, stages: Iterable[tuple[str, float]], final: str) -> Self:
        """Go through `stages` (status, seconds) from `now` on, then stay `final`."""
        steps = []
        at = now
        for status, seconds in stages:
            if seconds > 0:
                steps.append((at, status))
                at += seconds
        return cls((*steps, (at, final)))

    @property
    def began(self) -> float:
        """When the first status began."""
        return self.steps[0][0]

    def at(self, now: float) -> str:
        """The status at `now`."""
        status = self.steps[0][1]
        for since, name in self.steps:
            if since > now:
                break
            status = name
        return status

    def next_change(self, now: float) -> float | None:
        """When the status changes next by itself, if it does."""
        return next((since for since, _ in self.steps[1:] if since > now), None)
