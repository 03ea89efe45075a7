"""Verdicts as a table for people, as JSON and as JUnit XML for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from rich import box
from rich.markup import escape
from rich.table import Table

from operations.verification.run import Outcome, Verdict

_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red"}


def verdict_table(stack: str, verdicts: Iterable[Verdict]) -> Table:
    """One row for each check; failures with their likely cause and where to look."""
    table = Table(
        title=f"Verdicts on {stack}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in ("check", "verdict", "what"):
        table.add_column(column, overflow="fold")
    for verdict in verdicts:
        style = _STYLES.get(verdict.outcome, "yellow")
        table.add_row(
            verdict.check.name,
            f"[{style}]{verdict.outcome}[/]",
            escape("\n".join(_explanation(verdict))),
        )
    return table


def _explanation(verdict: Verdict) -> list[str]:
    check = verdict.check
    if verdict.outcome is Outcome.FAILED:
        return [*verdict.details, f"likely: {check.cause}", f"look: {check.look}"]
    return [check.how] if verdict.outcome is Outcome.PASSED else list(verdict.details)


def summary(verdicts: Sequence[Verdict]) -> str:
    """The number of checks with each outcome, in one line."""
    counts = {outcome: sum(v.outcome is outcome for v in verdicts) for outcome in Outcome}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)


def verdict_document(stack: str, verdicts: Iterable[Verdict]) -> dict[str, object]:
    """JSON-ready: `checks` in their order, each with its verdict."""
    return {
        "stack": stack,
        "checks": [
            {
                "name": v.check.name,
                "needs": str(v.check.needs),
                "how": v.check.how,
                "verdict": str(v.outcome),
                "details": list(v.details),
                "probes": v.probes,
                "seconds": round(v.seconds, 3),
                "likelyCause": v.check.cause,
                "look": v.check.look,
            }
            for v in verdicts
        ],
    }


def junit_text(stack: str, verdicts: Sequence[Verdict]) -> str:
    """A JUnit test suite; what was not run or not simulated is skipped, never passed."""
    failed = sum(v.outcome is Outcome.FAILED for v in verdicts)
    skipped = sum(v.outcome in {Outcome.NOT_RUN, Outcome.NOT_SIMULATED} for v in verdicts)
    suite = ET.Element(
        "testsuite",
        name=f"verify {stack}",
        tests=str(len(verdicts)),
        failures=str(failed),
        skipped=str(skipped),
    )
    for v in verdicts:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"verify.{stack}",
            name=v.check.name,
            time=f"{v.seconds:.3f}",
        )
        if v.outcome is Outcome.FAILED:
            failure = ET.SubElement(case, "failure", message=v.details[0])
            failure.text = "\n".join(_explanation(v))
        elif v.outcome is not Outcome.PASSED:
            ET.SubElement(case, "skipped", message=f"{v.outcome}: {'; '.join(v.details)}")
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
