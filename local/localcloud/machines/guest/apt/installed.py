"""Packages that were installed on this machine, kept on its disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/var/lib/machine/packages")


def add(name: str, version: str) -> None:
    """Record a package; it replaces an earlier one of that name."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / name).write_text(version + "\n", encoding="utf-8")


def remove(name: str) -> None:
    """Forget a package, if it is there."""
    (_FOLDER / name).unlink(missing_ok=True)


def upstream_version(name: str) -> str:
    """Return the version of a package's program, for example v1.35.4 for 1.35.4-1.1.

    Raises OSError when it is not installed.
    """
    return "v" + (_FOLDER / name).read_text("utf-8").strip().partition("-")[0]
