"""`recover`: a stack whose last run was killed, or lost an answer, made ready for the next `up`.

What such a run has made and the state never heard of is removed, never taken over: nothing stands
on it yet, and the next `up` makes it again (docs/decisions/recover-by-removal.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from operations.failure import ExitCode, OperationError
from operations.sweep.cloud import Api
from operations.sweep.command import Ask, Say, Swept, SweptStack, clean
from operations.sweep.leftovers import Ours, leftovers
from operations.sweep.state import StackState

_QUIET = 10.0
"""Seconds without anything new in the cloud, after which a killed run's plugins are done: they
finish what they were asked for, although nobody waits for the answer."""
_LONGEST = 300.0
_LOOK = 2.5


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What a recovery found and did."""

    pending: Sequence[str]
    """Operations that were cut off, as `creating <type> <name>`."""
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
        return not (self.pending or self.unlocked or self.swept.found)


def recover_stack(swept: SweptStack, *, ask: Ask, say: Say) -> Recovered:
    """Release a dead run's lock, remove what it left, forget what it began.

    Running it again goes on where it was cut off; on a stack in order it does nothing.

    Raises:
        OperationError: Another run is at work, Pulumi does not know the stack, or something could
            not be removed; the operations that were cut off are then still in the state.
    """
    state = swept.deployment_state()
    unlocked = swept.stack.lock() is not None
    if unlocked:
        swept.stack.unlock()
        say("the lock of a run that is no more")
    api = swept.api()
    if state.pending:
        settle(api, swept.ours, state)
    done = clean(api, swept.ours, state, ask=ask, say=say)
    if not done.is_clean:
        raise OperationError(
            f"Nothing was removed, and nothing forgotten: {len(done.found)} things of stack "
            f"{swept.name} are in the cloud and not in its state, and the next `pulumi up` may "
            "fail on them. Run this again and agree, or with --yes.",
            code=ExitCode.LEFTOVERS,
        )
    swept.stack.forget_pending()
    return Recovered(pending=state.pending, unlocked=unlocked, swept=done)


def settle(
    api: Api,
    ours: Ours,
    state: StackState,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until nothing new appears any more."""
    began = since = clock()
    before: set[tuple[str, str]] | None = None
    while clock() - since < _QUIET and clock() - began < _LONGEST:
        now = {(item.kind, item.id) for item in leftovers(api, ours, state)}
        if now != before:
            before, since = now, clock()
        pause(_LOOK)
