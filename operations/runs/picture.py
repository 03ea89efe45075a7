"""A run as a picture: one bar for each step, the critical path in another colour."""

from __future__ import annotations

from html import escape
from typing import Final

from operations.runs.critical_path import Path
from operations.runs.events import Run, Step

_ROW: Final = 14
_LEFT: Final = 330
_WIDTH: Final = 1200
_HEAD: Final = 40
_GRIDS: Final = (1, 5, 10, 30, 60, 300, 3600)
"""Seconds between two lines of the grid."""
_MOST_LINES: Final = 20
_MOST_ROWS: Final = 500
"""A picture of more rows is not readable: steps that took no second are left out first."""


def picture(run: Run, path: Path) -> str:
    """An SVG document, which browsers show and which HTML can contain."""
    rows = _rows(run, path)
    seconds = max(run.seconds, 1)
    height = _HEAD + _ROW * (len(rows) + 1)
    scale = (_WIDTH - _LEFT - 20) / seconds
    every = next((step for step in _GRIDS if seconds / step <= _MOST_LINES), _GRIDS[-1])
    grid = [
        f'<line x1="{_LEFT + at * scale:.1f}" y1="{_HEAD - 8}" x2="{_LEFT + at * scale:.1f}" '
        f'y2="{height}" stroke="#ddd"/><text x="{_LEFT + at * scale:.1f}" y="{_HEAD - 12}" '
        f'text-anchor="middle">{at} s</text>'
        for at in range(0, seconds + 1, every)
    ]
    bars = [_bar(step, at, scale, critical=step in path.steps) for at, step in enumerate(rows)]
    size = f'width="{_WIDTH}" height="{height}"'
    title = f"{run.seconds} s, {len(run.steps)} steps; red: the critical path"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="16" font-size="13">{title}</text>',
        *grid,
        *bars,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _rows(run: Run, path: Path) -> list[Step]:
    rows = list(run.steps)
    if len(rows) > _MOST_ROWS:
        rows = [step for step in rows if step.seconds > 0 or step in path.steps]
    return rows[:_MOST_ROWS]


def _bar(step: Step, row: int, scale: float, *, critical: bool) -> str:
    top = _HEAD + row * _ROW
    left = _LEFT + step.began.second * scale
    width = max(step.seconds * scale, 2.0)
    name = f"{step.operation} {step.kind} {step.name}"
    label, end = escape(name), escape(name[-58:])
    colour = "#c62828" if critical else "#90a4ae"
    weight = ' font-weight="bold"' if critical else ""
    return (
        f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end"{weight}>{end}</text>'
        f'<rect x="{left:.1f}" y="{top + 2}" width="{width:.1f}" height="{_ROW - 4}" '
        f'fill="{colour}"><title>{label}: {step.began.second} to {step.ended.second} s</title>'
        "</rect>"
    )
