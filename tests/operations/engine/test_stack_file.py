from __future__ import annotations

from pathlib import Path

import pytest

from config.report import ConfigError
from operations.engine.stack_file import Stack, path_of_stack

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_every_tracked_stack_file_is_read_and_planned(stack: str) -> None:
    assert Stack.read(path_of_stack(stack)).plan().profile.value == stack


def test_only_the_local_stack_keeps_its_secrets_in_a_file() -> None:
    named = {s: Stack.read(path_of_stack(s)).secrets_file for s in ("local", "dev", "prod")}
    assert named == {"local": ".local/secrets.yaml", "dev": None, "prod": None}


def test_no_tracked_stack_file_carries_secrets() -> None:
    assert not any(Stack.read(path_of_stack(s)).has_secrets for s in ("local", "dev", "prod"))


def test_encrypted_secrets_are_seen_without_being_opened(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    text = path_of_stack("dev").read_text()
    path.write_text(
        text.replace(
            "config:\n", "config:\n  spiderpool-alicloud:secrets:\n    secure: v1:fake\n", 1
        )
    )
    assert Stack.read(path).has_secrets


def test_a_missing_file_is_reported_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.typo.yaml"
    with pytest.raises(ConfigError, match=r"Pulumi\.typo\.yaml"):
        Stack.read(path)
