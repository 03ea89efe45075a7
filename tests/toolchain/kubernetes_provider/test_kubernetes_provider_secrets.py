"""No message of the provider shows a secret: each secret input through each call that fails."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.toolchain.kubernetes_provider.engine_side import (
    EngineSide,
    InitFailed,
    Refused,
    StateEntry,
)
from tests.toolchain.kubernetes_provider.servers.fake_api_server import FakeApiServer, StatusError
from toolchain.kubernetes_provider.protocol.wire import Object, Secret, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.unit

POOL = "kubernetes:example.com/v1:Pool"
SECRET = "kubernetes:core/v1:Secret"  # noqa: S105 - a type token
RELEASE = "kubernetes:helm.sh/v3:Release"

CANARY = "canary-7f3a-never-shown"
LINES = f"-----BEGIN FAKE KEY-----\n{CANARY}-one\n{CANARY}-two\n-----END FAKE KEY-----\n"
ENCODED = base64.b64encode(LINES.encode()).decode()

Change = dict[str, Any]

USERS: dict[str, Change] = {
    "token": {"token": CANARY},
    "password": {"username": "admin", "password": CANARY},
    "client-key-data": {"client-certificate-data": ENCODED, "client-key-data": ENCODED},
    "not base64": {"client-certificate-data": f"{CANARY}!", "client-key-data": f"{CANARY}!"},
    "exec": {"exec": {"command": "login", "env": [{"name": "KEY", "value": CANARY}]}},
    "auth-provider": {"auth-provider": {"name": "oidc", "config": {"id-token": CANARY}}},
}
CLUSTERS: dict[str, Change] = {
    "loopback": {"server": "https://127.0.0.1:1"},
    "far": {"server": "https://203.0.113.1:6443"},
    "far with a password": {"server": f"https://admin:{CANARY}@203.0.113.1:6443"},
    "proxy": {"server": "https://127.0.0.1:1", "proxy-url": f"http://admin:{CANARY}@127.0.0.1:2"},
    "no server": {},
}


def kubeconfig(user: Change, cluster: Change) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        }
    )


KUBECONFIGS = {
    f"{user} / {cluster}": kubeconfig(USERS[user], CLUSTERS[cluster])
    for user in USERS
    for cluster in CLUSTERS
} | {
    "not YAML": f"users: [{{token: {CANARY}",
    "no kubeconfig": f"token: {CANARY}",
    "a text": CANARY,
}


def hidden(text: str) -> bool:
    return CANARY not in text and ENCODED not in text


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("case", KUBECONFIGS)
def test_no_refused_provider_shows_a_secret_of_its_kubeconfig(case: str, *, marked: bool) -> None:
    text = KUBECONFIGS[case]
    kubeconfig: Value = Secret(value=text) if marked else text
    shown: list[str] = []
    with EngineSide() as side:
        shown += side.check_config({"kubeconfig": kubeconfig})
        shown += attempted(lambda: side.configure({"kubeconfig": kubeconfig}))
        shown += attempted(lambda: side.create(POOL, "p", pool("open"), preview=True))
        shown += attempted(lambda: side.create(POOL, "p", pool("open")))
        shown += attempted(lambda: side.read(POOL, "p", StateEntry(resource_id="p")))
        shown += attempted(lambda: side.delete(POOL, "p", StateEntry(resource_id="p")))
        shown += side.messages("INFO") + side.messages("WARNING") + side.statuses()
    assert shown
    assert [text for text in shown if not hidden(text)] == []


def test_a_refused_provider_gets_the_reason() -> None:
    with EngineSide() as side:
        [shown] = side.check_config({"kubeconfig": KUBECONFIGS["token / far"]})
    assert shown.startswith(
        "kubeconfig: The API server https://203.0.113.1:6443 is not on loopback."
    )


def pool(key: Value) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Pool",
        "metadata": {"name": "p"},
        "spec": {"key": key},
    }


def secret(**fields: Value) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


INPUTS: dict[str, tuple[str, Object]] = {
    "data": (SECRET, secret(data={"key": ENCODED})),
    "data, marked": (SECRET, secret(data=Secret(value={"key": ENCODED}))),
    "stringData": (SECRET, secret(stringData={"key": LINES})),
    "stringData, marked": (SECRET, secret(stringData={"key": Secret(value=LINES)})),
    "a marked field": (POOL, pool(Secret(value=LINES))),
    "a marked map": (POOL, pool(Secret(value={"inner": [LINES, CANARY]}))),
    "a marked item of a list": (POOL, pool(["open", Secret(value=CANARY)])),
}


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as running:
        running.kinds["example.com/v1"] = [("pools", "Pool", False)]
        yield running


@pytest.fixture
def engine(server: FakeApiServer) -> Iterator[EngineSide]:
    with EngineSide() as side:
        side.configure({"kubeconfig": server.kubeconfig})
        yield side


@pytest.mark.parametrize("case", INPUTS)
def test_no_failing_call_shows_a_secret_input(
    case: str, server: FakeApiServer, engine: EngineSide
) -> None:
    token, inputs = INPUTS[case]
    entry = engine.create(token, "r", inputs)

    def quote(written: Change) -> None:
        texts = "\n".join(strings_in(written))
        raise StatusError(422, "Invalid", f"invalid: {json.dumps(written)} {texts}")

    server.admit = quote
    changed = labelled(inputs)
    broken: list[Object] = [
        {key: value for key, value in inputs.items() if key != missing}
        for missing in ("apiVersion", "kind", "metadata")
    ]
    shown: list[str] = []
    for wrong in (*broken, {**inputs, "metadata": "text"}, {**inputs, "kind": "PoolList"}):
        shown += engine.check(token, "r", wrong)[1]
    shown += attempted(lambda: engine.create(token, "again", inputs))
    shown += attempted(lambda: engine.create(token, "other", changed))
    shown += attempted(lambda: engine.create(token, "other", changed, preview=True))
    shown += attempted(lambda: engine.update(token, "r", entry, changed))
    shown += attempted(lambda: engine.update(token, "r", entry, changed, preview=True))
    shown += engine.messages("INFO") + engine.messages("WARNING") + engine.statuses()
    assert any("invalid: " in text for text in shown)
    assert [text for text in shown if not hidden(text)] == []


def labelled(inputs: Object) -> Object:
    metadata = inputs["metadata"]
    assert isinstance(metadata, dict)
    return {**inputs, "metadata": {**metadata, "labels": {"changed": "yes"}}}


def strings_in(value: object) -> Iterator[str]:
    """Every text of a document, and what it is the base64 of."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)
    elif isinstance(value, str):
        yield value
        with contextlib.suppress(binascii.Error, ValueError):
            yield base64.b64decode(value, validate=True).decode()


def attempted(call: Callable[[], object]) -> list[str]:
    """What a call that fails says; [] when it does not fail."""
    try:
        call()
    except Refused as refused:
        return [str(refused)]
    except InitFailed as failed:
        return [failed.message, *failed.reasons]
    return []
