"""Edits of small clusters, and what their transition comes to, for tests."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from planning.transitions.answers import Kind
from planning.transitions.edits import check_edit
from planning.transitions.holders import Cluster, NotAsked
from planning.transitions.reading import Record, read_record
from planning.transitions.record import record
from planning.transitions.steps import (
    Accepted,
    AddMember,
    AddNode,
    ChangeInPlace,
    ChangeNewMachines,
    ChangeRunningNode,
    Create,
    Delete,
    GrowInterface,
    GrowPool,
    KeepMachine,
    Refused,
    Remake,
    RemoveMember,
    RemoveNode,
    ReplaceControlPlane,
    ReplaceWorker,
    RestartNode,
    ShrinkInterface,
    ShrinkPool,
    Step,
    Transition,
    UpgradeKubernetes,
    UpgradeSpiderpool,
)
from tests.clusters import Document, small
from tests.planning.documents import planned

Edit = Callable[[Document], None]

UNASKED: Final = NotAsked(reason="a test does not ask")

BY_WEIGHT: Final = (
    Kind.NOTHING,
    Kind.IN_PLACE,
    Kind.REMADE,
    Kind.NEW_ONLY,
    Kind.RUNNING,
    Kind.ADDRESSES,
    Kind.CREATED,
    Kind.NEW_ADDRESS,
    Kind.RESTART,
    Kind.NODES,
    Kind.ROLLS,
    Kind.VERSION,
    Kind.REFUSED,
)
"""Of several kinds of steps the last one here is what the edit is known by."""


def edited(document: Document, *edits: Edit) -> Document:
    """A copy of the document with these edits."""
    changed = copy.deepcopy(document)
    for edit in edits:
        edit(changed)
    return changed


def at(path: str, value: object) -> Edit:
    """Write a value at a path; None takes it out."""

    def edit(document: Document) -> None:
        *above, last = path.split("/")
        holder: Any = document
        for step in above:
            holder = holder.setdefault(step, {})
        if value is None:
            holder.pop(last, None)
        else:
            holder[last] = copy.deepcopy(value)

    return edit


def recorded(document: Document) -> Record:
    """The record of a document's plan, written and read as the state does it."""
    # One test after another edits the same documents.
    return _recorded(json.dumps(document))


@lru_cache(maxsize=256)
def _recorded(text: str) -> Record:
    read = read_record(json.loads(json.dumps(record(planned(json.loads(text))))))
    assert isinstance(read, Record)
    return read


def transition(before: Document, after: Document, cluster: Cluster = UNASKED) -> Transition:
    """The transition of an edit."""
    return check_edit(recorded(before), recorded(after), cluster)


def kind_of(outcome: Transition) -> Kind:
    """The weightiest kind of a transition's steps."""
    if isinstance(outcome, Refused):
        return Kind.REFUSED
    kinds = {kind_of_step(step) for step in outcome.steps} | {Kind.NOTHING}
    return max(kinds, key=BY_WEIGHT.index)


def kind_of_step(step: Step) -> Kind:  # noqa: C901, PLR0911 - one case a step
    """What a single step is, in the words of the table."""
    match step:
        case ChangeInPlace() | KeepMachine():
            return Kind.IN_PLACE
        case Create() | Delete():
            return Kind.CREATED
        case Remake(loses=loses):
            return Kind.NEW_ADDRESS if loses else Kind.REMADE
        case ChangeNewMachines():
            return Kind.NEW_ONLY
        case ChangeRunningNode():
            return Kind.RUNNING
        case RestartNode():
            return Kind.RESTART
        case ReplaceWorker() | ReplaceControlPlane():
            return Kind.ROLLS
        case AddNode() | RemoveNode() | AddMember() | RemoveMember():
            return Kind.NODES
        case ShrinkPool() | ShrinkInterface() | GrowInterface() | GrowPool():
            return Kind.ADDRESSES
        case UpgradeKubernetes() | UpgradeSpiderpool():
            return Kind.VERSION


def steps(outcome: Transition) -> tuple[Step, ...]:
    """The steps of an accepted edit."""
    assert isinstance(outcome, Accepted), [str(each) for each in outcome.refusals]
    return outcome.steps


def refused(outcome: Transition) -> tuple[str, ...]:
    """The paths of a refused edit's reasons."""
    assert isinstance(outcome, Refused), outcome
    return tuple(refusal.path for refusal in outcome.refusals)


def clustered(planes: int = 3, workers: int = 3) -> Document:
    """As `small`, with more nodes and room between the pools."""
    return small(
        {
            "nodePools": {
                "masters": {"count": planes},
                "workers": {"count": workers, "firstBlock": 33},
            }
        }
    )
