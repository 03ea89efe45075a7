"""`sweep`: lists what a stack left in the cloud outside its state; removes it after asking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from operations.engine.cluster_access import environment_of
from operations.engine.places import Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.failure import ExitCode, OperationError
from operations.sweep.cloud import Account, Api, CloudError, OfficialApi
from operations.sweep.leftovers import Leftover, leftovers
from operations.sweep.owned_names import OwnedNames
from operations.sweep.removal import remove
from operations.sweep.state import StackState

Ask = Callable[[Sequence[Leftover]], bool]
"""Shows what would be deleted, and returns whether it may be."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The leftovers of a sweep, and those that it removed."""

    leftovers: Sequence[Leftover]
    removed: Sequence[Leftover]

    def as_document(self, stack: str) -> dict[str, object]:
        """Return the leftovers as JSON-ready data."""
        gone = set(self.removed)
        return {
            "stack": stack,
            "leftovers": [
                {**item.as_document(), "removed": item in gone} for item in self.leftovers
            ],
        }

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return len(self.removed) == len(self.leftovers)


@dataclass(frozen=True, kw_only=True)
class SweptStack:
    """A stack, its account, and the names by which its resources are recognised."""

    name: str
    stack: PulumiStack
    owned: OwnedNames
    account: Account
    places: Places

    @classmethod
    def of(cls, name: str, places: Places, config_file: Path | None = None) -> SweptStack:
        """Read the stack's file, without a request to Pulumi or the cloud."""
        plan = Stack.read(config_file or path_of_stack(name)).plan()
        local = plan.cloud_endpoint is not None
        if local and not places.ca.exists():
            raise OperationError(
                f"There is no local cloud in {places.home}: nothing can be left in it.",
                code=ExitCode.REFUSED,
            )
        return cls(
            name=name,
            stack=PulumiStack(
                name=name,
                runner=Runner(env=environment_of(places, local=local)),
                backend=places.backend,
                config_file=config_file,
            ),
            owned=OwnedNames.of(plan),
            account=Account.of(plan.region, endpoint=plan.cloud_endpoint, ca=places.ca),
            places=places,
        )

    def api(self) -> Api:
        """The client for the cloud, with the account that the environment sets."""
        return OfficialApi(self.account)

    def deployment_state(self, *, gone: bool = False) -> StackState:
        """Read the state; `gone` allows a stack that was removed for good."""
        if self.stack.is_busy():
            raise OperationError(
                f"Another run is at work on stack {self.name}, and what it creates is not in the "
                "state yet. Wait for it to end, or interrupt it there, and run this again. If that "
                f"run is dead, `pulumi cancel --stack {self.name}` releases its lock.",
                code=ExitCode.BUSY,
            )
        deployment = self.stack.deployment()
        if deployment is None and not gone:
            raise OperationError(
                f"Pulumi knows no stack {self.name} in this backend. Log in to the right one "
                "(`pulumi whoami -v` shows the current one): without the state, the whole cluster "
                "would count as leftovers. If the stack was removed for good, add "
                "--stack-removed.",
                code=ExitCode.REFUSED,
            )
        return StackState.of(deployment)


def sweep_stack(swept: SweptStack, *, ask: Ask, say: Say, stack_removed: bool = False) -> Swept:
    """List the leftovers, and remove them if `ask` agrees.

    Raises:
        OperationError: The stack is unknown or busy, the cloud refuses a list, or something
            could not be removed.
    """
    state = swept.deployment_state(gone=stack_removed)
    return clean(swept.api(), swept.owned, state, ask=ask, say=say)


def clean(api: Api, owned: OwnedNames, state: StackState, *, ask: Ask, say: Say) -> Swept:
    """List, ask, remove."""
    try:
        items = leftovers(api, owned, state)
        if not items or not ask(items):
            return Swept(leftovers=items, removed=())
        kept = remove(api, items, lambda: leftovers(api, owned, state), say=say)
    except CloudError as error:
        raise OperationError(
            f"The cloud refuses {error}. The account needs the rights of `pulumi destroy`, and the "
            "right to list each kind. Grant them, and run this again."
        ) from error
    if kept:
        lines = "\n".join(f"  {item.kind} {item.id}: {why}" for item, why in kept.items())
        raise OperationError(
            f"{len(items) - len(kept)} removed, {len(kept)} could not be:\n{lines}\n"
            "Remove the obstacle that the cloud names, and run this again.",
            code=ExitCode.LEFTOVERS,
        )
    return Swept(leftovers=items, removed=items)


def leftover_table(stack: str, items: Sequence[Leftover]) -> Table:
    """Show leftovers in the order of their deletion."""
    table = Table(
        title=f"In the cloud and not in the state of {stack}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("kind", "id", "name", "known by"):
        table.add_column(column, overflow="fold")
    for item in items:
        table.add_row(item.kind, item.id, item.name, item.sign)
    return table
