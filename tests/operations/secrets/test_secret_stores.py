"""Secrets are made once, kept privately, and never printed."""

from __future__ import annotations

import random
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError
from operations.secrets.store import (
    FileStore,
    NewSecrets,
    SecretStore,
    StackConfigStore,
    init_secrets,
    read_secrets,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, tzinfo=UTC)

_PULUMI = """\
#!{python}
import pathlib, sys
kept = pathlib.Path("kept")
pathlib.Path("argv").open("a").write(" ".join(sys.argv[1:]) + "\\n")
if "--fail" in pathlib.Path("mode").read_text():
    sys.exit("error: incorrect passphrase")
if sys.argv[2] == "set":
    kept.write_text(sys.stdin.read())
else:
    print(kept.read_text(), end="")
"""


def init(store: SecretStore, *, seed: int = 1) -> NewSecrets:
    return init_secrets(
        "guide",
        store,
        clock=lambda: NOW,
        entropy=random.Random(seed).randbytes,  # noqa: S311 - a test
    )


@pytest.fixture
def stack(tmp_path: Path) -> StackConfigStore:
    program = tmp_path / "pulumi"
    program.write_text(_PULUMI.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o700)
    (tmp_path / "mode").write_text("", encoding="utf-8")
    runner = Runner(env={"PATH": str(tmp_path)}, cwd=tmp_path)
    return StackConfigStore(stack="dev", runner=runner, kept=False)


def test_a_new_secrets_file_is_private_and_can_be_read_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "new" / "secrets.yaml")
    assert init(store).where == str(store.path)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert read_secrets(store).bootstrap_token


def test_no_other_file_is_left_next_to_the_secrets(tmp_path: Path) -> None:
    init(FileStore(tmp_path / "secrets.yaml"))
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.yaml"]


def test_secrets_that_are_there_are_kept(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "secrets.yaml")
    init(store)
    before = store.path.read_text(encoding="utf-8")
    with pytest.raises(OperationError, match="would have another CA") as refused:
        init(store, seed=2)
    assert refused.value.code is ExitCode.REFUSED
    assert store.path.read_text(encoding="utf-8") == before


def test_a_file_with_something_else_is_refused_without_its_content(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "secrets.yaml")
    store.path.write_text("hunter2", encoding="utf-8")
    with pytest.raises(OperationError) as refused:
        read_secrets(store)
    assert "hunter2" not in str(refused.value)
    assert str(store.path) in str(refused.value)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="secrets init"):
        read_secrets(FileStore(tmp_path / "secrets.yaml"))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OperationError) as refused:
        init(FileStore(tmp_path / "file" / "secrets.yaml"))
    assert refused.value.code is ExitCode.UNPREPARED


def test_a_stack_keeps_them_by_standard_input_and_never_by_arguments(
    stack: StackConfigStore, tmp_path: Path
) -> None:
    init(stack)
    assert (tmp_path / "argv").read_text(encoding="utf-8").splitlines() == [
        "config set --secret spiderpool-alicloud:secrets --stack dev --non-interactive"
    ]
    secrets = read_secrets(stack)
    assert secrets.bootstrap_token in (tmp_path / "kept").read_text(encoding="utf-8")


def test_a_stack_that_has_them_keeps_them(stack: StackConfigStore, tmp_path: Path) -> None:
    full = StackConfigStore(stack="dev", runner=stack.runner, kept=True)
    with pytest.raises(OperationError, match="stack dev already has secrets"):
        init(full)
    assert not (tmp_path / "argv").exists()


def test_an_error_of_pulumi_is_reported_with_a_remedy(
    stack: StackConfigStore, tmp_path: Path
) -> None:
    (tmp_path / "mode").write_text("--fail", encoding="utf-8")
    with pytest.raises(OperationError, match=r"incorrect passphrase.*PULUMI_CONFIG_PASSPHRASE"):
        init(stack)


def test_the_outcome_of_init_has_no_secret(tmp_path: Path) -> None:
    outcome = init(FileStore(tmp_path / "secrets.yaml"))
    assert outcome == NewSecrets(where=str(tmp_path / "secrets.yaml"), expires=outcome.expires)
    assert outcome.expires.year == 2036
