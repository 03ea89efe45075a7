"""The console that commands print on."""

from __future__ import annotations

from rich.console import Console

_WIDE = 160
"""Columns without a terminal: a table folded to 80 columns cannot be searched in a log."""


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough for a log."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_WIDE)
