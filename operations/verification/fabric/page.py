"""The report of `verify` as one HTML page: the fabric, the matrix, and what was seen of failures.

It refers to no other file and to no address, so that it can be kept as evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from operations.verification.cluster_objects import Cluster
from operations.verification.fabric.capture import Capture, Captures, Frame
from operations.verification.fabric.objects import Fabric
from operations.verification.fabric.picture import picture
from operations.verification.reports import summary
from operations.verification.run import Answer, Outcome, Verdict

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2733; margin: 2em auto; max-width: 1500px;
  padding: 0 1em; }
table { border-collapse: collapse; margin: .6em 0 1.4em; }
th, td { border: 1px solid #cbd5e0; padding: .25em .6em; text-align: left; vertical-align: top; }
th { background: #f1f5f9; font-weight: 600; }
td.passed { background: #def5e5; } td.failed { background: #fbd9d6; }
td.skipped { background: #f6f0d8; } td.none { background: #f8fafc; }
code, .mono { font-family: ui-monospace, monospace; font-size: 13px; }
svg { width: 100%; height: auto; border: 1px solid #cbd5e0; }
"""
_DROPPED: Final = {
    "foreign_mac": "frames from a MAC that the ENI does not have",
    "foreign_address": "frames from an address that the ENI does not have",
    "other_protocol": "frames that are neither ARP nor IP",
    "refused": "packets that no security group admits",
}
_STYLES: Final = {Outcome.PASSED: "passed", Outcome.FAILED: "failed"}
_MARKS: Final = {True: ("passed", "✓"), False: ("failed", "✗")}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows."""

    stack: str
    moment: str
    """When the checks ran."""
    cluster: Cluster
    verdicts: Sequence[Verdict]
    fabric: Fabric | None = None
    """None where the cloud is not a local one with virtual machines."""
    captures: Captures = field(default_factory=dict)


def page(report: Report) -> str:
    """Return the page's text."""
    title = escape(f"Verdicts on {report.stack}")
    body = [
        f"<h1>{title}</h1>",
        f"<p>{escape(report.moment)}: {escape(summary(report.verdicts))}.</p>",
        *_fabric(report.fabric),
        "<h2>Nodes</h2>",
        *_nodes(report.cluster),
        "<h2>Checks</h2>",
        *_checks(report.verdicts),
        "<h2>Paths of packets</h2>",
        *_matrices(report.verdicts),
        *_failures(report),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style></head><body>",
            *body,
            "</body></html>",
            "",
        ]
    )


def _fabric(fabric: Fabric | None) -> Iterator[str]:
    yield "<h2>Fabric</h2>"
    if fabric is None:
        yield "<p>Only a local cloud with virtual machines shows its fabric.</p>"
        return
    yield picture(fabric)
    counted = ", ".join(f"{name} {count}" for name, count in fabric.frames.items())
    yield f"<p>Frames that it has counted: {escape(counted)}.</p>"


def _nodes(cluster: Cluster) -> Iterator[str]:
    columns = {
        "kubelet": "kubeletVersion",
        "runtime": "containerRuntimeVersion",
        "system": "osImage",
        "kernel": "kernelVersion",
    }
    rows = []
    for name, node in sorted(cluster.nodes.items()):
        about = node.get("status", {}).get("nodeInfo") or {}
        rows.append([name, *(str(about.get(key, "")) for key in columns.values())])
    yield from _table(["node", *columns], rows)


def _checks(verdicts: Sequence[Verdict]) -> Iterator[str]:
    heads = ("check", "verdict", "probes", "slowest", "what")
    yield f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"
    for verdict in verdicts:
        check, outcome = verdict.check, verdict.outcome
        lines = [check.how]
        if outcome is Outcome.FAILED:
            lines = [*verdict.details, f"likely: {check.cause}", f"look: {check.look}"]
        elif outcome is not Outcome.PASSED:
            lines = list(verdict.details)
        seconds = f"{verdict.seconds:.1f} s" if verdict.probes else ""
        yield (
            f'<tr><td class="mono">{escape(check.name)}</td>'
            f'<td class="{_STYLES.get(outcome, "skipped")}">{escape(outcome)}</td>'
            f"<td>{verdict.probes or ''}</td><td>{seconds}</td><td>{_lines(lines)}</td></tr>"
        )
    yield "</table>"


