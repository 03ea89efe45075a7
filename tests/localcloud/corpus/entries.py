"""The recorded behaviours: one YAML file for each product, read into frozen records.

A file `<product>.yaml` has two lists:

    entries:
      - action: AuthorizeSecurityGroup
        condition: The group names itself as the source.
        with: {SecurityGroupId: $group, IpProtocol: all, SourceGroupId: $group}
        refused: {status: 403, codes: [InvalidParamter.Conflict]}
        source: https://…
        confidence: high
        date: 2021-07
    not_run:
      - {action: …, condition: …, real: …, reason: …, source: …, confidence: …, date: …}

Optional keys of an entry: `cloud` (settings of the local cloud), `after` (calls that come first),
`without` (common parameters that the call leaves out), `then` (a call whose answer is looked at
afterwards), `passes` (the states that a resource goes through), and `differs` (why the local cloud
does not answer so; the test then fails as soon as it does). Exactly one of `refused` and `answered`
says what is expected; `codes: []` means that no code is published, and `status` may be left out.
`$name` is a resource of `world.yaml`, made when it is first named, or the result of an `after`
call. The key `date` is when the source was published, "undated" if the source has no date.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent
CONFIDENCES: Final = frozenset({"high", "medium", "low"})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a behaviour is recorded."""

    source: str
    confidence: str
    date: str


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """An earlier call: `call` is `Ecs.StopInstance`, `gives` a path in its answer."""

    call: str
    parameters: Mapping[str, Any]
    name: str = ""
    gives: str = ""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An error: its HTTP status, None if not published, and the codes in the sources."""

    codes: tuple[str, ...]
    status: int | None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Success: values at paths of the answer, and keys that the answer has."""

    shows: Mapping[str, object]
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What another call's answer shows afterwards."""

    call: str
    parameters: Mapping[str, Any]
    shows: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Passage:
    """The states that a resource goes through after the call, the last one for good."""

    resource: str
    through: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recorded behaviour that the local cloud has to show."""

    product: str
    action: str
    condition: str
    parameters: Mapping[str, Any]
    without: tuple[str, ...]
    cloud: Mapping[str, Any]
    after: tuple[Preparation, ...]
    expected: Refused | Answered
    then: Look | None
    passes: Passage | None
    origin: Origin
    differs: str

    @property
    def title(self) -> str:
        """What names the entry among all."""
        return f"{self.product}.{self.action}: {self.condition}"


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """A recorded behaviour that no test runs, and the reason."""

    product: str
    action: str
    condition: str
    real: str
    reason: str
    origin: Origin


def _origin(row: Mapping[str, Any]) -> Origin:
    return Origin(source=row["source"], confidence=row["confidence"], date=str(row["date"]))


def _preparation(row: Mapping[str, Any]) -> Preparation:
    return Preparation(
        call=row["call"],
        parameters=row.get("with", _NOTHING),
        name=row.get("name", ""),
        gives=row.get("gives", ""),
    )


def _expected(row: Mapping[str, Any]) -> Refused | Answered:
    if ("refused" in row) == ("answered" in row):
        raise ValueError(f"{row['action']}: {row['condition']}: either `refused` or `answered`")
    if "refused" in row:
        refused = row["refused"]
        return Refused(codes=tuple(refused["codes"]), status=refused.get("status"))
    answered = row["answered"] or {}
    return Answered(shows=answered.get("shows", _NOTHING), keys=tuple(answered.get("keys", ())))


def entry_of(product: str, row: Mapping[str, Any]) -> Entry:
    """One behaviour from its row in a file."""
    then, passes = row.get("then"), row.get("passes")
    return Entry(
        product=row.get("product", product),
        action=row["action"],
        condition=row["condition"],
        parameters=row.get("with", _NOTHING),
        without=tuple(row.get("without", ())),
        cloud=row.get("cloud", _NOTHING),
        after=tuple(_preparation(p) for p in row.get("after", ())),
        expected=_expected(row),
        then=Look(call=then["call"], parameters=then["with"], shows=then["shows"])
        if then
        else None,
        passes=Passage(resource=passes["resource"], through=tuple(passes["through"]))
        if passes
        else None,
        origin=_origin(row),
        differs=row.get("differs", ""),
    )


@functools.cache
def _documents() -> tuple[tuple[str, Mapping[str, Any]], ...]:
    paths = (p for p in sorted(FOLDER.glob("*.yaml")) if p.stem not in {"world", "metadata"})
    # The loader in C takes a sixth of the time, in each worker of a test run.
    documents = (yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in paths)
    return tuple((document["product"], document) for document in documents)


def entries() -> list[Entry]:
    """All behaviours that are run."""
    return [
        entry_of(product, row) for product, document in _documents() for row in document["entries"]
    ]


def not_run() -> list[NotRun]:
    """All behaviours that are not run."""
    return [
        NotRun(
            product=product,
            action=row["action"],
            condition=row["condition"],
            real=row["real"],
            reason=row["reason"],
            origin=_origin(row),
        )
        for product, document in _documents()
        for row in document.get("not_run") or ()
    ]


def world() -> dict[str, Preparation]:
    """The resources that an entry can name."""
    rows = yaml.safe_load((FOLDER / "world.yaml").read_text())
    return {name: _preparation({**row, "name": name}) for name, row in rows.items()}
