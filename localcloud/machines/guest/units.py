"""systemd unit files as far as a node's units go; nothing is run here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def parse(name: str, texts: Iterable[str]) -> Unit:
    """Read a unit and its drop-ins, in order. Raises ValueError where it has no command."""
    values: dict[str, list[str]] = {}
    for text in texts:
        section = ""
        for raw in text.replace("\\\n", " ").splitlines():
            line = raw.strip()
            if line.startswith("["):
                section = line.strip("[]")
            elif section == "Service" and "=" in line and line[0] not in "#;":
                key, _, value = line.partition("=")
                if value.strip():
                    values.setdefault(key.strip(), []).append(value.strip())
                else:
                    values.pop(key.strip(), None)
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
    )


def environment_of(unit: Unit) -> dict[str, str]:
    """Return the unit's environment; a file named with a leading "-" may be missing."""
    found = dict(unit.environment)
    for entry in unit.environment_files:
        path = Path(entry.removeprefix("-"))
        if not path.exists():
            if entry.startswith("-"):
                continue
            raise FileNotFoundError(f"{unit.name}: environment file {path} is missing")
        for line in path.read_text("utf-8").splitlines():
            key, equals, value = line.partition("=")
            if equals and not key.lstrip().startswith("#"):
                found[key.strip()] = " ".join(_words(value))
    return found


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
