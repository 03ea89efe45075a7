"""`diff` and `plan --against`: check an edit without an engine or a cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from operations.diff.commits import Commits
from operations.diff.report import as_json, as_markdown, as_tables
from operations.diff.stack_change import StackChange, change_from_record, compare
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.stack_file import Stack
from operations.failure import ExitCode, OperationError
from operations.terminal import console
from planning.transitions.earlier import MachineSettings, StateResource, earlier_machines
from planning.transitions.reading import EarlierRelease, Record, read_record

APPLIED_PLAN = "spiderpool-alicloud:transition:AppliedPlan"
FLEET = "spiderpool-alicloud:rollout:Fleet"
"""Type of the resource in which earlier releases recorded workers and version."""


class Format(StrEnum):
    """How changes are printed."""

    TABLE = "table"
    MARKDOWN = "md"
    JSON = "json"


def diff(
    base: str, head: str, *, examples: bool, commits: Commits | None = None
) -> tuple[StackChange, ...]:
    """Compare every stack file of two commits, sorted by path.

    Raises:
        OperationError: One of them is not a commit.
    """
    repository = commits or Commits()
    before, after = (repository.files(each, examples=examples) for each in (base, head))
    return tuple(
        compare(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
    )


def against_file(config: Path, other: Path) -> StackChange:
    """Compare a stack file with another one, which describes what is deployed."""
    after = Stack.read(config)
    after.plan()
    Stack.read(other).plan()
    return compare(
        str(config), other.read_text(encoding="utf-8"), config.read_text(encoding="utf-8")
    )


def against_stack(config: Path, stack: PulumiStack) -> StackChange:
    """Compare a stack file with the plan that the last run of a stack accepted.

    Raises:
        ConfigError: The file describes a cluster that cannot be built.
        OperationError: The state cannot be read, or nothing is deployed.
    """
    plan = Stack.read(config).plan()
    deployment = stack.deployment()
    if not deployment or not deployment.get("resources"):
        raise OperationError(
            f"Nothing is deployed as {stack.name}. Without --against the command shows the whole "
            "plan.",
            code=ExitCode.REFUSED,
        )
    return change_from_record(str(config), applied(deployment), plan)


def applied(deployment: Mapping[str, Any]) -> Record | EarlierRelease:
    """The record in a state, or what an earlier release wrote there."""
    resources = deployment.get("resources")
    for kind in (APPLIED_PLAN, FLEET):
        for resource in resources if isinstance(resources, list) else ():
            if isinstance(resource, Mapping) and resource.get("type") == kind:
                inputs = resource.get("inputs")
                recorded = read_record(inputs if isinstance(inputs, Mapping) else None)
                if isinstance(recorded, EarlierRelease):
                    return replace(recorded, machines=_machines(resource, resources))
                return recorded
    return EarlierRelease()


def _machines(fleet: Mapping[str, Any], resources: Any) -> Mapping[str, MachineSettings]:  # noqa: ANN401 - JSON
    """The settings from which the nodes were created; `fleet` is named after the cluster."""
    cluster = str(fleet.get("urn", "")).rpartition("::")[2]
    return earlier_machines(
        cluster,
        [
            StateResource(urn=str(resource["urn"]), outputs=resource.get("outputs") or {})
            for resource in resources
            if isinstance(resource, Mapping) and "urn" in resource
        ],
    )


def show(base: str, head: str, changes: tuple[StackChange, ...], how: Format) -> str | None:
    """Print tables, or return the text."""
    match how:
        case Format.JSON:
            return as_json(base, head, changes)
        case Format.MARKDOWN:
            return as_markdown(base, head, changes)
        case Format.TABLE:
            console().print(as_tables(base, head, changes))
            return None
