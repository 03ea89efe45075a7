"""dpkg's state on the machine's disk: what is unpacked, and whether a power cut interrupted it.

dpkg keeps a journal of numbered files in `updates` while it works, and apt refuses to change
anything while one is there (`debSystem::CheckUpdates` in apt-pkg/deb/debsystem.cc).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REFUSAL: Final = (
    "E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a' to correct the "
    "problem. "
)
"""apt's own words."""
_JOURNAL: Final = Path("/var/lib/dpkg/updates/0000")
_UNPACKED: Final = Path("/var/lib/machine/unpacked")


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """A package whose files are there and that is not configured yet."""

    name: str
    version: str
    units: tuple[str, ...]


def is_interrupted() -> bool:
    """Whether dpkg was at work when the machine lost its power."""
    return _JOURNAL.exists()


@contextmanager
def journal() -> Iterator[None]:
    """Keep the journal for as long as the block lasts. A power cut leaves it there."""
    _JOURNAL.parent.mkdir(parents=True, exist_ok=True)
    _JOURNAL.touch()
    yield
    _JOURNAL.unlink()


def add(package: Unpacked) -> None:
    """Record that a package is unpacked."""
    _UNPACKED.mkdir(parents=True, exist_ok=True)
    record = {"version": package.version, "units": package.units}
    (_UNPACKED / package.name).write_text(json.dumps(record), encoding="utf-8")


def remove(name: str) -> None:
    """Record that a package is configured."""
    (_UNPACKED / name).unlink()


def unpacked() -> list[Unpacked]:
    """Packages that are to be configured, by name."""
    records = sorted(_UNPACKED.glob("*"))
    return [_read(path.name, json.loads(path.read_text("utf-8"))) for path in records]


def _read(name: str, record: dict[str, object]) -> Unpacked:
    units = record["units"]
    return Unpacked(
        name=name,
        version=str(record["version"]),
        units=tuple(units) if isinstance(units, list) else (),
    )
