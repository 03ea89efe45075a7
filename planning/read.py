"""From a document to the plan in one step: configuration and layout in one report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.load import all_problems, read
from config.report import ConfigError
from planning.build import build_plan
from planning.checks import layout_problems
from planning.model import ClusterPlan


def plan_from(document: Mapping[str, object], *, secret_paths: Iterable[str] = ()) -> ClusterPlan:
    """Plan what the `cluster` object of a stack file says.

    Raises `ConfigError` with every problem there is, those of single addresses too.
    """
    reading = read(document, secret_paths=secret_paths)
    if reading.config is None:
        raise ConfigError(reading.problems)
    problems = list(all_problems(reading, layout_problems(reading.config)))
    if problems:
        raise ConfigError(problems)
    return build_plan(reading.config)
