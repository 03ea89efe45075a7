"""The error codes by which the local cloud may refuse: which action, which status, which source.

`error_codes.tsv` has one row for each code: product, action (`*` for every action of the product),
code, HTTP status, source. The source `published` means that the error table of the action's page
lists the code with that status, as the vendor's API metadata of 2025-12-19 has it. Any other source
names the page, client or log that shows the code; a source that begins with `guess` means that
none was found, and one that ends with `the status is a guess` shows the code only. Products without
a row are not compared with the table.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("error_codes.tsv")
PUBLISHED: Final = "published"
ANY_ACTION: Final = "*"
_GUESS: Final = "guess"
_GUESSED_STATUS: Final = "the status is a guess"


@dataclass(frozen=True)
class Row:
    """A code of one action, or of every action of a product."""

    product: str
    action: str
    code: str
    status: int
    source: str

    @property
    def is_guess(self) -> bool:
        """Whether it has no source."""
        return self.source.startswith(_GUESS)

    @property
    def has_guessed_status(self) -> bool:
        """Whether its source shows the code without a status."""
        return self.source.endswith(_GUESSED_STATUS)


@functools.cache
def rows() -> tuple[Row, ...]:
    """The table."""
    with TABLE.open(newline="", encoding="utf-8") as lines:
        return tuple(
            Row(r["product"], r["action"], r["code"], int(r["status"]), r["source"])
            for r in csv.DictReader(lines, delimiter="\t")
        )


@functools.cache
def products() -> frozenset[str]:
    """The products whose refusals are compared with the table."""
    return frozenset(row.product for row in rows())


@functools.cache
def _keys() -> frozenset[tuple[str, str, str, int]]:
    return frozenset((row.product, row.action, row.code, row.status) for row in rows())


def problem(product: str, action: str, code: str, status: int) -> str | None:
    """What is wrong with a refusal: None if the table has it, or the code is the emulator's own."""
    if product not in products() or code.startswith("LocalCloud."):
        return None
    if any((product, which, code, status) in _keys() for which in (action, ANY_ACTION)):
        return None
    return f"{product}.{action}: {code} with status {status} is not in {TABLE.name}"
