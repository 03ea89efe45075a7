from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.diff.report import MARKER, as_markdown
from operations.engine.places import ROOT

pytestmark = pytest.mark.unit

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def parsed(path: Path) -> Mapping[Any, Any]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def triggers(workflow: Mapping[Any, Any]) -> Mapping[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    events = workflow[True]
    assert isinstance(events, dict)
    return events


def steps(workflow: Mapping[Any, Any]) -> Iterator[Mapping[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, str(value)


def test_the_promised_workflows_are_there() -> None:
    names = {path.name for path in WORKFLOWS}
    assert {"check.yml", "preview.yml", "changes.yml", "changes-comment.yml"} <= names


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_may_do_no_more_than_read_and_comment(path: Path) -> None:
    granted = parsed(path)["permissions"]
    assert granted.pop("contents") == "read"
    if path.name == "changes-comment.yml":
        assert granted.pop("actions") == "read"
    assert granted in ({}, {"pull-requests": "write"})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_every_action_is_pinned_by_version(path: Path) -> None:
    used = [step["uses"] for step in steps(parsed(path)) if "uses" in step]
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w./-]+@v\d+(\.\d+)*|.+@[0-9a-f]{40}", u)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_no_secret_is_in_plain_text(path: Path) -> None:
    for where, value in leaves(parsed(path)):
        if re.search(r"(?i)key$|token$|passphrase$|secret$", where):
            assert re.fullmatch(r"\$\{\{ (secrets\.\w+|github\.token) \}\}", value), where


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_no_text_from_a_pull_request_reaches_a_shell(path: Path) -> None:
    for step in steps(parsed(path)):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_every_job_ends_by_itself(path: Path) -> None:
    for job in parsed(path)["jobs"].values():
        assert job["timeout-minutes"] <= (300 if path.name == "nightly.yml" else 60)


def test_a_preview_never_runs_for_a_fork_and_never_applies() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "preview.yml")
    assert set(triggers(workflow)) == {"pull_request"}
    job = workflow["jobs"]["preview"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert job["strategy"]["matrix"]["stack"] == ["dev", "prod"]
    assert "environment" in job
    commands = [s["with"]["command"] for s in steps(workflow) if "pulumi/" in s.get("uses", "")]
    assert commands == ["preview"]


def test_the_preview_uses_the_engine_that_the_requirements_pin() -> None:
    pinned = re.search(r"^pulumi==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    workflow = parsed(ROOT / ".github" / "workflows" / "preview.yml")
    used = [s["with"]["pulumi-version"] for s in steps(workflow) if "pulumi/" in s.get("uses", "")]
    assert pinned is not None
    assert used == [pinned[1]]


def test_what_runs_a_forks_code_has_neither_secrets_nor_a_token_that_writes() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "changes.yml")
    assert set(triggers(workflow)) == {"pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in str(workflow)
    (checkout,) = (s for s in steps(workflow) if s.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["persist-credentials"] is False


def test_what_comments_runs_nothing_of_a_pull_request() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "changes-comment.yml")
    assert set(triggers(workflow)) == {"workflow_run"}
    assert triggers(workflow)["workflow_run"]["workflows"] == [
        parsed(ROOT / ".github" / "workflows" / "changes.yml")["name"]
    ]
    used = [step["uses"].partition("@")[0] for step in steps(workflow) if "uses" in step]
    assert used == ["actions/download-artifact"]
    commands = " ".join(step.get("run", "") for step in steps(workflow))
    assert "python" not in commands
    assert "git " not in commands


def test_the_comment_is_recognised_by_the_first_line_of_the_report() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "changes-comment.yml")
    (step,) = (step for step in steps(workflow) if "run" in step)
    assert step["env"]["MARKER"] == MARKER
    assert as_markdown("a", "b", ()).startswith(f"{MARKER}\n")


def test_no_workflow_hands_its_token_to_a_pull_requests_code() -> None:
    for path in WORKFLOWS:
        assert "pull_request_target" not in triggers(parsed(path))
