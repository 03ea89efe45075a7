"""Takes the nodes that an edit removes out of the cluster, before anything else changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.api.cluster_api import ClusterError
from components.machines.control_planes.leaving_planes import leave
from components.machines.draining import drain_seconds, evict_all
from components.machines.rollout.cluster_access import ClusterAccess
from components.machines.rollout.progress import Progress
from config.facts.nics import PRIMARY_NIC
from planning.transitions.reading import EarlierRelease, Record


@dataclass(frozen=True, kw_only=True)
class Membership:
    """The nodes of a plan. Comparing two plans shows which nodes leave."""

    control_planes: Mapping[str, str]
    """Name → private address."""
    workers: tuple[str, ...]
    protected: bool
    """Whether the stack protects its control planes (`protect`)."""

    @classmethod
    def of(cls, record: Record) -> Membership:
        """The nodes of a plan that a run accepted."""
        return cls(
            control_planes={
                name: record.nodes[name].interfaces[PRIMARY_NIC].address
                for name in record.control_planes
            },
            workers=record.workers,
            protected=bool(record.section("protect")),
        )

    @classmethod
    def before(cls, before: Record | EarlierRelease, new: Membership) -> Membership:
        """The nodes of the plan before, when `new` are those of the plan after.

        An earlier release did not record its control planes, so none of them leaves.
        """
        if isinstance(before, Record):
            return cls.of(before)
        return cls(
            control_planes=new.control_planes,
            workers=before.workers or (),
            protected=new.protected,
        )

    @property
    def nodes(self) -> tuple[str, ...]:
        """All names, control planes first."""
        return (*self.control_planes, *self.workers)

    @property
    def is_balanced(self) -> bool:
        """Whether the API server is reached through a load balancer."""
        return len(self.control_planes) > 1


async def remove_nodes(
    cluster: ClusterAccess,
    progress: Progress,
    before: Record | EarlierRelease,
    after: Record,
    *,
    kubeconfig: str | None,
) -> None:
    """Note which nodes were there before an accepted edit, and evict those that it removes.

    Arguments and errors are those of `evict_leaving`.
    """
    new = Membership.of(after)
    old = Membership.before(before, new)
    progress.is_of_earlier_release = isinstance(before, EarlierRelease)
    progress.earlier_planes = frozenset(old.control_planes)
    progress.endpoint_moves = old.is_balanced != new.is_balanced
    await evict_leaving(cluster, old, new, kubeconfig=kubeconfig)


async def evict_leaving(
    cluster: ClusterAccess, old: Membership, new: Membership, *, kubeconfig: str | None = None
) -> None:
    """Take the nodes that only `old` has out of the cluster, control planes first.

    Control planes always leave etcd one after another. Workers are emptied, unless the time for a
    drain is 0. A second call continues where the first one ended. Pass the last run's `kubeconfig`
    if this run does not know the API server's address yet.

    Raises:
        pulumi.RunError: the removal was refused or failed; the other nodes have not changed.
    """
    planes = {n: a for n, a in old.control_planes.items() if n not in new.control_planes}
    workers = sorted(set(old.workers) - set(new.workers))
    if planes and old.protected:
        raise pulumi.RunError(
            f"{', '.join(planes)} cannot leave: the stack protects its control planes. Write "
            "protect: false, run `pulumi up`, and then take them out of the stack file."
        )
    if planes and not set(new.control_planes) & set(old.control_planes):
        raise pulumi.RunError(
            f"{', '.join(planes)} cannot all leave: etcd's members would be gone, and the "
            "cluster with them. Add the new control planes first, run `pulumi up`, and then "
            "take the old ones out of the stack file."
        )
    within = drain_seconds()
    if pulumi.runtime.is_dry_run() or not (planes or (workers and within > 0)):
        return
    try:
        async with cluster.api(kubeconfig=kubeconfig) as api:
            if planes:
                await leave(
                    api,
                    planes,
                    staying=set(old.control_planes) & set(new.control_planes),
                    drain_within=within,
                    report=pulumi.log.info,
                )
            if workers and within > 0:
                await evict_all(api, workers, within=within, report=pulumi.log.info)
    except ClusterError as error:
        raise pulumi.RunError(
            f"{error} ({', '.join((*planes, *workers))} should leave; their machines have not "
            "been touched)"
        ) from error
