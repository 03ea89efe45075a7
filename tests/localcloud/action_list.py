"""The list of actions in docs/localcloud.md: `python -m tests.localcloud.action_list` writes it."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Final

from localcloud.products.catalogue import PRODUCTS

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "localcloud.md"
BEGIN: Final = "<!-- actions: written by `python -m tests.localcloud.action_list` -->"
END: Final = "<!-- end of actions -->"


def listed() -> str:
    """Every product with its actions, as the document has them."""
    parts = [BEGIN]
    for product in PRODUCTS.values():
        names = textwrap.fill(", ".join(sorted(product.actions)), 99, break_long_words=False)
        parts.append(f"**{product.name} {product.version}** ({len(product.actions)}):\n{names}")
    return "\n\n".join([*parts, END])


def written(text: str) -> str:
    """The document with the up-to-date list."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + listed() + after


def main() -> int:
    """Write the list."""
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
