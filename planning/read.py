"""From a document to the plan in one step: configuration and layout in one report."""

from __future__ import annotations

from collections.abc import Mapping

from config.load import all_problems, read
from config.model import ClusterConfig
from config.report import ConfigError
from planning.addresses.extra_pools import extra_pools_lie_in_their_node
from planning.addresses.layout import lay_out
from planning.build import assemble
from planning.cloud.network_checks import network_problems
from planning.document_checks import document_problems, pool_problems
from planning.model import ClusterPlan


def plan_from(document: Mapping[str, object]) -> ClusterPlan:
    """Plan the cluster that the `cluster` object of a stack file describes.

    Raises `ConfigError` with every problem: of the configuration, of single addresses, and of the
    documents that are generated from the plan.
    """
    reading = read(document)
    if reading.config is None:
        raise ConfigError(reading.problems)
    layout = lay_out(reading.config)
    further = [*layout.problems, *extra_pools_lie_in_their_node(reading.config, layout)]
    if reading.problems or further:
        # The configuration is refused in any case. Only the documents' own problems are added.
        rest = assemble(without_extra_pools(reading.config), layout)
        further += network_problems(reading.config, rest)
        raise ConfigError(all_problems(reading, (*further, *document_problems(rest))))
    plan = assemble(reading.config, layout)
    further += network_problems(reading.config, plan)
    problems = tuple(
        all_problems(reading, (*further, *document_problems(plan), *pool_problems(plan)))
    )
    if problems:
        raise ConfigError(problems)
    return plan


def without_extra_pools(config: ClusterConfig) -> ClusterConfig:
    """The configuration without the user's extra pools, which may name nodes that do not exist."""
    spiderpool = config.spiderpool.model_copy(update={"extra_pools": {}})
    return config.model_copy(update={"spiderpool": spiderpool})
