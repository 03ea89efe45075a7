"""The unit's runs are killed at every call; `test_node_program` leaves calls out, for its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planning.nodes.programs import test_node_program as node_program

pytestmark = [pytest.mark.nightly, pytest.mark.parametrize("moment", ["CUT", "CUT_AFTER"])]


@pytest.fixture(autouse=True)
def _every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(node_program.CUT_EVERY_CALL, "true")


@pytest.mark.parametrize("max_pods", [3, -1])
def test_settings_end_the_same(tmp_path: Path, moment: str, max_pods: int) -> None:
    node_program.test_settings_end_the_same_wherever_a_run_was_cut_off(tmp_path, moment, max_pods)


def test_leaving_ends_the_same(tmp_path: Path, moment: str) -> None:
    node_program.test_leaving_ends_the_same_wherever_a_run_was_cut_off(tmp_path, moment)


def test_a_renewal_ends_the_same(tmp_path: Path, moment: str) -> None:
    node_program.test_a_renewal_ends_the_same_wherever_a_run_was_cut_off(tmp_path, moment)
