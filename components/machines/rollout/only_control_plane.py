"""Which edits the only control plane takes. Its machine has the only etcd member."""

from __future__ import annotations

from typing import Final

import pulumi

from components.api.cluster_api import ClusterError
from components.machines.machine_generation import Change
from components.machines.rollout.cluster_access import GLANCE, ClusterAccess
from planning.transitions.upgrades import version_of

_RUNBOOK: Final = "docs/runbooks/upgrade.md, One control plane"


async def change_of_only_plane(
    cluster: ClusterAccess, node: str, change: Change, *, kubernetes: str
) -> Change:
    """What is left of a change that would replace the machine, which already runs `kubernetes`.

    Raises:
        pulumi.RunError: the edit needs a new machine, or a version that the machine does not run.
    """
    if change.identity != {"kubernetes"}:
        keys = ", ".join(sorted(change.identity - {"kubernetes"}))
        raise pulumi.RunError(
            f"{node} is the only control plane and has the only etcd member, so its machine is "
            f"never replaced, and {keys} cannot change on a running one. Restore the "
            "previous values, or first add control planes (three in all), run `pulumi up`, and "
            "then edit."
        )
    version = version_of(kubernetes)
    try:
        async with cluster.api(within=GLANCE) as api:
            server = version_of(await api.version())
            current = (await api.nodes()).get(node)
    except ClusterError as error:
        raise pulumi.RunError(
            f"{node} is the only control plane, and whether it runs Kubernetes {version} "
            f"is not known: {error} Let its API server answer first. {_upgrade(node)}"
        ) from error
    kubelet = None if current is None or not current.kubelet else version_of(current.kubelet)
    if server < version or kubelet is None or kubelet < version:
        raise pulumi.RunError(
            f"{node} is the only control plane and has the only etcd member, so it is not "
            f"replaced for Kubernetes {version}: its API server runs {server}, its kubelet "
            f"{kubelet}, and a kubelet is never newer than the API server. {_upgrade(node)}"
        )
    return Change(restart=change.restart, settings=change.settings)


def _upgrade(node: str) -> str:
    return f"Upgrade {node} on the machine ({_RUNBOOK}), then run the same command again."
