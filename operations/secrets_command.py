"""`secrets init`: which store a stack has, and what is said when it is filled."""

from __future__ import annotations

import os
from pathlib import Path

from operations.environment import users_environment
from operations.failure import ExitCode, OperationError
from operations.places import ROOT, Places
from operations.running import Runner
from operations.secrets import FileStore, SecretStore, StackConfigStore, init_secrets
from operations.stack_file import Stack, path_of_stack


def make_stack_secrets(stack: str, *, file: Path | None, rotate: bool) -> str:
    """Make a stack's secrets and return the sentence that says where they are.

    Raises:
        OperationError: There are some already, or the stack cannot keep them.
    """
    stack_file = Stack.read(path_of_stack(stack))
    plan = stack_file.plan()
    made = init_secrets(plan.name, _store(stack, stack_file, file), rotate=rotate)
    return f"Made the secrets of {plan.name} in {made.where}; valid until {made.expires:%Y-%m-%d}."


def _store(stack: str, stack_file: Stack, file: Path | None) -> SecretStore:
    named = stack_file.secrets_file
    if named is not None:
        return FileStore(ROOT / named if file is None else file.resolve())
    if file is not None:
        raise OperationError(
            f"Stack {stack} keeps its secrets encrypted in {stack_file.path}, not in a file in "
            "clear; leave --file out.",
            code=ExitCode.REFUSED,
        )
    runner = Runner(env=users_environment(Places.of(ROOT / ".local"), os.environ))
    return StackConfigStore(stack=stack, runner=runner, kept=stack_file.has_secrets)
