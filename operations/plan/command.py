"""`plan` and `config`: show what a stack file means, without cloud, engine or credentials."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from config.model import ClusterConfig
from operations.engine.stack_file import Stack
from operations.plan.tables import plan_tables
from operations.terminal import console
from planning.report import plan_document


def show_plan(path: Path, *, as_json: bool) -> str | None:
    """Print the plan of a stack file as tables, or return it as JSON text.

    Raises:
        ConfigError: The file describes a cluster that cannot be built; the report has every
            problem.
        OperationError: The file cannot be read as a stack file.
    """
    stack = Stack.read(path)
    plan = stack.plan()
    if as_json:
        return json.dumps(plan_document(plan), indent=2, sort_keys=True)
    out = console()
    for table in plan_tables(plan):
        out.print(table)
    for notice in stack.notices():
        out.print(f"Note: {notice}", markup=False, highlight=False)
    return None


def effective_configuration(path: Path, *, as_json: bool) -> str:
    """Return a stack's configuration with its profile's defaults filled in."""
    config: ClusterConfig = Stack.read(path).configuration()
    document = config.model_dump(mode="json", by_alias=True)
    if as_json:
        return json.dumps(document, indent=2, sort_keys=True)
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text.rstrip()
