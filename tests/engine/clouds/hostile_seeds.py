"""The engine tests that take turns on a hostile cloud, with one seed after the other.

`python -m tests.engine.clouds.hostile_seeds --write docs/reliability.md` writes the figures into
the page. Each row is written as soon as it is measured, and the rows of other seeds stay, so the
seeds can be run one at a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from operations.engine.places import ROOT
from tests.engine.clouds.hostile_turns import TURNS, VARIABLE
from tests.engine.lifecycle.interruptions.fault_sweep import write_table

SEEDS: Final = tuple(range(1, 11))
_HEAD: Final = ("| seed | of | tests | failed | time |", "|---|---|---|---|---|")
DEADLINE: Final = 5400
"""Seconds that a run may take; the longest took half an hour on two busy cores."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one seed did to the tests of one turn."""

    seed: int
    turn: str
    tests: int
    failed: tuple[str, ...]
    """The names of the tests that failed, or whose fixtures did."""
    seconds: float
    output: str


def run(seed: int, turn: str) -> Run:
    """Run the tests of one of TURNS on clouds that are hostile by this seed.

    Errors: `RuntimeError` with pytest's output when it ran nothing, and
    `subprocess.TimeoutExpired` after DEADLINE.
    """
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        report = Path(folder) / "report.xml"
        places = ("-p", "no:cacheprovider", f"--basetemp={folder}/tests", f"--junitxml={report}")
        options = ("-m", "engine", "-n0", "-q", "--tb=short", *places)
        completed = subprocess.run(  # noqa: S603  # our own tests
            [sys.executable, "-m", "pytest", *options, *TURNS[turn]],
            cwd=ROOT,
            env={**os.environ, VARIABLE: str(seed)},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        if not report.exists():
            raise RuntimeError(completed.stdout + completed.stderr)
        suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314  # pytest's own
    assert suite is not None
    return Run(
        seed=seed,
        turn=turn,
        tests=int(suite.attrib["tests"]),
        failed=tuple(
            case.attrib["name"]
            for case in suite.iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None
        ),
        seconds=float(suite.attrib["time"]),
        output=completed.stdout,
    )


def row(run: Run) -> str:
    """The figures of one run as a row in Markdown."""
    cells = (run.seed, run.turn, run.tests, len(run.failed), f"{run.seconds:.0f} s")
    return f"| {' | '.join(map(str, cells))} |"


def merged(rows: Sequence[str], new: str) -> list[str]:
    """Return the rows with a new one in place of that of the same seed and turn, in order."""
    by_key = {_key(each): each for each in (*rows, new)}
    return [by_key[key] for key in sorted(by_key)]


def _key(line: str) -> tuple[int, int]:
    seed, turn = (cell.strip() for cell in line.split("|")[1:3])
    return int(seed), tuple(TURNS).index(turn)


def write_row(page: Path, new: str) -> None:
    """Put a row into the page's table; its other rows stay.

    Raises:
        ValueError: The page has no table between the markers.
    """
    _, _, rest = page.read_text().partition("<!-- hostile: begin -->")
    rows = rest.partition("<!-- hostile: end -->")[0].strip().splitlines()[len(_HEAD) :]
    write_table(page, "hostile", "\n".join((*_HEAD, *merged(rows, new))))


def main() -> int:
    """Print the figures, seed by seed; 1 when a test failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", action="append", type=int, help="the ten of SEEDS without it")
    parser.add_argument("--of", action="append", choices=sorted(TURNS), help="all without it")
    parser.add_argument("--write", type=Path, help="put the rows into this page's table")
    arguments = parser.parse_args()
    has_failed = False
    for seed, turn in product(arguments.seed or SEEDS, arguments.of or TURNS):
        measured = run(seed, turn)
        print(row(measured), flush=True)  # noqa: T201
        if arguments.write:
            write_row(arguments.write, row(measured))
        if measured.failed:
            has_failed = True
            print(measured.output, flush=True)  # noqa: T201
    return int(has_failed)


if __name__ == "__main__":
    raise SystemExit(main())
