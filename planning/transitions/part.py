"""A part of a transition: the steps and refusals of one module, merged in order with others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, auto

from planning.transitions.steps import Accepted, Refusal, Refused, Step, Transition


class Phase(IntEnum):
    """The place of a step in a run.

    Control planes come before workers. Addresses are released before they are taken. A resource
    that others depend on is created first and deleted last.
    """

    FOUNDATION = auto()
    VERSION = auto()
    PLANES_JOIN = auto()
    PLANES_CHANGE = auto()
    ADDRESSES_LEAVE = auto()
    WORKERS_LEAVE = auto()
    WORKERS_CHANGE = auto()
    ADDRESSES_ARRIVE = auto()
    WORKERS_JOIN = auto()
    ADD_ONS = auto()
    PLANES_LEAVE = auto()
    REMAINS = auto()


@dataclass(frozen=True, kw_only=True)
class Part:
    """Steps with their phase, reasons against, and sentences to read before."""

    steps: tuple[tuple[Phase, Step], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def abridged(refusals: Iterable[Refusal]) -> Iterator[Refusal]:
    """The first refusal of each path and reason, with the number of those that are like it."""
    alike: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in refusals:
        alike.setdefault((refusal.path, refusal.reason), []).append(refusal)
    for first, *others in alike.values():
        more = f" The same holds {len(others)} more time{'' if len(others) == 1 else 's'}."
        yield replace(first, rule=first.rule + more) if others else first


def together(parts: Iterable[Part]) -> Transition:
    """All parts as one transition; a single refusal refuses everything."""
    all_parts = tuple(parts)
    refusals = {refusal for part in all_parts for refusal in part.refusals}
    if refusals:
        return Refused(refusals=tuple(sorted(refusals)))
    phased = [step for part in all_parts for step in part.steps]
    return Accepted(
        steps=tuple(step for _, step in sorted(phased, key=lambda each: each[0])),
        notes=tuple(note for part in all_parts for note in part.notes),
    )
