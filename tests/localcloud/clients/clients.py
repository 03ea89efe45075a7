"""The programs of others that were compared with the local cloud, read from `clients.yaml`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

FILE: Final = Path(__file__).with_name("clients.yaml")


@dataclass(frozen=True, kw_only=True)
class Client:
    """One program: its version, what ran, when, and what that changed in the local cloud.

    `ran` is empty for a program of which only the source was read.
    """

    key: str
    name: str
    version: str
    ran: str
    date: str
    findings: tuple[str, ...]


@functools.cache
def clients() -> tuple[Client, ...]:
    """All of them."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(
        Client(
            key=key,
            name=row["name"],
            version=row["version"],
            ran=row.get("ran", ""),
            date=str(row["date"]),
            findings=tuple(row["findings"]),
        )
        for key, row in rows.items()
    )
