"""Writes files that have their mode from the first byte on."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, text: str, *, mode: int) -> None:
    """Write the text; the file has `mode` from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
