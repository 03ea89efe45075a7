"""What a run waited for, from logs in the engine's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from operations.__main__ import app
from operations.failure import ExitCode, OperationError
from operations.runs.command import critical_path_report
from operations.runs.critical_path import critical_path, dependencies_of, totals
from operations.runs.events import Run, read_event_log, run_of
from operations.runs.picture import picture

pytestmark = pytest.mark.unit


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:local::spiderpool-alicloud::alicloud:ecs/x:{kind}::{name}"


def event(
    name: str, second: int, op: str, resource: str, *, planning: bool = False
) -> Mapping[str, object]:
    kind, _, logical = resource.partition("/")
    metadata = {"op": op, "urn": urn(kind, logical), "new": {"parent": "", "provider": ""}}
    return {"timestamp": 1000 + second, name: {"metadata": metadata, "planning": planning}}


def began(second: int, op: str, resource: str, *, planning: bool = False) -> Mapping[str, object]:
    return event("resourcePreEvent", second, op, resource, planning=planning)


def ended(second: int, op: str, resource: str) -> Mapping[str, object]:
    return event("resOutputsEvent", second, op, resource)


def failed(second: int, op: str, resource: str) -> Mapping[str, object]:
    return event("resOpFailedEvent", second, op, resource)


def shown(run: Run, dependencies: Mapping[str, frozenset[str]]) -> list[str]:
    return [link.step.name for link in critical_path(run, dependencies).links]


_EVENTS: list[Mapping[str, object]] = [
    began(0, "create", "Network/vpc"),
    ended(5, "create", "Network/vpc"),
    began(5, "create", "Eni/slow"),
    began(5, "create", "Eni/quick"),
    ended(6, "create", "Eni/quick"),
    ended(10, "create", "Eni/slow"),
    began(11, "create", "Instance/node"),
    ended(21, "create", "Instance/node"),
    {"timestamp": 1022, "summaryEvent": {}},
]
_CREATION = run_of(_EVENTS)
_NEEDS = {
    urn("Eni", "slow"): frozenset({urn("Network", "vpc")}),
    urn("Eni", "quick"): frozenset({urn("Network", "vpc")}),
    urn("Instance", "node"): frozenset({urn("Eni", "slow"), urn("Eni", "quick")}),
}


_RESOURCES = [
    {"urn": urn, "dependencies": sorted(_NEEDS.get(urn, ()))}
    for urn in sorted({step.urn for step in _CREATION.steps})
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in _EVENTS))
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"version": 3, "deployment": {"resources": _RESOURCES}}))
    return path


def test_a_creation_waits_for_the_last_of_what_it_needs() -> None:
    assert shown(_CREATION, _NEEDS) == ["vpc", "slow", "node"]


def test_idle_time_is_between_two_steps_and_the_rest_after_the_last() -> None:
    path = critical_path(_CREATION, _NEEDS)
    assert [link.idle for link in path.links] == [0, 0, 1]
    assert path.rest == 1
    assert path.seconds == 22


def test_without_a_state_a_step_comes_after_the_last_one_before_it() -> None:
    path = critical_path(_CREATION, {})
    assert [link.step.name for link in path.links] == ["vpc", "slow", "node"]
    assert not any(link.needed for link in path.links)


def test_a_deletion_waits_for_the_whole_depth_above() -> None:
    run = run_of(
        [
            began(0, "delete", "Eni/deep"),
            ended(5, "delete", "Eni/deep"),
            began(5, "delete", "Eni/shallow"),
            ended(10, "delete", "Eni/shallow"),
        ]
    )
    (_, second) = critical_path(run, {}).links
    assert second.step.name == "shallow"
    assert second.after is not None
    assert second.after.name == "deep"
    assert not second.needed


def test_a_deletion_names_the_dependency_when_there_is_one() -> None:
    run = run_of(
        [
            began(0, "delete", "Instance/node"),
            ended(9, "delete", "Instance/node"),
            began(9, "delete", "Eni/slow"),
            ended(12, "delete", "Eni/slow"),
        ]
    )
    assert [link.needed for link in critical_path(run, _NEEDS).links] == [False, True]


def test_steps_of_a_preview_and_steps_that_change_nothing_are_left_out() -> None:
    run = run_of(
        [
            began(0, "create", "Network/vpc", planning=True),
            ended(1, "create", "Network/vpc"),
            began(2, "same", "Network/vpc"),
            ended(3, "same", "Network/vpc"),
        ]
    )
    assert run.steps == ()
    assert critical_path(run, {}).links == ()


def test_a_failed_step_is_part_of_the_run() -> None:
    run = run_of([began(0, "create", "Network/vpc"), failed(3, "create", "Network/vpc")])
    assert [(step.failed, step.seconds) for step in run.steps] == [(True, 3)]


def of_state(event: Mapping[str, Any], **state: object) -> Mapping[str, object]:
    """The event with more of the resource's state, as the engine writes it."""
    (name,) = event.keys() - {"timestamp"}
    metadata = event[name]["metadata"]
    metadata = {**metadata, "new": {**metadata["new"], **state}}
    return {**event, name: {**event[name], "metadata": metadata}}


def test_a_component_with_children_is_no_step() -> None:
    """It ends when the program has registered its outputs, which may be the end of the run."""
    node, hook = urn("Node", "node"), urn("MachineGeneration", "node")
    run = run_of(
        [
            began(0, "create", "Node/node"),
            began(1, "create", "MachineGeneration/node"),
            of_state(ended(3, "create", "MachineGeneration/node"), parent=node),
            of_state(began(3, "create", "Instance/node"), custom=True, parent=node),
            of_state(ended(13, "create", "Instance/node"), custom=True, parent=node),
            ended(60, "create", "Node/node"),
        ]
    )
    assert [step.urn for step in run.steps] == [hook, urn("Instance", "node")]


