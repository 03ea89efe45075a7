"""The figures of a measurement, and their table in docs/data-plane.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

RAW: Final = Path(__file__).with_name("results.json")

Rounds = Mapping[str, Sequence[Mapping[str, float]]]
"""Path → one measurement for each round, as `guest.py` prints it."""
_AGAINST: Final = {
    "one kernel": {"ipvlan": "node", "veth": "node"},
    "two workers": {
        "pod eth0": "node eth0",
        "pod eth1": "node eth1",
        "ClusterIP eth0": "node eth0",
    },
}
"""Where → path → the path that it is compared with."""
_NAMES: Final = {
    "node": "node → node",
    "ipvlan": "pod → pod, ipvlan",
    "veth": "pod → pod, veth pairs with policy routes",
    "node eth0": "node → node, eth0",
    "node eth1": "node → node, eth1",
    "pod eth0": "pod → pod, eth0",
    "pod eth1": "pod → pod, eth1",
    "ClusterIP eth0": "pod → ClusterIP → pod, eth0",
}


def recorded() -> Mapping[str, Rounds]:
    """The figures of the last run, by where they were measured."""
    document: Mapping[str, Rounds] = json.loads(RAW.read_text(encoding="utf-8"))["rounds"]
    return document


def ratio(rounds: Rounds, path: str, other: str, figure: str) -> float:
    """The median over all rounds of a figure of one path to that of the other in that round."""
    pairs = zip(rounds[path], rounds[other], strict=True)
    return median(one[figure] / base[figure] for one, base in pairs)


def table(measured: Mapping[str, Rounds]) -> list[str]:
    """The lines of the table: medians, and ratios to the node's own path."""
    lines = [
        "| where | path | round trip, µs | to the node's | Mbit/s | to the node's |",
        "|---|---|---|---|---|---|",
    ]
    for where, rounds in measured.items():
        for path, figures in rounds.items():
            cells = [where, _NAMES[path]]
            other = _AGAINST[where].get(path)
            for figure, digits in (("round_trip_us", 0), ("mbit_per_second", 0)):
                cells.append(f"{median(one[figure] for one in figures):.{digits}f}")
                cells.append(f"{ratio(rounds, path, other, figure):.2f}" if other else "")
            lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return lines
