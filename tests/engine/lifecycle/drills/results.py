"""What a drill showed, kept in a file between runs, and the tables of docs/reliability.md.

The files that made the page are in `measured/`, so that a later run adds to them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.engine.control_planes.writing_client import Writes


@dataclass(frozen=True, kw_only=True)
class DrillResult:
    """The outcome of one drill on a cluster that a client writes to all the time."""

    drill: str
    point: str
    """Where it struck, in words."""
    met: bool
    """Whether it struck the run; False: the run had ended before."""
    acknowledged: int
    lost: int
    """Acknowledged writes that the cluster does not have afterwards."""
    commands: Sequence[str]
    """What a person had to do after the run that was struck."""
    ran: float
    """Seconds from the strike until the run that was struck had ended by itself."""
    seconds: float
    """From the strike until the cluster was in order again."""
    silence: float
    """Seconds between two acknowledged writes, at most."""
    problems: Sequence[str] = ()
    """Empty when the cluster was in order at the end."""
    failures: Sequence[str] = ()
    """The last lines of each run that failed; not kept in the file."""
    load: float = 0.0
    """Average number of processes that wanted to run, over the last five minutes of the drill."""


def load_now() -> float:
    """The computer's load over the last five minutes."""
    return round(os.getloadavg()[1], 1)


def result_of(  # noqa: PLR0913 - the fields of a result
    drill: str,
    point: str,
    writes: Writes,
    *,
    kept: Collection[str] | None,
    met: bool,
    commands: Sequence[str],
    ran: float,
    seconds: float,
    problems: Sequence[str],
    failures: Sequence[str] = (),
) -> DrillResult:
    """A result. `kept` are the writes that the cluster has; None if it could not be asked."""
    lost = set() if kept is None else set(writes.acknowledged).difference(kept)
    return DrillResult(
        drill=drill,
        point=point,
        met=met,
        acknowledged=len(writes.acknowledged),
        lost=len(lost),
        commands=commands,
        ran=ran,
        seconds=seconds,
        silence=writes.longest_silence,
        problems=problems,
        failures=failures,
        load=load_now(),
    )


def keep(path: Path, results: Iterable[DrillResult]) -> None:
    """Add results to a file, one a line. Several programs may do so at a time."""
    with path.open("a") as file:
        for result in results:
            document = {k: v for k, v in asdict(result).items() if k != "failures"}
            file.write(json.dumps(document) + "\n")
            file.flush()


def kept_results(path: Path | None) -> list[DrillResult]:
    """The results in a file; none if there is no file yet."""
    if path is None or not path.exists():
        return []
    return [DrillResult(**json.loads(line)) for line in path.read_text().splitlines()]


ASKED: Final = 20
"""Points of a drill that `make nightly` tries."""


def summary(results: Sequence[DrillResult]) -> str:
    """One row for each drill, over all its points, as a table in Markdown."""
    names = ("points", "met the run", "in order again", "writes", "lost", "commands")
    rows = [
        _row("power off during", *names, "until in order", "longest silence", "load"),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for drill in dict.fromkeys(result.drill for result in results):
        of = [result for result in results if result.drill == drill]
        rows.append(
            _row(
                drill,
                f"{len(of)} of {ASKED}",
                sum(result.met for result in of),
                sum(not result.problems for result in of),
                sum(result.acknowledged for result in of),
                sum(result.lost for result in of),
                max(len(result.commands) for result in of),
                f"{max(result.seconds for result in of):.0f} s",
                f"{max(result.silence for result in of):.0f} s",
                loads(result.load for result in of),
            )
        )
    return "\n".join(rows)


def loads(numbers: Iterable[float]) -> str:
    """The smallest and the largest of some loads."""
    ordered = sorted(numbers)
    least, most = (f"{ordered[at]:.0f}" for at in (0, -1))
    return least if least == most else f"{least} to {most}"


def each(results: Sequence[DrillResult]) -> str:
    """One row for each result, as a table in Markdown."""
    names = ("writes", "lost", "a person's part", "until in order", "longest silence", "load")
    rows = [
        _row("what", "point", *names),
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        _row(
            result.drill,
            result.point,
            result.acknowledged,
            result.lost,
            "; ".join(f"`{command}`" for command in result.commands) or "nothing",
            f"{result.seconds:.0f} s",
            f"{result.silence:.0f} s",
            f"{result.load:.0f}",
        )
        for result in results
    ]
    return "\n".join(rows)


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
