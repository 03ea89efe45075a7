"""Which process of the host a session joins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localcloud.machines.session import first_process

pytestmark = pytest.mark.unit


def process(proc: Path, number: int, words: list[str], root: Path) -> None:
    entry = proc / str(number)
    entry.mkdir(parents=True)
    (entry / "cmdline").write_bytes(b"\0".join(os.fsencode(word) for word in (*words, "")))
    (entry / "root").symlink_to(root)


def machine(home: Path, name: str) -> Path:
    folder = home / "machines" / name
    (folder / "disk").mkdir(parents=True)
    return folder


def guest(folder: Path) -> list[str]:
    return ["python", "-m", "localcloud.machines.guest", str(folder), "7"]


def test_a_session_joins_the_machines_first_process(tmp_path: Path) -> None:
    folder, other = machine(tmp_path, "i-1"), machine(tmp_path, "i-2")
    proc = tmp_path / "proc"
    process(proc, 10, ["unshare", "--mount", *guest(folder)], tmp_path)
    process(proc, 11, guest(folder), folder / "disk")
    process(proc, 12, guest(other), other / "disk")
    assert first_process(folder, proc) == 11


def test_a_machine_that_is_still_in_the_hosts_files_is_not_joined(tmp_path: Path) -> None:
    folder = machine(tmp_path, "i-1")
    process(tmp_path / "proc", 11, guest(folder), tmp_path)
    assert first_process(folder, tmp_path / "proc") is None


def test_a_machine_without_a_disk_is_not_joined(tmp_path: Path) -> None:
    folder = tmp_path / "machines" / "i-1"
    process(tmp_path / "proc", 11, guest(folder), tmp_path)
    assert first_process(folder, tmp_path / "proc") is None
