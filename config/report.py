"""The report about a configuration that cannot be used: every problem at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import yaml


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One problem and how to correct it.

    `path` is written as in the stack file (`nodePools.workers.firstBlock`). `value` is the value
    there, or None when there is none or when it may be a secret. `rule` states what must hold and
    why, `remedy` what to write instead.
    """

    path: str
    value: str | None
    rule: str
    remedy: str

    def __str__(self) -> str:
        """One sentence for the rule, one for the remedy."""
        shown = self.path if self.value is None else f"{self.path}: {_visible(self.value)}"
        return f"{shown}\n    {self.rule}\n    → {self.remedy}"


class UnknownKey(Problem):
    """A key that the file may not have. It comes first in a report: others can follow from it."""


class ConfigError(Exception):
    """A configuration that cannot be used. `str()` is the whole report, without a secret in it."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_order))
        super().__init__(self.problems)

    def __str__(self) -> str:
        """All problems: unknown keys first, then by path."""
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in this configuration:"
        return "\n".join((head, *(f"  {problem}" for problem in self.problems)))

    def as_document(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "problems": [
                {"path": p.path, "value": p.value, "rule": p.rule, "remedy": p.remedy}
                for p in self.problems
            ]
        }


def _order(problem: Problem) -> tuple[bool, str, str, str, str]:
    """Unknown keys first."""
    is_other = not isinstance(problem, UnknownKey)
    return (is_other, problem.path, problem.rule, problem.value or "", problem.remedy)


def _visible(value: str) -> str:
    """A value on one line, with line breaks and other control characters as escapes."""
    if not value:
        return "(empty)"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in value)


def as_yaml(text: str) -> str:
    """The text as a stack file has it: in quotes where YAML would read something else."""
    try:
        plain = yaml.safe_load(text) == text
    except (yaml.YAMLError, ValueError):
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def path_of(*parts: object) -> str:
    """A path as the user writes it: keys joined by dots, list places in brackets."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text
