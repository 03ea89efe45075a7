"""Notices that a control plane's disk for etcd is gone, or detached, under a running machine.

The machine has the disk's serial number in its user-data. It would run without a disk until its
next boot, and then wait for the old one. So the run does not create a new disk for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import pulumi

from components.machines.restoring import restored_snapshot
from planning.model import NodePlan
from planning.names import etcd_disk_name
from planning.transitions.earlier import ClusterInState

_FREE: Final = "Available"
"""Status of an ENI that no machine has (ECS, DescribeNetworkInterfaces)."""
_RUNBOOK: Final = "docs/runbooks/etcd-disk.md, A lost disk"


class LostDisks:
    """Checks etcd's disks that one run creates or attaches.

    Args:
        name: the cluster's.
        planes: the control planes, in any order.
        state: gives the state before this run, also in a preview.
        has_new_machine: whether this run creates or replaces the node's machine. In a preview it is
            known for the attachment, which the engine registers after the machine, and not yet for
            the disk.
        existing_disks: asks the cloud which of these disks exist, by their ids, with the provider
            of a resource.
    """

    def __init__(
        self,
        name: str,
        planes: Collection[NodePlan],
        *,
        state: Callable[[], Awaitable[ClusterInState]],
        has_new_machine: Callable[[str], bool],
        existing_disks: Callable[
            [Collection[str], pulumi.Resource | None], Awaitable[Collection[str]]
        ],
    ) -> None:
        self._nodes = {etcd_disk_name(f"{name}-{node.name}"): node for node in planes}
        self._state = state
        self._has_new_machine = has_new_machine
        self._existing_disks = existing_disks
        self._new_disks: set[str] = set()
        self._accepted_disks: set[str] = set()
        self._nics: dict[str, pulumi.Output[str]] = {}
        self._resource: pulumi.Resource | None = None
        options = pulumi.ResourceHookOptions(on_dry_run=True)
        created = pulumi.ResourceHook(f"{name}-etcd-disk-is-new", self.check_disk, options)
        attached = pulumi.ResourceHook(f"{name}-etcd-disk-attaches", self.check_attachment, options)
        self.disk_hooks = pulumi.ResourceHookBinding(before_create=[created])
        self.attachment_hooks = pulumi.ResourceHookBinding(before_create=[attached])

    def watch(self, node: str, nic: pulumi.Output[str], *, resource: pulumi.Resource) -> None:
        """Note the status of the node's first ENI, which no machine has once its own is deleted.

        The engine gives it as this run's refresh has read it, while the state may be older. The
        provider of `resource` is asked for disks.
        """
        self._nics[node] = nic
        self._resource = resource

    async def check_disk(self, args: pulumi.ResourceHookArgs) -> None:
        """Refuse a new disk where the last run had one. Raises `pulumi.RunError`."""
        node, state = self._nodes[args.name], await self._state()
        if (args.new_inputs or {}).get("snapshotId") or node.name not in state.disks:
            return  # It has the data of a snapshot, or there was no disk before.
        if _is_edited(node, state):
            return
        if len(self._nodes) == 1:
            raise pulumi.RunError(
                f"The disk for etcd of {node.name} is gone. {node.name} is the only control plane, "
                "so the cluster's objects are gone with it, and a new disk would be empty. "
                f"{_restore_a_snapshot()}"
            )
        self._new_disks.add(node.name)
        self._refuse_lost_majority(state, await self._gone(state))
        if not pulumi.runtime.is_dry_run() and not await self._has_no_machine(node.name):
            self._refuse_without_new_machine(node.name)
        self._accepted_disks.add(node.name)

    async def check_attachment(self, args: pulumi.ResourceHookArgs) -> None:
        """Refuse in a preview what `check_disk` could not; warn of a disk that was detached."""
        node, state = self._nodes[args.name].name, await self._state()
        if node in self._new_disks:
            self._refuse_lost_majority(state, self._missing(state))
            self._refuse_without_new_machine(node)
        elif node in state.disks and not self._has_new_machine(node):
            pulumi.log.warn(
                f"The disk for etcd of {node} is not attached to its machine. The run attaches it, "
                "but the machine has lost the file system and does not mount it again while it "
                f"runs. Reboot the machine after this run ({_RUNBOOK})."
            )

    def _refuse_lost_majority(self, state: ClusterInState, gone: Collection[str]) -> None:
        """Refuse new disks if too few old ones are left for a majority, unless a restore runs.

        Machines with blank disks would wait for a majority that never comes. A run after an
        interrupted restore finds the first disk, which comes from a snapshot, and goes on.
        """
        if restored_snapshot() is not None:
            return
        lost = sorted(self._new_disks.union(gone))
        if any(disk.snapshot for node, disk in state.present_disks.items() if node not in lost):
            return
        if len(self._nodes) - len(lost) > len(self._nodes) // 2:
            return
        raise pulumi.RunError(
            f"The disks for etcd of {', '.join(lost)} are gone. Those that are left are not a "
            "majority of etcd's members, so the cluster does not come back with new, empty disks. "
            f"{_restore_a_snapshot(self._accepted_disks)}"
        )

    async def _has_no_machine(self, node: str) -> bool:
        status = self._nics.get(node)
        return status is not None and await status.future() == _FREE

    def _missing(self, state: ClusterInState) -> set[str]:
        """Control planes whose disk a refresh has removed from the state."""
        names = {node.name for node in self._nodes.values()}
        return set((names & state.disks) - state.present_disks.keys())

    async def _gone(self, state: ClusterInState) -> set[str]:
        """Control planes whose disk is not there any more.

        The cloud is asked, because the state of a run has every lost disk until the engine writes
        the state, and the turns of the others come later.
        """
        names = {node.name for node in self._nodes.values()}
        ids = {n: d.id for n, d in sorted(state.present_disks.items()) if n in names and d.id}
        if restored_snapshot() is not None or not ids:
            return self._missing(state)
        existing = await self._existing_disks(list(ids.values()), self._resource)
        return self._missing(state) | {name for name, id_ in ids.items() if id_ not in existing}

    def _refuse_without_new_machine(self, node: str) -> None:
        if self._has_new_machine(node):
            return
        raise pulumi.RunError(
            f"The disk for etcd of {node} is gone, and its machine still asks for it, so a new "
            f"disk would not be used. Delete the machine, too: `aliyun ecs DeleteInstance "
            "--InstanceId … --Force true`, or in the ECS console. Then run `pulumi up`, which "
            "creates both, and the machine joins etcd as a new member. Nothing has been changed "
            f"({_RUNBOOK})."
        )


def _is_edited(node: NodePlan, state: ClusterInState) -> bool:
    """Whether an edit replaces the disk, which then is in the state and differs from the plan.

    A lost disk may be in the state, too: the engine keeps what a refresh has read only once it
    writes the state for another reason, and never in a preview (`refreshSnapshotMutation` in
    pkg/backend/snapshot.go of Pulumi 3.259).
    """
    disk = state.present_disks.get(node.name)
    return disk is not None and (
        disk.zone != node.zone
        or disk.is_encrypted != bool(node.disk.encrypted)
        or node.disk.kms_key_id not in {None, disk.kms_key_id}
    )


def _restore_a_snapshot(accepted: Collection[str] = ()) -> str:
    """The remedy. `accepted` are the planes whose empty disks this run has not refused.

    There are some if a disk of a later turn was deleted meanwhile.
    """
    stack = pulumi.get_stack()
    changed = "Nothing has been changed."
    if accepted and not pulumi.runtime.is_dry_run():
        changed = (
            f"Of {', '.join(sorted(accepted))} this run may have made an empty disk and a "
            "machine, which cannot start a cluster: stop that machine in the ECS console before "
            "the restore."
        )
    return (
        f"{changed} Snapshots of the disks have the objects: `python -m operations "
        f"backup --stack {stack} --list` shows them, and `python -m operations restore --stack "
        f"{stack} --from SNAPSHOT` makes the cluster of one ({_RUNBOOK})."
    )
