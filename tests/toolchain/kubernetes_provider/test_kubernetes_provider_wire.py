from __future__ import annotations

import base64

import pytest

from toolchain.kubernetes_provider.protocol.wire import (
    UNKNOWN,
    Object,
    Secret,
    contains_unknown,
    dump,
    load,
    plain,
    redact,
    secret_texts,
    with_secrets_of,
)

pytestmark = pytest.mark.unit


def test_every_kind_of_value_survives_the_wire() -> None:
    properties: Object = {
        "text": "x",
        "whole": 3,
        "part": 1.5,
        "yes": True,
        "nothing": None,
        "list": [1, {"a": Secret(value={"b": "c"})}],
        "later": UNKNOWN,
    }
    assert load(dump(properties)) == properties


def test_whole_numbers_become_integers() -> None:
    assert isinstance(load(dump({"replicas": 2.0}))["replicas"], int)


def test_an_unknown_inside_a_secret_is_detected() -> None:
    assert contains_unknown({"a": [Secret(value={"b": UNKNOWN})]})


def test_plain_unwraps_secrets_at_every_depth() -> None:
    assert plain({"a": [Secret(value=Secret(value=1))]}) == {"a": [1]}


def test_outputs_are_secret_where_inputs_are() -> None:
    outputs: Object = {"a": {"b": "s", "c": "p"}, "l": ["x", "y"]}
    inputs: Object = {"a": {"b": Secret(value="s")}, "l": ["x", Secret(value="y")]}
    assert with_secrets_of(outputs, inputs) == {
        "a": {"b": Secret(value="s"), "c": "p"},
        "l": Secret(value=["x", "y"]),
    }


def test_the_data_of_a_kubernetes_secret_is_always_secret() -> None:
    outputs: Object = {"kind": "Secret", "data": {"k": "dg=="}}
    assert with_secrets_of(outputs, {"kind": "Secret", "data": {"k": "dg=="}}) == {
        "kind": "Secret",
        "data": Secret(value={"k": "dg=="}),
    }


def test_messages_lose_secrets_in_every_form_they_may_be_quoted() -> None:
    pem = "-----BEGIN KEY-----\nabcdefghijklmnopqrstuvwx\n-----END KEY-----"
    encoded = base64.b64encode(b"swordfish").decode()
    hidden = secret_texts([{"kind": "Secret", "data": {"p": encoded}}, {"v": Secret(value=pem)}])
    message = f"bad {encoded} means swordfish; line abcdefghijklmnopqrstuvwx; {pem}"
    assert redact(message, hidden) == ("bad [secret] means [secret]; line [secret]; [secret]")


def test_a_secret_does_not_show_in_its_representation() -> None:
    assert "swordfish" not in repr(Secret(value="swordfish"))
