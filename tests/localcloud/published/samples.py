"""The keys of the vendor's sample answers, and those that no answer of the emulator has.

`sample_keys.txt` has one line for each action: the paths of the keys in its sample answers, `[]`
being any item of a list. Source: the `responseDemo` of each action in the vendor's `api-docs.json`
(https://github.com/dew-serverless/acs-metadata, commit b3c749cc875f of 2025-12-19, both languages).
`samples_absent.txt` has those that no test of the SDKs sees; `python -m
tests.localcloud.published.keys` writes it. `samples_unanswered.json` has the reason for each of
these.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

PUBLISHED: Final = Path(__file__).with_name("sample_keys.txt")
ABSENT: Final = Path(__file__).with_name("samples_absent.txt")
UNANSWERED: Final = Path(__file__).with_name("samples_unanswered.json")
_SUFFIX: Final = ".shown"


@functools.cache
def published() -> Mapping[str, frozenset[str]]:
    """`Product.Action` → the paths of the keys in its sample answers."""
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines)
    return MappingProxyType({action: frozenset(paths) for action, *paths in rows})


@functools.cache
def absent() -> Mapping[str, tuple[str, ...]]:
    """`Product.Action` → the paths that no answer of the emulator has."""
    rows = (line.split() for line in ABSENT.read_text(encoding="utf-8").splitlines())
    return MappingProxyType({action: tuple(paths) for action, *paths in rows})


def absent_keys() -> Iterator[str]:
    """`Product.Action.Path` of each key that no answer of the emulator has."""
    for action, paths in absent().items():
        yield from (f"{action}.{path}" for path in paths)


@functools.cache
def marks() -> tuple[tuple[str, str], ...]:
    """Pattern of `Product.Action.Path`, without `[]`, → why the emulator does not answer it."""
    groups = json.loads(UNANSWERED.read_text(encoding="utf-8"))
    return tuple((pattern, group["reason"]) for group in groups for pattern in group["keys"])


def pattern_form(key: str) -> str:
    """A key as patterns name it: without `[]`, which a pattern would read as a set."""
    return key.replace("[]", "")


def reason_for(key: str) -> str | None:
    """Why no answer has this key; None without a mark."""
    form = pattern_form(key)
    return next((why for pattern, why in marks() if fnmatch.fnmatchcase(form, pattern)), None)


def paths_in(value: object, at: str = "") -> Iterator[str]:
    """The paths of the keys in an answer."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            path = f"{at}.{name}" if at else str(name)
            yield path
            yield from paths_in(child, path)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from paths_in(child, f"{at}[]")


def record(folder: str, product: str, action: str, answer: Mapping[str, object]) -> None:
    """Note the keys of an answer, one file for each process."""
    with (Path(folder) / f"pid-{os.getpid()}{_SUFFIX}").open("a") as notes:
        notes.write(" ".join((f"{product}.{action}", *dict.fromkeys(paths_in(answer)))) + "\n")


def recorded(folder: str) -> dict[str, set[str]]:
    """`Product.Action` → all recorded paths."""
    shown: dict[str, set[str]] = {}
    for notes in Path(folder).glob(f"*{_SUFFIX}"):
        for line in notes.read_text().splitlines():
            action, *paths = line.split()
            shown.setdefault(action, set()).update(paths)
    return shown


def write_absent(shown: Mapping[str, set[str]]) -> None:
    """Write the published paths that were not recorded. The gateway adds RequestId."""
    lines = []
    for action, paths in sorted(published().items()):
        missing = sorted(paths - shown.get(action, set()) - {"RequestId"})
        if missing:
            lines.append(" ".join((action, *missing)))
    ABSENT.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
