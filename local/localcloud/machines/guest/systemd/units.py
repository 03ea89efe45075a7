"""systemd unit files, as far as a node's units need them. Nothing is run here."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNIT_FOLDERS: Final = (Path("/etc/systemd/system"), Path("/opt/machine/units"))


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One service. `commands` are run in order; the last one is the service of a simple unit."""

    name: str
    oneshot: bool
    commands: tuple[str, ...]
    before: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    environment_files: tuple[str, ...]
    restart: bool
    requires: tuple[str, ...] = ()
    """Services without which it does not start."""
    conditions: tuple[str, ...] = ()
    """Paths that must exist, or with a leading "!" must not, for a start to do anything."""

    @property
    def is_due(self) -> bool:
        """Whether its conditions hold."""
        return all(
            Path(path.removeprefix("!")).exists() is not path.startswith("!")
            for path in self.conditions
        )


@dataclass(frozen=True, kw_only=True)
class Timer:
    """One timer. Times are seconds; None where the unit has no such line."""

    name: str
    service: str
    after_start: float | None
    """OnActiveSec or OnBootSec, the shorter one: until the service's first start."""
    after_begin: float | None
    """OnUnitActiveSec: from one start of the service to the next."""
    after_end: float | None
    """OnUnitInactiveSec: from the end of the service to its next start."""


def parse_timer(name: str, text: str) -> Timer:
    """Read a timer (systemd.timer(5)). Raises ValueError if it never elapses."""
    values = _section([text], "Timer")
    spans = {key: _seconds(entries[-1]) for key, entries in values.items() if key.endswith("Sec")}
    first = [spans[key] for key in ("OnActiveSec", "OnBootSec") if key in spans]
    if not first:
        raise ValueError(f"{name}.timer has neither OnActiveSec nor OnBootSec")
    return Timer(
        name=name,
        service=values.get("Unit", [f"{name}.service"])[-1].removesuffix(".service"),
        after_start=min(first),
        after_begin=spans.get("OnUnitActiveSec"),
        after_end=spans.get("OnUnitInactiveSec"),
    )


def _seconds(text: str) -> float:
    """A time span (systemd.time(7)): `15s`, `1min 30s`, `90`."""
    total, rest = 0.0, text.replace(" ", "")
    if not re.fullmatch(r"(\d+(\.\d+)?(us|ms|sec|s|min|m|hr|h|d)?)+", rest):
        raise ValueError(f"{text!r} is not a time span")
    for number, unit in re.findall(r"(\d+(?:\.\d+)?)(us|ms|sec|s|min|m|hr|h|d)?", rest):
        total += float(number) * _SPANS[unit or "s"]
    return total


_SPANS: Final = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "hr": 3600,
    "d": 86_400,
}


def _section(texts: Iterable[str], name: str) -> dict[str, list[str]]:
    """The values of one section by key; an empty value clears the earlier ones."""
    values: dict[str, list[str]] = {}
    for text in texts:
        section = ""
        for raw in text.replace("\\\n", " ").splitlines():
            line = raw.strip()
            if line.startswith("["):
                section = line.strip("[]")
            elif section == name and "=" in line and line[0] not in "#;":
                key, _, value = line.partition("=")
                if value.strip():
                    values.setdefault(key.strip(), []).append(value.strip())
                else:
                    values.pop(key.strip(), None)
    return values


def parse(name: str, texts: Iterable[str]) -> Unit:
    """Read a unit and its drop-ins, in order. Raises ValueError if it has no command."""
    texts = list(texts)
    values = _section(texts, "Service")
    about = _section(texts, "Unit")
    if "ExecStart" not in values:
        raise ValueError(f"{name} has no ExecStart")
    environment = [
        tuple(word.split("=", 1)) for line in values.get("Environment", ()) for word in _words(line)
    ]
    return Unit(
        name=name,
        oneshot=values.get("Type", ["simple"])[-1] == "oneshot",
        commands=tuple(values["ExecStart"]),
        before=tuple(values.get("ExecStartPre", ())),
        environment=tuple((pair[0], pair[1]) for pair in environment if len(pair) == 2),  # noqa: PLR2004
        environment_files=tuple(values.get("EnvironmentFile", ())),
        restart=values.get("Restart", ["no"])[-1] in {"always", "on-failure"},
        requires=tuple(sorted(_services(about.get("Requires", [])))),
        conditions=tuple(about.get("ConditionPathExists", ())),
    )


def boot_order(texts: Mapping[str, str]) -> list[str]:
    """The order in which enabled services start: by name, but `Before=` and `After=` are kept.

    `texts` are unit files by name, without `.service`. Other units are ignored. In a cycle, which
    systemd breaks at some point, the names decide.
    """
    earlier: dict[str, set[str]] = {name: set() for name in texts}
    for name, text in texts.items():
        section = _section([text], "Unit")
        for key, entries in section.items():
            for other in _services(entries) & texts.keys():
                if key == "After":
                    earlier[name].add(other)
                elif key == "Before":
                    earlier[other].add(name)
    order: list[str] = []
    waiting = sorted(texts)
    while waiting:
        ready = next((name for name in waiting if earlier[name] <= set(order)), waiting[0])
        waiting.remove(ready)
        order.append(ready)
    return order


def _services(entries: Iterable[str]) -> set[str]:
    return {word.removesuffix(".service") for entry in entries for word in entry.split()}


def environment_of(unit: Unit) -> dict[str, str]:
    """Return the unit's environment; a file named with a leading "-" may be missing."""
    variables = dict(unit.environment)
    for entry in unit.environment_files:
        path = Path(entry.removeprefix("-"))
        if not path.exists():
            if entry.startswith("-"):
                continue
            raise FileNotFoundError(f"{unit.name}: environment file {path} is missing")
        for line in path.read_text("utf-8").splitlines():
            key, equals, value = line.partition("=")
            if equals and not key.lstrip().startswith("#"):
                variables[key.strip()] = " ".join(_words(value))
    return variables


def arguments(command: str, environment: dict[str, str]) -> list[str]:
    """Split a command line; $NAME alone becomes several words, ${NAME} is put in place."""
    words: list[str] = []
    for word in _words(command.lstrip("-@:+!")):
        if word.startswith("$") and word[1:].replace("_", "").isalnum():
            words.extend(_words(environment.get(word[1:], "")))
            continue
        for name, value in environment.items():
            word = word.replace("${" + name + "}", value)  # noqa: PLW2901
        words.append(word)
    return words


def _words(text: str) -> list[str]:
    return shlex.split(text)
