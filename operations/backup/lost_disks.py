"""Control planes whose disk for etcd is gone, and the command that brings the cluster back.

A preview reads Kubernetes' objects before anything else, and fails on an API server whose etcd has
lost its disk. This asks the cloud alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from operations.backup.snapshots import Snapshot
from planning.model import ClusterPlan

_RUNBOOK = "docs/runbooks/etcd-disk.md, A lost disk"


def lost_disks(plan: ClusterPlan, present: Collection[str]) -> list[str]:
    """Control planes of the plan that should have a disk for etcd and are not in `present`."""
    return [
        node.name
        for node in plan.control_planes
        if node.etcd_disk is not None and node.name not in present
    ]


def advice(
    stack: str, plan: ClusterPlan, lost: Sequence[str], snapshots: Sequence[Snapshot]
) -> str | None:
    """What to do about lost disks; None without any.

    Args:
        stack: the stack's name.
        plan: the stack's plan.
        lost: as `lost_disks`.
        snapshots: of this cluster's disks, the youngest first.
    """
    if not lost:
        return None
    gone = f"Disks for etcd that are not in {plan.region}: {', '.join(lost)}."
    planes = len(plan.control_planes)
    if planes - len(lost) > planes // 2:
        return (
            f"{gone} If the stack is deployed, delete the machine of each, too, if it still "
            f"exists. Then run `pulumi up --stack {stack}`, which creates both, and the machine "
            f"joins etcd as a new member ({_RUNBOOK})."
        )
    usable = [snapshot.id for snapshot in snapshots if snapshot.done and snapshot.certain]
    if usable:
        return (
            f"{gone} Those that are left are not a majority of etcd's members, so the cluster's "
            f"objects are in snapshots. Run `python -m operations restore --stack {stack} --from "
            f"{usable[0]}`, which shows the steps and takes them with --yes "
            "(docs/runbooks/restore.md)."
        )
    return (
        f"{gone} Those that are left are not a majority of etcd's members, and no snapshot above "
        "is complete and of this cluster for certain. If the stack has been deployed, the "
        "cluster's objects are lost unless one of the snapshots above is of it: "
        "docs/runbooks/restore.md, or docs/runbooks/dead-cluster.md."
    )
