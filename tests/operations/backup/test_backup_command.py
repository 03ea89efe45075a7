"""What `operations backup` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.__main__ import app
from operations.backup.command import Backup
from operations.commands import cluster
from operations.failure import ExitCode

pytestmark = pytest.mark.unit


class NoSnapshots:
    def snapshots(self) -> list[Any]:
        return []

    def lost_disks(self) -> list[str]:
        return ["masters-1"]


def test_the_new_snapshots_id_is_printed_apart_from_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "back_up", lambda *_, **__: "s-new")
    monkeypatch.setattr(Backup, "of", lambda *_: NoSnapshots())
    done = CliRunner().invoke(app, ["backup", "--stack", "dev", "--json"])
    assert done.exit_code == ExitCode.OK
    assert done.stderr == "Snapshot s-new is taken.\n"
    assert json.loads(done.stdout) == {
        "stack": "dev",
        "snapshots": [],
        "lostDisks": ["masters-1"],
    }
