"""`ctr run` in a simulated machine becomes the machine's own program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from localcloud.machines.guest.commands import containerd

pytestmark = pytest.mark.unit

RUN = ("--namespace", "k8s.io", "run", "--rm", "--mount", "type=bind,src=/a,dst=/a")


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[str]]:
    """The programs that a command has become, with their arguments."""
    programs: list[Sequence[str]] = []
    (tmp_path / "etcdutl").touch()
    monkeypatch.setattr(containerd, "TOOLS", tmp_path)

    def become(path: Path, words: Sequence[str]) -> int:
        assert path == tmp_path / words[0]
        programs.append(words)
        return 0

    monkeypatch.setattr(os, "execv", become)
    return programs


def test_the_command_comes_after_the_image_and_the_containers_id(
    became: list[Sequence[str]],
) -> None:
    words = (*RUN, "registry.k8s.io/etcd:3", "restore-1", "etcdutl", "snapshot", "--name", "x")
    assert containerd.ctr(words) == 0
    assert became == [["etcdutl", "snapshot", "--name", "x"]]


def test_a_program_that_the_toolchain_does_not_have_is_named(
    became: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert containerd.ctr((*RUN, "image", "id", "other")) == 127
    assert "has no other" in capsys.readouterr().err
    assert became == []


def test_other_commands_are_not_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    assert containerd.ctr(("images", "pull", "x")) == 1
    assert "not simulated" in capsys.readouterr().err
