from __future__ import annotations

from pathlib import Path

import pytest

from operations.failure import ExitCode, OperationError
from operations.stack_file import path_of_stack, read_stack_file

pytestmark = pytest.mark.unit


def refusal(path: Path) -> str:
    with pytest.raises(OperationError) as caught:
        read_stack_file(path)
    assert caught.value.code is ExitCode.REFUSED
    return str(caught.value)


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_every_tracked_stack_file_is_read(stack: str) -> None:
    found = read_stack_file(path_of_stack(stack))
    assert found.cluster["profile"] == stack


def test_only_the_local_stack_keeps_its_secrets_in_a_file() -> None:
    named = {s: read_stack_file(path_of_stack(s)).secrets_file for s in ("local", "dev", "prod")}
    assert named == {"local": ".local/secrets.yaml", "dev": None, "prod": None}


def test_a_missing_file_is_told_with_the_ones_that_exist(tmp_path: Path) -> None:
    assert "Pulumi.local.yaml" in refusal(tmp_path / "Pulumi.typo.yaml")


def test_broken_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("config:\n  a: [1\n  b: 2\n")
    assert "line 3" in refusal(path)


def test_an_unknown_configuration_key_is_told_with_the_nearest_known_one(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("config:\n  spiderpool-alicloud:clutser: {}\n")
    said = refusal(path)
    assert "spiderpool-alicloud:clutser" in said
    assert "did you mean spiderpool-alicloud:cluster?" in said


def test_a_file_without_a_cluster_is_told_where_to_start(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("config: {}\n")
    assert "stacks/Pulumi.dev.yaml" in refusal(path)


@pytest.mark.parametrize("text", ["", "[]", "text", "config: 3\n"])
def test_a_file_of_another_shape_is_refused_without_a_traceback(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(text)
    assert "must be a map" in refusal(path)


def test_a_directory_and_a_binary_are_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "not text" in refusal(binary)
