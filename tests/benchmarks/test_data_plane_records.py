"""The figures of pods' network: ratios of one run, and the table of docs/data-plane.md."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.data_plane import guest
from benchmarks.data_plane.records import RAW, ratio, recorded, table

pytestmark = pytest.mark.unit

_PAGE = Path(__file__).parents[2] / "docs" / "data-plane.md"


def _figures(*round_trips: float) -> list[dict[str, float]]:
    return [{"round_trip_us": us, "mbit_per_second": 1000 / us} for us in round_trips]


_ONE_KERNEL = {
    "node": _figures(10, 20, 30),
    "ipvlan": _figures(11, 20, 33),
    "veth": _figures(20, 40, 60),
}


def test_a_ratio_is_formed_within_each_round() -> None:
    assert ratio(_ONE_KERNEL, "ipvlan", "node", "round_trip_us") == pytest.approx(1.1)
    assert ratio(_ONE_KERNEL, "veth", "node", "mbit_per_second") == pytest.approx(0.5)


def test_the_nodes_own_path_is_compared_with_nothing() -> None:
    assert table({"one kernel": _ONE_KERNEL})[2] == ("| one kernel | node → node | 20 | | 50 | |")


def test_a_connection_of_the_guests_program_measures_something() -> None:
    command = (sys.executable, guest.__file__)
    with subprocess.Popen([*command, "serve", "127.0.0.1"]) as server:  # noqa: S603  (ours)
        try:
            measured = _until_it_listens()
        finally:
            server.kill()
    assert measured["round_trips"] > 0
    assert measured["mbit_per_second"] > 0


def _until_it_listens() -> dict[str, float]:
    for _ in range(100):
        try:
            return guest.measure("127.0.0.1", "127.0.0.1", 0.1)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise AssertionError("The server did not listen within ten seconds.")


@pytest.mark.skipif(not RAW.exists(), reason="nothing was recorded")
def test_the_page_has_the_recorded_figures() -> None:
    assert "\n".join(table(recorded())) in _PAGE.read_text(encoding="utf-8")
