"""The secrets' stored form: a round trip, and errors that never repeat what was read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning.nodes.secrets import SecretsError, dump_secrets, parse_secrets
from tests.clusters import fake_secrets

pytestmark = pytest.mark.unit

Document = dict[str, Any]


def document() -> Document:
    return dict(json.loads(dump_secrets(fake_secrets())))


def refused(text: str) -> SecretsError:
    with pytest.raises(SecretsError) as refusal:
        parse_secrets(text)
    return refusal.value


def test_what_was_written_is_read_back() -> None:
    assert parse_secrets(dump_secrets(fake_secrets())) == fake_secrets()


def test_no_secret_shows_when_it_is_printed() -> None:
    shown = repr(fake_secrets()) + str(fake_secrets()) + repr(fake_secrets().ca)
    for line in dump_secrets(fake_secrets()).split('"'):
        if len(line) > 20:
            assert line not in shown


def test_secrets_of_an_earlier_release_encrypt_nothing_and_new_ones_do() -> None:
    earlier = document()
    assert earlier.pop("encryptionKeys") == "key1"
    assert parse_secrets(json.dumps(earlier)).encryption_keys == ("identity",)


def _swap(secrets: Document, one: str, other: str) -> None:
    secrets[one]["key"] = secrets[other]["key"]


CHANGES: dict[str, tuple[Callable[[Document], object], str]] = {
    "a key missing": (lambda d: d.pop("ca"), "`ca.certificate` is missing"),
    "a part missing": (lambda d: d["etcdCa"].pop("key"), "`etcdCa.key` is missing"),
    "another release": (lambda d: d.update(version=2), "`version` is not 1"),
    "an unknown key": (lambda d: d.update(hunter2="x"), "1 unknown key(s)"),
    "no certificate": (lambda d: d["ca"].update(certificate="hunter2"), "`ca.certificate` is not"),
    "no key": (lambda d: d["ca"].update(key="hunter2"), "`ca.key` is not a PEM private key"),
    "another's key": (lambda d: _swap(d, "ca", "etcdCa"), "`ca.key` is not the key of"),
    "another CA": (lambda d: d.update(ca=d["etcdCa"]), "was not signed by `ca`"),
    "another webhook CA": (
        lambda d: d.update(webhookCa=d["ca"]["certificate"]),
        "`webhook.certificate` was not signed by `webhookCa`",
    ),
    "another public key": (
        lambda d: d.update(serviceAccountPublicKey="hunter2"),
        "is not the public half",
    ),
    "keys of no name": (
        lambda d: d.update(encryptionKeys="key1 hunter2"),
        "`encryptionKeys` is not a list of different names",
    ),
    "a key twice": (
        lambda d: d.update(encryptionKeys="key1 key1"),
        "`encryptionKeys` is not a list of different names",
    ),
    "keys that are no text": (
        lambda d: d.update(encryptionKeys=["key1"]),
        "`encryptionKeys` is not a text",
    ),
    "a malformed token": (lambda d: d.update(bootstrapToken="hunter2"), "`bootstrapToken` is not"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_broken_document_is_refused_with_the_key_and_without_the_value(name: str) -> None:
    change, message = CHANGES[name]
    secrets = document()
    change(secrets)
    error = refused(json.dumps(secrets))
    assert message in str(error)
    assert "secrets init" in str(error)
    assert "hunter2" not in str(error) + repr(error)


def test_all_problems_are_reported_at_once() -> None:
    secrets = document()
    secrets["bootstrapToken"] = "x"
    secrets["admin"] = secrets["webhook"]
    assert len(refused(json.dumps(secrets)).problems) == 2


def test_a_parsers_own_error_does_not_come_along() -> None:
    error = refused('{"ca": hunter2}')
    assert (error.__cause__, error.__context__) == (None, None)
    assert "line 1" in str(error)
    assert "hunter2" not in str(error)


@given(st.text())
def test_any_text_is_either_secrets_or_one_clear_refusal(text: str) -> None:
    assert str(refused(text)).startswith("the cluster's secrets cannot be used:")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_json_is_refused_without_a_traceback_of_ours(value: object) -> None:
    assert refused(json.dumps(value)).problems
