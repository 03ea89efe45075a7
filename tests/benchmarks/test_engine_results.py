"""Ratios of whole runs, the page of results, and the command lines of the engines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import engines
from benchmarks.engine import COMMANDS, Timing, added, ratios, section

pytestmark = pytest.mark.unit


def timing(program: str, run: int, seconds: float, *, command: str = "up") -> Timing:
    return Timing(
        nodes=50,
        run=run,
        program=program,
        command=command,
        seconds=seconds,
        cpu=seconds / 2,
        mebibytes=500,
        resources=200,
        state_bytes=1024 * 700,
        load=1.5,
    )


TIMINGS = [
    *(timing("ours", run, seconds) for run, seconds in enumerate((30.0, 90.0, 33.0))),
    *(timing("flat", run, seconds) for run, seconds in enumerate((30.0, 60.0, 30.0))),
]


def test_a_ratio_is_the_median_of_the_ratios_of_each_run() -> None:
    """A machine that is busy during one run is so for both programs."""
    assert ratios(TIMINGS)["50 up seconds"] == 1.1


def test_a_peer_that_did_not_run_has_no_ratio() -> None:
    assert ratios(TIMINGS, "opentofu") == {}


def test_the_state_is_compared_after_an_up_only() -> None:
    both = [timing(name, 0, 4.0, command="preview") for name in ("ours", "flat")]
    assert "50 preview state_bytes" not in ratios(both)
    assert ratios(TIMINGS)["50 up state_bytes"] == 1.0


def test_runs_that_are_added_are_runs_of_their_own() -> None:
    both = added(TIMINGS, [timing("ours", 0, 60.0), timing("flat", 0, 30.0)])
    assert sorted({one.run for one in both}) == [0, 1, 2, 3]
    assert ratios(both)["50 up seconds"] == 1.3


def test_the_section_has_each_program_that_ran_and_the_floor() -> None:
    document = {
        "machine": "one",
        "versions": "two",
        "note": "A sentence.",
        "ratios": ratios(TIMINGS),
        "timings": [dataclasses.asdict(one) for one in TIMINGS],
    }
    lines = section(document)
    assert "| nodes | command | runs | ours s | flat s | to flat | floor s |" in lines
    assert "| 50 | up | 3 | 33.0 (30.0 to 90.0) | 30.0 (30.0 to 60.0) | 1.10 | 20.0 |" in lines
    assert "- A sentence." in lines


def test_a_case_that_only_one_program_ran_has_no_ratio() -> None:
    alone = dataclasses.replace(TIMINGS[0], nodes=500, program="ours", command="up", seconds=300.0)
    timings = [*TIMINGS, alone]
    document = {
        "machine": "one",
        "versions": "two",
        "note": "",
        "ratios": ratios(timings),
        "timings": [dataclasses.asdict(one) for one in timings],
    }
    assert "| 500 | up | 1 | 300.0 (300.0 to 300.0) |  |  | 20.0 |" in section(document)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_engine_runs_every_command_without_a_question(tmp_path: Path, command: str) -> None:
    cloud, config_file = tmp_path / "cloud.json", tmp_path / "Pulumi.yaml"
    (ours, tofu) = (
        engines.program(name, tmp_path, cloud=cloud, env={"PATH": "/bin"}, config_file=config_file)
        for name in ("ours", "opentofu")
    )
    assert "--non-interactive" in ours.arguments(command)
    assert "-input=false" in tofu.arguments(command)
    if command in {"up", "destroy"}:
        assert "--yes" in ours.arguments(command)
        assert "-auto-approve" in tofu.arguments(command)


def test_the_state_of_opentofu_counts_every_instance_of_a_resource(tmp_path: Path) -> None:
    document: dict[str, Any] = {"resources": [{"instances": [{}, {}]}, {"instances": [{}]}]}
    (tmp_path / "terraform.tfstate").write_text(json.dumps(document))
    resources, size = engines.OpenTofu(folder=tmp_path, env={}).state()
    assert (resources, size) == (3, len(json.dumps(document, separators=(",", ":"))))
