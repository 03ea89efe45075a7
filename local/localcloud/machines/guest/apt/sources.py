"""apt's sources and preferences, as texts; no file is read here.

Rules: sources.list(5), deb822 format, and apt_preferences(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class AptError(Exception):
    """An error that every apt-get command fails with."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One repository. `signed_by` is a key file; empty without one."""

    uri: str
    suite: str
    signed_by: str


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A preference for some versions of packages; `*` is allowed in the names and the version."""

    names: tuple[str, ...]
    version: str
    priority: int

    def means(self, name: str, version: str) -> bool:
        """Whether the pin matches this version of this package."""
        return any(fnmatchcase(name, pattern) for pattern in self.names) and fnmatchcase(
            version, self.version
        )


def read(text: str) -> list[Source]:
    """Read a file of sources."""
    return [
        Source(
            uri=stanza["uris"],
            suite=stanza.get("suites", "/"),
            signed_by=stanza.get("signed-by", ""),
        )
        for stanza in _stanzas(text)
        if stanza.get("enabled", "yes") != "no"
    ]


def read_preferences(texts: Iterable[str]) -> list[Pin]:
    """Read files of preferences. A pin that matches no version is valid: apt ignores it."""
    pins = []
    for text in texts:
        for stanza in _stanzas(text):
            if "package" not in stanza:
                raise AptError("E: Invalid record in the preferences file, no Package header")
            kind, _, value = stanza.get("pin", "").partition(" ")
            if kind not in {"version", "release", "origin"}:
                raise AptError(f"E: Did not understand pin type {kind}")
            if not re.fullmatch(r"-?[1-9]\d*", stanza.get("pin-priority", "")):
                raise AptError("E: No priority (or zero) specified for pin")
            if kind == "version":
                pins.append(
                    Pin(
                        names=tuple(stanza["package"].split()),
                        version=value.strip(),
                        priority=int(stanza["pin-priority"]),
                    )
                )
    return pins


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if lines:
            pairs = [line.partition(":") for line in lines]
            yield {key.strip().lower(): value.strip() for key, _, value in pairs}
