"""Turns a stack file's content into a `ClusterConfig`, or into one report of every problem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.adapted import with_adapted
from config.facts.unsupported import limit_of_key
from config.model import ClusterConfig
from config.plain_secrets import looks_secret, masked, plain_secrets, secret_texts
from config.profiles import with_profile
from config.repair import stand_in
from config.report import ConfigError, Problem, path_of
from config.rules import broken_rules
from config.schema_errors import nearest_key, problem_of
from config.schema_walk import Path, document_path, value_at

_VSWITCH = re.compile(r"network\.subnets\.[^.]+\.zones\.[^.]+")
_OF_ZONES = re.compile(r"\.zones?(\[\d+\])?$")
"""Paths of keys that choose a zone. A problem there may only follow from a vSwitch that was left
out."""
_ATTEMPTS = 64
"""The most attempts at reading a file. Each one leaves out what could not be read."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What could be read of a document, and everything that is wrong with it.

    `config` lacks the unreadable parts that `problems` report, or has stand-ins for them, so that
    the rest can be checked in the same run. It is None if too little is left. `left_out` has the
    paths of these parts.
    """

    config: ClusterConfig | None
    problems: tuple[Problem, ...]
    left_out: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Texts of the document that no message may show."""

    def concerns(self, problem: Problem) -> bool:
        """Whether a problem is real, and not a consequence of what was left out."""
        if _OF_ZONES.search(problem.path) and any(map(_VSWITCH.fullmatch, self.left_out)):
            return False
        text = f"{problem.rule} "
        return not any(
            _related(problem.path, path)
            # A path of one word, such as `name`, is an ordinary word of a sentence.
            or ("." in path and (f"{path} " in text or f"{path})" in text))
            for path in self.left_out
        )


def load(document: Mapping[str, object]) -> ClusterConfig:
    """Check the `cluster` object of a stack file, with its profile's defaults laid under it.

    Raises `ConfigError` with every problem of the configuration itself; `planning.read.plan_from`
    also has those of its layout, in the same report.
    """
    reading = read(document)
    if reading.problems or reading.config is None:
        raise ConfigError(reading.problems)
    return reading.config


def effective_document(document: Mapping[str, object]) -> dict[str, object]:
    """The document with every default that is not the model's own."""
    return with_adapted(with_profile(document))


def read(document: Mapping[str, object]) -> Reading:
    """Read as much of a document as can be read, and collect every problem."""
    effective = effective_document(document)
    config, problems, left_out = _validate(effective)
    reading = Reading(
        config=config,
        problems=(),
        left_out=tuple(left_out),
        secrets=frozenset(secret_texts(effective)),
    )
    problems += plain_secrets(document)
    if config is not None:
        problems += [p for p in broken_rules(config) if reading.concerns(p)]
    return replace(reading, problems=tuple(masked(p, reading.secrets) for p in problems))


def _validate(
    document: Mapping[str, object],
) -> tuple[ClusterConfig | None, list[Problem], list[str]]:
    """Validate, leaving out what is wrong and trying again, until the rest is a configuration."""
    problems: dict[tuple[str, str], Problem] = {}
    left_out: list[str] = []
    rest = deepcopy(dict(document))
    for _ in range(_ATTEMPTS):
        try:
            return ClusterConfig.model_validate(rest), list(problems.values()), left_out
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        left_out += [path_of(*key) for detail in errors if (key := _intended_key(detail, rest))]
        progress = False
        for detail in errors:
            problem = problem_of(detail, _visible(detail, rest))
            if not any(_related(problem.path, path) for path in left_out):
                problems.setdefault((problem.path, problem.rule), problem)
            removed = _leave_out(rest, detail, document)
            if removed is not None:
                progress = True
                if detail["type"] != "extra_forbidden":
                    left_out.append(path_of(*removed))
        if not progress:
            break
    return None, list(problems.values()), left_out


def _intended_key(detail: ErrorDetails, rest: Mapping[str, object]) -> Path | None:
    """The path that an unknown key probably means; None if it is set or no key is similar.

    A value under a misspelt key is not missing, so its absence is not a second problem.
    """
    path = document_path(detail["loc"])
    if detail["type"] != "extra_forbidden" or limit_of_key(path) is not None:
        return None
    key = nearest_key(path)
    holder = value_at(rest, path[:-1])
    present = isinstance(holder, Mapping) and key in holder
    return None if key is None or present else (*path[:-1], key)


def _leave_out(
    rest: dict[str, object], detail: ErrorDetails, document: Mapping[str, object]
) -> Path | None:
    """Replace an invalid value by a stand-in, or leave out the value or what contains it."""
    path = document_path(detail["loc"])
    invalid = value_at(rest, path)
    instead = None if detail["type"] == "extra_forbidden" else stand_in(detail, invalid, document)
    holder = value_at(rest, path[:-1])
    if instead is not None and instead != invalid and isinstance(holder, dict):
        holder[path[-1]] = instead
        return path
    if detail["type"] == "missing":
        path = path[:-1]
    while path:
        holder = value_at(rest, path[:-1])
        if isinstance(holder, dict) and path[-1] in holder:
            del holder[path[-1]]
            return path
        # An error inside a list leaves out the whole list.
        path = path[:-1]
    return None


def _visible(detail: ErrorDetails, rest: Mapping[str, object]) -> object:
    """The value that an error is about; None when there is none, or when it may be a secret."""
    path = document_path(detail["loc"])
    value = value_at(rest, path)
    return None if looks_secret(value, path) is not None else value


def _related(one: str, other: str) -> bool:
    """Whether one path is the other, or lies above or below it."""
    short, long = sorted((one, other), key=len)
    return long == short or long.startswith((f"{short}.", f"{short}["))


def all_problems(reading: Reading, further: Iterable[Problem]) -> Iterator[Problem]:
    """The problems of a reading, and further ones that are not consequences of it."""
    yield from reading.problems
    yield from (masked(p, reading.secrets) for p in further if reading.concerns(p))
