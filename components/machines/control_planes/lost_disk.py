"""Notices that a control plane's disk for etcd is gone, or detached, under a running machine.

The machine has the disk's serial number in its user-data. It would run without a disk until its
next boot, and then wait for the old one. So the run does not create a new disk for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import pulumi

from planning.model import NodePlan
from planning.names import etcd_disk_name
from planning.transitions.earlier import ClusterInState

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
    """

    def __init__(
        self,
        name: str,
        planes: Collection[NodePlan],
        *,
        state: Callable[[], Awaitable[ClusterInState]],
        has_new_machine: Callable[[str], bool],
    ) -> None:
        self._nodes = {etcd_disk_name(f"{name}-{node.name}"): node.name for node in planes}
        self._state = state
        self._has_new_machine = has_new_machine
        self._new_disks: set[str] = set()
        options = pulumi.ResourceHookOptions(on_dry_run=True)
        created = pulumi.ResourceHook(f"{name}-etcd-disk-is-new", self.check_disk, options)
        attached = pulumi.ResourceHook(f"{name}-etcd-disk-attaches", self.check_attachment, options)
        self.disk_hooks = pulumi.ResourceHookBinding(before_create=[created])
        self.attachment_hooks = pulumi.ResourceHookBinding(before_create=[attached])

    async def check_disk(self, args: pulumi.ResourceHookArgs) -> None:
        """Refuse a new disk where the last run had one. Raises `pulumi.RunError`."""
        node, state = self._nodes[args.name], await self._state()
        if (args.new_inputs or {}).get("snapshotId") or node not in state.disks:
            return  # It has the data of a snapshot, or there was no disk before.
        if node in state.present_disks and not pulumi.runtime.is_dry_run():
            return  # An edit replaces it. A preview's state is from before its refresh.
        if len(self._nodes) == 1:
            raise pulumi.RunError(
                f"The disk for etcd of {node} is gone. {node} is the only control plane, so the "
                "cluster's objects are gone with it, and a new disk would be empty. Nothing has "
                f"been changed. A snapshot of the disk has them, if there is one ({_RUNBOOK})."
            )
        self._new_disks.add(node)
        if not pulumi.runtime.is_dry_run():
            self._refuse_without_new_machine(node)

    async def check_attachment(self, args: pulumi.ResourceHookArgs) -> None:
        """Refuse in a preview what `check_disk` could not; warn of a disk that was detached."""
        node = self._nodes[args.name]
        if node in self._new_disks:
            self._refuse_without_new_machine(node)
        elif node in (await self._state()).disks and not self._has_new_machine(node):
            pulumi.log.warn(
                f"The disk for etcd of {node} is not attached to its machine. The run attaches it, "
                "but the machine has lost the file system and does not mount it again while it "
                f"runs. Reboot the machine after this run ({_RUNBOOK})."
            )

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
