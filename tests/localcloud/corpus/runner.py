"""Runs recorded behaviours against a local cloud, over the wire and without an SDK.

The SDKs check some parameters themselves and hide the HTTP status, so requests are signed here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from localcloud.products.catalogue import KINDS
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from localcloud.state.lifecycle import Lifecycle
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.corpus.entries import Answered, Entry, Passage, Preparation, Refused
from tests.localcloud.sdk_api import signed_v1
from tests.patience import end_of_wait

_NAME: Final = re.compile(r"\$([a-z][a-z0-9_]*)")
_SETTLED_WITHIN: Final = 20.0
_KINDS: Final[tuple[Any, ...]] = KINDS


def flat(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Nested parameters as the wire has them: `A.1.B=c`."""
    return dict(_leaves("", parameters))


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), child)
    elif isinstance(value, list):
        for number, child in enumerate(value, 1):
            yield from _leaves(f"{path}.{number}", child)
    elif isinstance(value, bool):
        yield path, "true" if value else "false"
    else:
        yield path, str(value)


def at(document: object, path: str) -> object:
    """The value at a dotted path; a number is a place in a list, `#` the length of one."""
    here: Any = document
    for step in path.split("."):
        if step == "#":
            here = len(here)
        elif isinstance(here, list):
            here = here[int(step)]
        else:
            here = here[step]
    return here


def lacking(document: object, keys: tuple[str, ...]) -> list[str]:
    """The keys that an answer does not have; a list is looked at through its first element."""
    absent = []
    for key in keys:
        here: Any = document
        for step in key.split("."):
            here = here[0] if isinstance(here, list) and here else here
            if not isinstance(here, dict) or step not in here:
                absent.append(key)
                break
            here = here[step]
    return absent


class Session:
    """One entry being run: the resources that it has created so far in `cloud`."""

    def __init__(self, cloud: CloudThread, world: Mapping[str, Preparation]) -> None:
        self.cloud = cloud
        self._world = world
        self._ids: dict[str, str] = {}
        self._versions = {p.name: p.version for p in cloud.products.values()}

    def send(
        self, call: str, parameters: Mapping[str, Any], without: tuple[str, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Send one signed request; its HTTP status and JSON answer."""
        product, _, action = call.partition(".")
        request = {
            "RegionId": self.cloud.cloud.region,
            **flat(self._resolved(parameters)),
            "Action": action,
            "Version": self._versions[product],
        }
        for name in without:
            request.pop(name, None)
        query = signed_v1(request, key=ROOT_KEY_ID, secret=ROOT_SECRET)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body = self.cloud.raw("POST", "/", query.encode(), headers)
        return status, json.loads(body)

    def _resolved(self, value: Any) -> Any:  # noqa: ANN401  # any JSON value
        if isinstance(value, Mapping):
            return {name: self._resolved(child) for name, child in value.items()}
        if isinstance(value, list):
            return [self._resolved(child) for child in value]
        if isinstance(value, str):
            return _NAME.sub(lambda match: self.id_of(match[1]), value)
        return value

    def id_of(self, name: str) -> str:
        """The id of a resource, which is created now if it was not named before."""
        if name == "zone":
            return self.cloud.cloud.zones[7]
        if name == "other_zone":
            return self.cloud.cloud.zones[8]
        if name not in self._ids:
            self.prepare(self._world[name])
        return self._ids[name]

    def prepare(self, step: Preparation) -> None:
        """Make a call that must succeed, and wait until every resource has settled."""
        status, answer = self.send(step.call, step.parameters)
        assert status == 200, f"{step.call} is only a preparation: {answer}"
        if step.name:
            self._ids[step.name] = str(at(answer, step.gives)) if step.gives else ""
        self.settle()

    def settle(self) -> None:
        """Wait until no resource's state changes by itself any more."""
        until = end_of_wait(_SETTLED_WITHIN)
        while any(life.next_change(time.time()) is not None for life in self._lives()):
            assert time.monotonic() < until, "the cloud does not settle"
            time.sleep(0.01)

    def _lives(self) -> list[Lifecycle]:
        def read() -> list[Lifecycle]:
            store = self.cloud.inside.store
            return [
                life
                for kind in _KINDS
                for one in store.all(kind)
                if isinstance(life := getattr(one, "life", None), Lifecycle)
            ]

        return list(self.cloud.call(read))

    def states_of(self, resource_id: str) -> tuple[str, ...]:
        """The states that a resource goes through; empty if it does not exist."""

        def read() -> tuple[str, ...]:
            store = self.cloud.inside.store
            for kind in _KINDS:
                life = getattr(store.find(kind, resource_id), "life", None)
                if isinstance(life, Lifecycle):
                    return tuple(status for _, status in life.steps)
            return ()

        return tuple(self.cloud.call(read))


def problems(session: Session, entry: Entry) -> list[str]:
    """The differences between the local cloud and the entry."""
    for step in entry.after:
        session.prepare(step)
    call = f"{entry.product}.{entry.action}"
    status, answer = session.send(call, entry.parameters, entry.without)
    match entry.expected:
        case Refused():
            return _refusal(status, answer, entry.expected)
        case Answered():
            return [
                *_success(session, status, answer, entry.expected),
                *(_passage(session, answer, entry.passes) if entry.passes else ()),
                *_look(session, entry),
            ]


def _refusal(status: int, answer: Mapping[str, Any], expected: Refused) -> list[str]:
    code = answer.get("Code", "")
    shown = f"{status} {code or 'success'} {answer.get('Message', '')}".strip()
    if status < 400:
        return [f"It is accepted: {answer}"]
    if str(code).startswith("LocalCloud."):
        return [f"The emulator does not have it: {shown}"]
    wrong_code = bool(expected.codes) and code not in expected.codes
    wrong_status = expected.status is not None and status != expected.status
    return [f"It answers {shown}"] if wrong_code or wrong_status else []


def _success(
    session: Session, status: int, answer: Mapping[str, Any], expected: Answered
) -> list[str]:
    if status != 200:
        return [f"It is refused: {status} {answer.get('Code')} {answer.get('Message')}"]
    return [
        *_values(session, answer, expected.shows),
        *(f"{key} is absent" for key in lacking(answer, expected.keys)),
    ]


def _values(
    session: Session, answer: Mapping[str, Any], shows: Mapping[str, object]
) -> Iterator[str]:
    for path, value in shows.items():
        expected = (
            _NAME.sub(lambda m: session.id_of(m[1]), value) if isinstance(value, str) else value
        )
        try:
            shown = at(answer, path)
        except (KeyError, IndexError, TypeError):
            yield f"{path} is absent from {answer}"
            continue
        if shown != expected:
            yield f"{path} is {shown!r}, not {expected!r}"


def _look(session: Session, entry: Entry) -> list[str]:
    if entry.then is None:
        return []
    session.settle()
    status, answer = session.send(entry.then.call, entry.then.parameters)
    if status != 200:
        return [f"{entry.then.call} answers {status} {answer.get('Code')}"]
    return list(_values(session, answer, entry.then.shows))


def _passage(session: Session, answer: Mapping[str, Any], passage: Passage) -> list[str]:
    name = passage.resource
    resource = session.id_of(name[1:]) if name.startswith("$") else str(at(answer, name))
    states = session.states_of(resource)
    if states == passage.through:
        return []
    return [f"{resource} passes {', '.join(states) or 'nothing'}"]
