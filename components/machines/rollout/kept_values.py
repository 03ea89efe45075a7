"""Values of the first run that the state keeps, so that later runs do not compute them again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pulumi

from planning.model import ClusterPlan
from planning.nodes.machine import identity_digest
from planning.nodes.user_data import CREATION_SECONDS
from planning.transitions.earlier import ClusterInState


def keep_creation_ends(
    name: str,
    state: pulumi.Output[ClusterInState],
    *,
    accepted: pulumi.Output[None],
    is_creation: Callable[[], bool],
    parent: pulumi.Resource,
) -> pulumi.Output[int | None]:
    """Stash the time of the first run: the same user-data must not create two clusters.

    Returns:
        The time until which a control plane may create the cluster, in seconds since 1970. None
        once an API server has answered, because no machine may create a cluster any more.
    """

    def first_value(_: None) -> int:
        return int(_now()) + CREATION_SECONDS if is_creation() else 0

    kept = pulumi.Stash(
        f"{name}-creation-ends",
        input=accepted.apply(first_value),
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["input"]),
    )
    return pulumi.Output.all(kept.output, state).apply(
        lambda values: (
            None
            if values[1].has_served and not pulumi.runtime.is_dry_run()
            else int(values[0]) or None
        )
    )


def keep_first_identities(
    name: str,
    state: pulumi.Output[ClusterInState],
    *,
    plan: ClusterPlan,
    parent: pulumi.Resource,
) -> pulumi.Output[Mapping[str, str]]:
    """Stash the digests of the machines' identities once, by node.

    Those that earlier releases kept come first; a node without one gets that of this run.
    """
    planned = {node.name: identity_digest(plan, node) for node in plan.nodes.values()}
    kept = pulumi.Stash(
        f"{name}-first-identities",
        input=state.apply(lambda cluster: {**planned, **cluster.first_identities}),
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["input"]),
    )
    return kept.output.apply(dict)


def _now() -> float:
    return time.time()
