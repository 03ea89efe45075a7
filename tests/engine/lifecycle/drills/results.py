"""What a drill showed, kept in a file between runs, and the tables of docs/reliability.md."""

from __future__ import annotations

import json
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
    """The last lines of each run that failed."""


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
    )


def keep(path: Path, results: Iterable[DrillResult]) -> list[DrillResult]:
    """Add results to those in a file, and return all of them."""
    earlier = json.loads(path.read_text()) if path.exists() else []
    documents = [*earlier, *(asdict(result) for result in results)]
    path.write_text(json.dumps(documents, indent=2) + "\n")
    return [DrillResult(**document) for document in documents]


ASKED: Final = 20
"""Points of a drill that `make nightly` tries."""


def summary(results: Sequence[DrillResult]) -> str:
    """One row for each drill, over all its points, as a table in Markdown."""
    names = ("points", "met the run", "in order again", "writes", "lost", "commands")
    rows = [
        _row("power off during", *names, "until in order", "longest silence"),
        "|---|---|---|---|---|---|---|---|---|",
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
            )
        )
    return "\n".join(rows)


def each(results: Sequence[DrillResult]) -> str:
    """One row for each result, as a table in Markdown."""
    rows = [
        "| what | point | writes | lost | a person's part | until in order | longest silence |",
        "|---|---|---|---|---|---|---|",
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
        )
        for result in results
    ]
    return "\n".join(rows)


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
