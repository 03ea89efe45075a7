"""Errors of the toolchain: full sentences, of which the last one has the remedy."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""A build failed; its output has the reason."""
UNPREPARED: Final = 3
"""This machine lacks something: Go, the module proxy, room on the disk."""


class ToolchainError(Exception):
    """A failure to tell the user, with the exit status of the command."""

    def __init__(self, message: str, *, status: int = UNPREPARED) -> None:
        super().__init__(message)
        self.status = status
