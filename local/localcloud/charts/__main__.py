"""`python -m localcloud.charts --home DIR`: assemble the charts; prints where they are."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .assemble import CrdsMissingError, assemble


def main() -> int:
    """Assemble. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.charts", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".local"), help="default: .local")
    arguments = parser.parse_args()
    try:
        target = assemble(arguments.home.resolve())
    except CrdsMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