def test_an_id_among_the_inputs_is_a_dependency_without_a_state() -> None:
    run = run_of(
        [
            of_state(began(0, "create", "Eni/slow"), custom=True),
            of_state(ended(5, "create", "Eni/slow"), custom=True, id="eni-1"),
            of_state(began(5, "create", "Eni/other"), custom=True),
            of_state(ended(8, "create", "Eni/other"), custom=True, id="eni-2"),
            of_state(
                began(9, "create", "Instance/node"),
                custom=True,
                inputs={"networkInterfaces": [{"networkInterfaceId": "eni-1"}]},
            ),
            of_state(
                ended(19, "create", "Instance/node"),
                custom=True,
                inputs={"networkInterfaces": [{"networkInterfaceId": "eni-1"}]},
            ),
        ]
    )
    links = critical_path(run, {}).links
    assert [(link.step.name, link.needed, link.idle) for link in links] == [
        ("slow", False, 0),
        ("node", True, 4),
    ]


def test_a_long_pause_shows_what_was_reported_last(tmp_path: Path) -> None:
    def reported(second: int, message: str) -> Mapping[str, object]:
        event = {"message": f"{message}\n", "severity": "info"}
        return {"timestamp": 1000 + second, "diagnosticEvent": event}

    log = tmp_path / "log.jsonl"
    events = [
        *_EVENTS[:-1],
        reported(22, "waiting for the API server, 0 s"),
        reported(60, "waiting for the API server, 38 s"),
        {"timestamp": 1062, "summaryEvent": {}},
    ]
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    lines = critical_path_report(log, state=None, output=None).splitlines()
    end = next(at for at, line in enumerate(lines) if "the run ends" in line)
    assert lines[end - 1].strip() == "… waiting for the API server, 38 s"
    assert not any("… waiting for the API server, 0 s" in line for line in lines)


def test_the_slowest_kinds_come_first() -> None:
    assert list(totals(_CREATION)) == [
        ("create Instance", 1, 10),
        ("create Network", 1, 5),
        ("create Eni", 2, 5),
    ]


def test_the_state_gives_dependencies_parent_and_provider() -> None:
    deployment = {
        "resources": [
            {
                "urn": "u1",
                "dependencies": ["u2"],
                "parent": "u3",
                "provider": "urn:pulumi:s::p::pulumi:providers:alicloud::a::id",
            },
            {"urn": "u2"},
        ]
    }
    provider = "urn:pulumi:s::p::pulumi:providers:alicloud::a"
    assert dependencies_of(deployment) == {
        "u1": frozenset({"u2", "u3", provider}),
        "u2": frozenset(),
    }


@pytest.mark.parametrize("name", ["run.svg", "run.html"])
def test_the_picture_is_well_formed_and_has_a_bar_for_each_step(
    name: str, log: Path, state: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    critical_path_report(log, state=state, output=output)
    drawn = output.read_text(encoding="utf-8")
    svg = ET.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + len("</svg>")])  # noqa: S314 - ours
    bars = svg.findall("{http://www.w3.org/2000/svg}rect/{http://www.w3.org/2000/svg}title")
    assert len(bars) == len(read_event_log(log).steps)


def test_the_command_prints_the_path_and_draws_it(log: Path, state: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.svg"
    arguments = ["--critical-path", str(log), "--state", str(state), "--output", str(output)]
    done = CliRunner().invoke(app, ["report", *arguments])
    assert done.exit_code == ExitCode.OK
    lines = [line.split() for line in done.stdout.splitlines() if " create " in line]
    assert [line[:5] for line in lines if line[0].isdigit() and line[1].isdigit()][:3] == [
        ["0", "0", "5", "create", "Network"],
        ["5", "0", "5", "create", "Eni"],
        ["11", "1", "10", "create", "Instance"],
    ]
    assert output.exists()


def test_a_label_is_cut_before_it_is_escaped() -> None:
    name = "a" * 100 + "&" + "b" * 55
    run = run_of([began(0, "create", f"Eni/{name}"), ended(1, "create", f"Eni/{name}")])
    svg = ET.fromstring(picture(run, critical_path(run, {})))  # noqa: S314 - ours
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "aa&" + "b" * 55 in texts


def test_the_path_as_json_is_refused(log: Path) -> None:
    done = CliRunner().invoke(app, ["report", "--critical-path", str(log), "--json"])
    assert done.exit_code == ExitCode.REFUSED
    assert "Leave one of the two out." in done.stderr


def test_a_picture_without_a_run_is_refused() -> None:
    done = CliRunner().invoke(app, ["report", "--output", "run.svg"])
    assert done.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize("content", [None, "", "no JSON", "[]", '{"timestamp": 1}'])
def test_what_is_no_log_of_a_run_is_refused(content: str | None, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    if content is not None:
        log.write_text(content)
    with pytest.raises(OperationError, match="is not an event log of a run") as refused:
        critical_path_report(log, state=None, output=None)
    assert refused.value.code is ExitCode.REFUSED


def test_what_is_no_state_is_refused(log: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    with pytest.raises(OperationError, match="is not a state"):
        critical_path_report(log, state=empty, output=None)


def test_a_picture_of_another_kind_is_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"neither \.svg nor \.html"):
        critical_path_report(log, state=None, output=tmp_path / "run.png")