def _matrices(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """For each check that sends packets who reaches what."""
    for verdict in verdicts:
        cells = {
            (answer.probe.path.source, answer.probe.path.target): answer
            for answer in verdict.answers
            if answer.probe.path is not None
        }
        if not cells:
            continue
        sources = list(dict.fromkeys(source for source, _ in cells))
        targets = list(dict.fromkeys(target for _, target in cells))
        yield f'<h3 class="mono">{escape(verdict.check.name)}</h3>'
        heads = "".join(f"<th>{escape(target)}</th>" for target in targets)
        yield f"<table><tr><th></th>{heads}</tr>"
        for source in sources:
            row = "".join(_cell(cells.get((source, target))) for target in targets)
            yield f"<tr><th>{escape(source)}</th>{row}</tr>"
        yield "</table>"


def _cell(answer: Answer | None) -> str:
    if answer is None:
        return '<td class="none"></td>'
    style, mark = _MARKS[not answer.problems]
    return f'<td class="{style}">{mark} {answer.seconds:.1f} s</td>'


def _failures(report: Report) -> Iterator[str]:
    failures = [
        (verdict, answer)
        for verdict in report.verdicts
        for answer in verdict.answers
        if answer.problems
    ]
    if not failures:
        return
    places = {} if report.fabric is None else report.fabric.place_names
    yield "<h2>Failures</h2>"
    for verdict, answer in failures:
        path = answer.probe.path
        where = f": {path.source} → {path.target}" if path is not None else ""
        yield f"<h3>{escape(verdict.check.name + where)}</h3>"
        yield f"<p>{_lines([*answer.problems, f'Likely: {verdict.check.cause}.'])}</p>"
        if path is None:
            continue
        capture = report.captures.get((verdict.check.name, path.source, path.target))
        if capture is not None:
            yield from _capture(capture, places)
        elif report.fabric is not None:
            yield "<p>Not captured: other failures of this check were.</p>"


def _capture(capture: Capture, places: Mapping[str, str]) -> Iterator[str]:
    yield f"<p>{_lines(_findings(capture, places))}</p>"
    rows = [
        [
            f"{frame.time:.3f}",
            places.get(frame.place, frame.place),
            "into the fabric" if frame.direction == "in" else "out of the fabric",
            _ends(frame),
            frame.kind,
            frame.source_mac,
        ]
        for frame in capture.frames
    ]
    yield from _table(["seconds", "hop", "direction", "from and to", "frame", "source MAC"], rows)
    if capture.left_out:
        yield f"<p>{capture.left_out} more frames are left out.</p>"


def _findings(capture: Capture, places: Mapping[str, str]) -> Iterator[str]:
    """What the capture shows, in sentences."""
    if not capture.problems:
        yield "The same probe passed when it was captured."
    for name, count in capture.dropped.items():
        yield f"Meanwhile the fabric dropped {count} {_DROPPED.get(name, name)}."
    if capture.frames:
        for kind, frames in _requests(capture.frames).items():
            hops = list(dict.fromkeys(places.get(f.place, f.place) for f in frames))
            yield f"{kind} was seen on: {', '.join(hops)}."
    else:
        yield "No frame of it was seen on any link of the fabric: it did not leave the machine."


def _requests(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    """The frames that ask for something, by kind and ends."""
    asking = ("ICMP echo request", "ICMPv6 echo request", "TCP SYN", "UDP")
    requests: dict[str, list[Frame]] = {}
    for frame in frames:
        if frame.kind in asking:
            name = f"{frame.kind} {frame.source} → {frame.destination}"
            requests.setdefault(name, []).append(frame)
    return requests


def _ends(frame: Frame) -> str:
    source = _end(frame.source, frame.source_port)
    return f"{source} → {_end(frame.destination, frame.destination_port)}"


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"
    for row in rows:
        yield f'<tr>{"".join(f"""<td class="mono">{escape(cell)}</td>""" for cell in row)}</tr>'
    yield "</table>"


def _lines(lines: Sequence[str] | Iterator[str]) -> str:
    return "<br>".join(escape(line) for line in lines)
