"""The fixtures `*.error.<rule>.yaml` and the report that each must get, as `.txt` next to it.

`python tests/config/expected_reports.py` writes the reports again: read the difference before you
commit it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"


def refused() -> list[Path]:
    return sorted(FIXTURES.glob("*.error.*.yaml"))


def report_of(path: Path) -> str:
    """The whole report, or nothing when the fixture is taken."""
    from config.report import ConfigError  # noqa: PLC0415 - run as a script, the path comes first
    from config.stackfile import read_file  # noqa: PLC0415
    from planning.read import plan_from  # noqa: PLC0415

    try:
        plan_from(read_file(path).cluster)
    except ConfigError as error:
        return re.sub(r"is \d+ bytes", "is … bytes", f"{error}\n")
    return ""


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    for path in refused():
        path.with_suffix(".txt").write_text(report_of(path), encoding="utf-8")


if __name__ == "__main__":
    main()
