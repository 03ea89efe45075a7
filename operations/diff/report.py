"""Changes of stack files as tables, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from operations.diff.stack_change import StackChange, Verdict

MARKER: Final = "<!-- spiderpool-alicloud: what this change does -->"
"""First line of the Markdown, by which a workflow recognises its own comment."""
SCOPE: Final = (
    "This compares two plans and asks no cluster. `pulumi preview` also shows which pods have the "
    "addresses that leave, and what a newer release of this program changes."
)
_LARGEST: Final = 60_000
"""Characters; a comment on GitHub holds 65,536."""


def as_json(base: str, head: str, changes: Sequence[StackChange]) -> str:
    """`{base, head, files: [{path, verdict, lines, figures, addresses}]}`."""
    document = {"base": base, "head": head, "files": [c.as_document() for c in changes]}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)


def as_tables(base: str, head: str, changes: Sequence[StackChange]) -> RenderableType:
    """One table and the sentences for each file."""
    parts: list[RenderableType] = [Text(f"From {base} to {head}. {SCOPE}"), Text()]
    for change in changes:
        table = Table(
            title=f"{change.path}: {change.verdict.value}",
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for column in ("", "before", "after"):
            table.add_column(column, overflow="fold")
        for row in _rows(change):
            table.add_row(*row)
        if table.row_count:
            parts.append(table)
        else:
            parts.append(Text(f"{change.path}: {change.verdict.value}"))
        parts += [Text(line) for line in change.lines]
        parts.append(Text())
    return Group(*parts)


def as_markdown(base: str, head: str, changes: Sequence[StackChange]) -> str:
    """For a comment on a pull request; texts of the files cannot break out of it."""
    lines = [
        MARKER,
        "## What this change does to each stack",
        "",
        f"From `{base}` to `{head}`. {SCOPE}",
    ]
    loud = [change for change in changes if change.verdict is not Verdict.UNCHANGED]
    quiet = [change.path for change in changes if change.verdict is Verdict.UNCHANGED]
    for change in loud:
        lines += ["", f"### `{_plain(change.path)}`: {change.verdict.value}", ""]
        rows = list(_rows(change))
        if rows:
            lines += ["| | before | after |", "|---|---|---|"]
            lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
            lines.append("")
        if change.lines:
            lines += ["```text", *(_plain(line) for line in change.lines), "```"]
    if quiet:
        lines += ["", "Unchanged: " + ", ".join(f"`{_plain(path)}`" for path in quiet)]
    text = "\n".join(lines)
    if len(text) > _LARGEST:
        text = text[:_LARGEST].rsplit("\n", 1)[0]
        fence = "\n```" if text.count("```") % 2 else ""
        text += f"{fence}\n\nThe rest is in the output of the workflow."
    return text + "\n"


def _rows(change: StackChange) -> Iterator[tuple[str, str, str]]:
    for figure in change.figures:
        if figure.before != figure.after or change.verdict in (Verdict.ADDED, Verdict.REMOVED):
            yield figure.name, _number(figure.before), _number(figure.after)
    for each in change.addresses:
        yield each.where, each.before, each.after


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _plain(text: str) -> str:
    """Without what would end a code block or a code span."""
    return text.replace("`", "'")


def _cell(text: str) -> str:
    escaped = _plain(text).replace("|", "\\|").replace("\n", " ")
    return f"`{escaped}`" if escaped else ""
