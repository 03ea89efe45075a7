"""The console that commands print on."""

from __future__ import annotations

from rich.console import Console

_WIDE = 160
"""Columns where there is no terminal: a table folded to 80 cannot be searched in a log."""


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough for a log."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)
