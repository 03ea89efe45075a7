from __future__ import annotations

import pytest
import yaml

from operations.engine.environment import LOCAL_PASSPHRASE
from operations.engine.stack_file import path_of_stack
from operations.secrets.passphrase import make_encryption_salt, opens

pytestmark = pytest.mark.unit


def test_the_tracked_local_stack_opens_with_the_public_passphrase() -> None:
    document = yaml.safe_load(path_of_stack("local").read_text())
    assert opens(LOCAL_PASSPHRASE, document["encryptionsalt"])


def test_another_passphrase_does_not_open_it() -> None:
    salt = make_encryption_salt("right", salt=b"8 bytes.", nonce=b"twelve bytes")
    assert opens("right", salt)
    assert not opens("wrong", salt)


@pytest.mark.parametrize("text", ["", "v1", "v2:a:v1:b:c", "v1:!:v1:!:!", "v1:AAAA:v1:AAAA:AAAA"])
def test_a_value_that_is_not_a_salt_opens_with_nothing(text: str) -> None:
    assert not opens(LOCAL_PASSPHRASE, text)
