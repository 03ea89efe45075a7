"""From a document to the plan in one step: configuration and layout in one report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.load import all_problems, read
from config.report import ConfigError
from planning.build import assemble
from planning.checks import extra_pools_lie_in_their_node
from planning.document_checks import document_problems
from planning.layout import lay_out
from planning.model import ClusterPlan


def plan_from(document: Mapping[str, object], *, secret_paths: Iterable[str] = ()) -> ClusterPlan:
    """Plan what the `cluster` object of a stack file says.

    Raises `ConfigError` with every problem there is: of the configuration, of single addresses, and
    of the documents that the plan turns into.
    """
    reading = read(document, secret_paths=secret_paths)
    if reading.config is None:
        raise ConfigError(reading.problems)
    layout = lay_out(reading.config)
    further = [*layout.problems, *extra_pools_lie_in_their_node(reading.config, layout)]
    plan = assemble(reading.config, layout)
    further += document_problems(plan)
    problems = list(all_problems(reading, further))
    if problems:
        raise ConfigError(problems)
    return plan
