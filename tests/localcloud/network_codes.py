"""The error codes by which the local cloud may refuse: documented for the action, or with a source.

`error_codes.tsv` has a row for each: product, action (`*` for all of the product), code, HTTP
status, source. The source is `reference` where the published reference lists the code with that
status for that action (API metadata of 2025-12-19), else the page, client or log that has it, or
`guess` with what was looked for. Products without a row are not held to the table.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).parent / "error_codes.tsv"
GUESS: Final = "guess"

Row = tuple[str, str, str, int]


@functools.cache
def table() -> dict[Row, str]:
    """Product, action, code and status → source."""
    with TABLE.open(newline="") as file:
        return {
            (row["product"], row["action"], row["code"], int(row["status"])): row["source"]
            for row in csv.DictReader(file, delimiter="\t")
        }


@functools.cache
def not_reached(product: str) -> frozenset[str]:
    """Codes of a product that no test provokes yet: they have a row for the product, `*`."""
    return frozenset(code for p, action, code, _ in table() if p == product and action == "*")


@functools.cache
def products() -> frozenset[str]:
    """The products that are held to the table."""
    return frozenset(product for product, _, _, _ in table())


def problem(product: str, action: str, code: str, status: int) -> str | None:
    """What is wrong with a refusal: None if the table has it."""
    if product not in products() or code.startswith("LocalCloud."):
        return None
    if any((product, a, code, status) in table() for a in (action, "*")):
        return None
    return f"{product}.{action}: {code} with status {status} is not in {TABLE.name}"
