"""How a command fails: with a message and an exit code, never with a traceback."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; listed in `docs/operations.md`."""

    OK = 0
    FAILED = 1
    """Pulumi, the cloud or a build failed. Its output has the reason."""
    REFUSED = 2
    """The input is wrong: a stack file, an option, a passphrase. Nothing was started."""
    UNPREPARED = 3
    """This machine lacks something: a tool, a free port, a permission."""
    BUSY = 4
    """Another run is at work on the stack."""
    LEFTOVERS = 5
    """Something is in the cloud that should not be: `local down` or `sweep` names it."""
    INTERRUPTED = 130


class OperationError(Exception):
    """A failure that the user reads: what failed, why, and what to do.

    Args:
        message: Whole sentences; the last one says what to do.
        code: The exit status of the command.
    """

    def __init__(self, message: str, *, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
