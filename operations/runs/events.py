"""Reads an event log, which `pulumi up`, `refresh` and `destroy` write with `--event-log FILE`.

Pulumi has that option only with `PULUMI_DEBUG_COMMANDS=true` in the environment (`NewUpCmd` in
`pkg/cmd/pulumi/operations/up.go`).

One JSON object a line, `apitype.EngineEvent` of github.com/pulumi/pulumi
(`sdk/go/common/apitype/events.go`). Its times are whole seconds. Within a second, the order is that
of the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from operations.failure import ExitCode, OperationError
from operations.json_texts import texts_in


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When an event was written."""

    second: int
    """Since the first event of the run."""
    line: int
    """Number of the event: of two moments in one second the one with the lower number is first."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation on one resource, from its beginning to its end."""

    operation: str
    """As the engine names it: `create`, `delete`, `refresh`, …"""
    urn: str
    parent: str
    """URN; empty without one."""
    provider: str
    """URN; empty without one."""
    began: Moment
    ended: Moment
    failed: bool
    needs: frozenset[str] = frozenset()
    """URNs of the resources of this run whose ids its inputs have."""

    @property
    def kind(self) -> str:
        """The last part of the type token: `Instance`."""
        return self.urn.split("::")[2].rpartition("$")[2].rpartition(":")[2]

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return self.urn.split("::", 3)[3]

    @property
    def seconds(self) -> int:
        """How long it took."""
        return self.ended.second - self.began.second

    @property
    def is_delete(self) -> bool:
        """Whether it takes a resource away."""
        return self.operation in {"delete", "delete-replaced"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The steps of one run, in the order of their beginnings.

    Steps that changed nothing are left out, and components with children: a component ends only
    when the program has registered its outputs, so its time is that of its children.
    """

    steps: tuple[Step, ...]
    seconds: int
    """From the first event to the last one."""
    messages: tuple[tuple[Moment, str], ...] = ()
    """What the program and the plugins reported meanwhile."""


_REPORTED = frozenset({"info", "warning", "error"})
_SILENT = frozenset({"same", "discard"})


def read_event_log(path: Path) -> Run:
    """Read a log. Steps of a preview are left out.

    Raises:
        OperationError: the file is missing, or not an event log, or has no step.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, "it cannot be read") from error
    run = run_of(_events(path, text.splitlines()))
    if not run.steps:
        raise _unusable(path, "no step of a run is in it")
    return run


def run_of(events: Iterable[Mapping[str, Any]]) -> Run:
    """The steps in a log's events."""
    first: int | None = None
    last = 0
    begun: dict[tuple[str, str], tuple[Moment, Mapping[str, Any]]] = {}
    steps: list[Step] = []
    messages: list[tuple[Moment, str]] = []
    components: set[str] = set()
    ids: dict[str, str] = {}
    inputs: dict[str, frozenset[str]] = {}
    for line, event in enumerate(events):
        second = int(event.get("timestamp") or 0)
        first = second if first is None else first
        last = second
        now = Moment(second=second - first, line=line)
        if message := _message(event.get("diagnosticEvent")):
            messages.append((now, message))
        for name in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
            metadata = _metadata(event.get(name))
            if metadata is None:
                continue
            urn = str(metadata["urn"])
            key = (str(metadata["op"]), urn)
            new = metadata.get("new") or {}
            if not (new or metadata.get("old") or {}).get("custom"):
                components.add(urn)
            if new.get("id"):
                ids[str(new["id"])] = urn
            inputs[urn] = frozenset(texts_in(new.get("inputs")))
            if name == "resourcePreEvent":
                begun.setdefault(key, (now, metadata))
            elif key in begun:
                began, metadata = begun.pop(key)
                steps.append(_step(metadata, began, now, failed=name == "resOpFailedEvent"))
    parents = {step.parent for step in steps}
    return Run(
        steps=tuple(
            replace(step, needs=frozenset(ids[i] for i in inputs[step.urn] & ids.keys()))
            for step in sorted(steps, key=lambda step: step.began.line)
            if not (step.urn in components and step.urn in parents)
        ),
        seconds=last - (first or 0),
        messages=tuple(messages),
    )


def _message(event: object) -> str:
    """The first line of a message; empty for output of the engine itself."""
    if not isinstance(event, Mapping) or event.get("severity") not in _REPORTED:
        return ""
    return str(event.get("message") or "").strip().partition("\n")[0]


def _metadata(event: object) -> Mapping[str, Any] | None:
    if not isinstance(event, Mapping) or event.get("planning"):
        return None
    metadata = event.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("op") in _SILENT:
        return None
    return metadata


def _step(metadata: Mapping[str, Any], began: Moment, ended: Moment, *, failed: bool) -> Step:
    state = metadata.get("new") or metadata.get("old") or {}
    return Step(
        operation=str(metadata["op"]),
        urn=str(metadata["urn"]),
        parent=str(state.get("parent") or ""),
        provider=str(state.get("provider") or "").rpartition("::")[0],
        began=began,
        ended=ended,
        failed=failed,
    )


def _events(path: Path, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise _unusable(path, f"line {number} is not JSON") from error
        if not isinstance(event, dict):
            raise _unusable(path, f"line {number} is not an event")
        yield event


def _unusable(path: Path, reason: str) -> OperationError:
    return OperationError(
        f"{path} is not an event log of a run: {reason}. Write one with "
        "`PULUMI_DEBUG_COMMANDS=true pulumi up --event-log FILE`; `refresh` and `destroy` take the "
        "same option.",
        code=ExitCode.REFUSED,
    )
