"""Which error codes an action may answer, with which HTTP status, and where that is published.

The table `codes.csv` of a product has one row for each code that an action answers. The source
`published` means that the error table of the action's page lists the code with that status, as
Alibaba's own API metadata has it; any other source says what the code is taken from, and `guess`
that no source was found for it.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcloud.products import ecs

PRODUCTS: Final = frozenset({"Ecs"})
TABLE: Final = Path(ecs.__file__).with_name("codes.csv")
ANY_ACTION: Final = "*"


@dataclass(frozen=True)
class Row:
    """A code of an action, or of every action, with its HTTP status and source."""

    action: str
    code: str
    status: int
    source: str


@functools.cache
def rows() -> tuple[Row, ...]:
    """The table."""
    with TABLE.open(newline="") as lines:
        return tuple(
            Row(r["action"], r["code"], int(r["status"]), r["source"])
            for r in csv.DictReader(lines)
        )


@functools.cache
def _known() -> frozenset[tuple[str, str, int]]:
    return frozenset((r.action, r.code, r.status) for r in rows())


def is_known(action: str, code: str, status: int) -> bool:
    """Whether the table has the code for the action, or for every action."""
    return not {(action, code, status), (ANY_ACTION, code, status)}.isdisjoint(_known())
