"""`sweep`: what a stack left in the cloud and no state knows, shown and removed after asking."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from operations.engine.environment import run_environment, users_environment
from operations.engine.places import Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import ExitCode, OperationError
from operations.sweep.cloud import Account, Api, CloudError, OfficialApi
from operations.sweep.leftovers import Leftover, Ours, leftovers
from operations.sweep.removal import remove
from operations.sweep.state import StackState

Ask = Callable[[Sequence[Leftover]], bool]
"""Shown what would be deleted; says whether it may be."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep found and did."""

    found: Sequence[Leftover]
    removed: Sequence[Leftover]

    def as_document(self, stack: str) -> dict[str, object]:
        """For machines."""
        gone = set(self.removed)
        return {
            "stack": stack,
            "leftovers": [{**item.as_document(), "removed": item in gone} for item in self.found],
        }

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return len(self.removed) == len(self.found)


@dataclass(frozen=True, kw_only=True)
class SweptStack:
    """A stack, its cloud, and what is the stack's own there."""

    name: str
    stack: PulumiStack
    ours: Ours
    account: Account

    @classmethod
    def of(cls, name: str, places: Places, config_file: Path | None = None) -> SweptStack:
        """Read the stack's file; asks neither Pulumi nor the cloud."""
        plan = Stack.read(config_file or path_of_stack(name)).plan()
        local = plan.cloud_endpoint is not None
        environment = (run_environment if local else users_environment)(places, os.environ)
        if local and not places.ca.exists():
            raise OperationError(
                f"There is no local cloud in {places.home}: nothing can be left in it.",
                code=ExitCode.REFUSED,
            )
        return cls(
            name=name,
            stack=PulumiStack(
                name=name,
                runner=Runner(env=environment),
                backend=places.backend,
                config_file=config_file,
            ),
            ours=Ours.of(plan),
            account=Account.of(plan.region, endpoint=plan.cloud_endpoint, ca=places.ca),
        )

    def api(self) -> Api:
        """The client for the cloud, with the account that the environment sets."""
        return OfficialApi(self.account)

    def deployment_state(self, *, gone: bool = False) -> StackState:
        """Read the state; `gone` says that the stack was removed, and is meant to be."""
        if self.stack.is_busy():
            raise OperationError(
                f"Another run is at work on stack {self.name}, and what it makes is not in the "
                "state yet; wait for it to end, or interrupt it there, and run this again. A run "
                f"that is dead is told off by `pulumi cancel --stack {self.name}`.",
                code=ExitCode.BUSY,
            )
        deployment = self.stack.deployment()
        if deployment is None and not gone:
            raise OperationError(
                f"Pulumi knows no stack {self.name} in this backend. Log in to the right one "
                "(`pulumi whoami -v` shows which it is): without its state, the whole cluster "
                "would be taken for leftovers. If the stack was removed for good, say so with "
                "--stack-removed.",
                code=ExitCode.REFUSED,
            )
        return StackState.of(deployment)


def sweep_stack(swept: SweptStack, *, ask: Ask, say: Say, stack_removed: bool = False) -> Swept:
    """Find what is left and, if asked and answered so, remove it.

    Raises:
        OperationError: The stack is unknown or at work, the cloud refuses to be listed, or
            something could not be removed.
    """
    state = swept.deployment_state(gone=stack_removed)
    return clean(swept.api(), swept.ours, state, ask=ask, say=say)


def clean(api: Api, ours: Ours, state: StackState, *, ask: Ask, say: Say) -> Swept:
    """Find, ask, remove."""
    try:
        found = leftovers(api, ours, state)
        if not found or not ask(found):
            return Swept(found=found, removed=())
        kept = remove(api, found, lambda: leftovers(api, ours, state), say=say)
    except CloudError as error:
        raise OperationError(
            f"The cloud refuses {error}. The account needs the rights of `pulumi destroy`, and to "
            "list what is swept; give it those and run this again."
        ) from error
    if kept:
        lines = "\n".join(f"  {item.kind} {item.id}: {why}" for item, why in kept.items())
        raise OperationError(
            f"{len(found) - len(kept)} removed, {len(kept)} could not be:\n{lines}\n"
            "Take away what the cloud names, and run this again.",
            code=ExitCode.LEFTOVERS,
        )
    return Swept(found=found, removed=found)


def leftover_table(stack: str, found: Sequence[Leftover]) -> Table:
    """Show leftovers in the order of their deletion."""
    table = Table(
        title=f"In the cloud and not in the state of {stack}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("kind", "id", "name", "known by"):
        table.add_column(column, overflow="fold")
    for item in found:
        table.add_row(item.kind, item.id, item.name, item.sign)
    return table
