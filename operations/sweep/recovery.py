"""`recover`: prepares a stack for the next `up` after a run that was killed or lost an answer.

What such a run has created and the state does not have is removed, never adopted: nothing depends
on it yet, and the next `up` creates it again (docs/decisions/recover-by-removal.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from operations.failure import ExitCode, OperationError
from operations.sweep.cloud import Api
from operations.sweep.command import Ask, Say, Swept, SweptStack, clean
from operations.sweep.leftovers import OwnedNames, leftovers
from operations.sweep.state import StackState

_QUIET = 10.0
"""Seconds without anything new in the cloud, after which a killed run's plugins are done: they
finish their requests although the engine is gone."""
_LONGEST = 300.0
_LOOK = 2.5


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What a recovery did."""

    pending: Sequence[str]
    """Operations that were interrupted, as `creating <type> <name>`."""
    unlocked: bool
    swept: Swept

    def as_document(self, stack: str) -> dict[str, object]:
        """For machines."""
        return {
            **self.swept.as_document(stack),
            "pending": list(self.pending),
            "unlocked": self.unlocked,
        }

    @property
    def did_nothing(self) -> bool:
        """Whether the stack was in order."""
        return not (self.pending or self.unlocked or self.swept.leftovers)


def recover_stack(swept: SweptStack, *, ask: Ask, say: Say) -> Recovered:
    """Release a dead run's lock, remove its leftovers, and drop its pending operations.

    A second call continues an interrupted one; on a healthy stack it does nothing.

    Raises:
        OperationError: Another run is at work, Pulumi does not know the stack, or something could
            not be removed; the pending operations are then still in the state.
    """
    state = swept.deployment_state()
    unlocked = swept.stack.lock() is not None
    if unlocked:
        swept.stack.unlock()
        say("the lock of a run that has ended")
    api = swept.api()
    if state.pending:
        wait_until_quiet(api, swept.owned, state)
    cleaned = clean(api, swept.owned, state, ask=ask, say=say)
    if not cleaned.is_clean:
        raise OperationError(
            f"Nothing was changed: {len(cleaned.leftovers)} resources of "
            f"stack {swept.name} are in the cloud and not in its state, and the next `pulumi up` "
            "may fail on them. Run this again and agree, or add --yes.",
            code=ExitCode.LEFTOVERS,
        )
    swept.stack.forget_pending()
    return Recovered(pending=state.pending, unlocked=unlocked, swept=cleaned)


def wait_until_quiet(
    api: Api,
    owned: OwnedNames,
    state: StackState,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no new leftover has appeared for `_QUIET` seconds, at most `_LONGEST` seconds."""
    began = since = clock()
    before: set[tuple[str, str]] | None = None
    while clock() - since < _QUIET and clock() - began < _LONGEST:
        now = {(item.kind, item.id) for item in leftovers(api, owned, state)}
        if now != before:
            before, since = now, clock()
        pause(_LOOK)
