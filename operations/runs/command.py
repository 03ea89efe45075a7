"""`operations report --critical-path`: from a log and a state to a table and a picture."""

from __future__ import annotations

import json
from pathlib import Path as File

from operations.failure import ExitCode, OperationError
from operations.runs.critical_path import (
    Dependencies,
    Path,
    critical_path,
    dependencies_of,
    totals,
)
from operations.runs.events import Run, read_event_log
from operations.runs.picture import picture
from operations.writing import write_file

_MOST_TOTALS = 8
_KINDS = {".svg", ".html"}
_LONG = 3
"""Seconds. The last message of a longer pause is shown."""


def critical_path_report(log: File, *, state: File | None, output: File | None) -> str:
    """The text about a run's critical path; draws the run to `output`, if one is named.

    `state` has the dependencies between the resources. Without one only parents, providers and ids
    among the inputs count as dependencies; every other step comes after the one that ended last
    before it.

    Raises:
        OperationError: a file is missing or not what it should be.
    """
    if output is not None and output.suffix not in _KINDS:
        raise OperationError(
            f"{output} is neither .svg nor .html, and the picture has one of these two forms. Name "
            "the file accordingly.",
            code=ExitCode.REFUSED,
        )
    run = read_event_log(log)
    path = critical_path(run, {} if state is None else _dependencies_in(state))
    if output is not None:
        drawn = picture(run, path)
        page = drawn if output.suffix == ".svg" else f"<!DOCTYPE html>\n<body>\n{drawn}</body>\n"
        write_file(output, page, mode=0o644)
    return text(run, path)


def _dependencies_in(state: File) -> Dependencies:
    try:
        document = json.loads(state.read_text(encoding="utf-8"))
        return dependencies_of(document["deployment"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperationError(
            f"{state} is not a state. Write one with `pulumi stack export --file FILE`: after an "
            "`up`, and before a `destroy`.",
            code=ExitCode.REFUSED,
        ) from error


def text(run: Run, path: Path) -> str:
    """The critical path as a table, and the slowest kinds of steps."""
    lines = [f"{run.seconds} s, {len(run.steps)} steps. The critical path:", ""]
    lines.append(f"{'at s':>6} {'idle':>5} {'took':>5}  step")
    for link in path.links:
        step = link.step
        why = (
            ""
            if link.needed or link.after is None
            else "  (not needed: engine's order or a free slot)"
        )
        failed = "  FAILED" if step.failed else ""
        lines += _waiting(run, link.idle, until=step.began.second)
        lines.append(
            f"{step.began.second:>6} {link.idle:>5} {step.seconds:>5}  "
            f"{step.operation} {step.kind} {step.name}{failed}{why}"
        )
    lines += _waiting(run, path.rest, until=run.seconds)
    lines += [f"{run.seconds - path.rest:>6} {path.rest:>5} {'':>5}  the run ends", ""]
    lines.append(f"{'slowest':>8} {'count':>6}  kind of step")
    for name, count, slowest in list(totals(run))[:_MOST_TOTALS]:
        lines.append(f"{slowest:>6} s {count:>6}  {name}")
    return "\n".join(lines)


def _waiting(run: Run, idle: int, *, until: int) -> list[str]:
    """The last message of a long pause, which is usually what the program waited for."""
    messages = [
        message for moment, message in run.messages if until - idle <= moment.second <= until
    ]
    return [f"{'':>18}  … {messages[-1][:110]}"] if idle >= _LONG and messages else []
