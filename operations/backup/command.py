"""`backup`: takes a snapshot of etcd's disk, with etcd's own on it, and lists all snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table

from operations.backup.lost_disks import lost_disks
from operations.backup.origins import Marks
from operations.backup.snapshots import (
    Snapshot,
    earlier_snapshots,
    etcd_disks,
    snapshots_of,
    take_snapshot,
)
from operations.engine.cluster_access import reaching, stack_of
from operations.engine.places import Places
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.engine.steps import Progress
from operations.engine.unit_requests import new_request, send_request, wait_for_answer
from operations.failure import ExitCode, OperationError
from operations.secrets.admin_access import admin_kubeconfig
from operations.secrets.command import store_of
from operations.secrets.store import read_secrets
from operations.sweep.cloud import Account, Api, CloudError, OfficialApi
from planning.nodes.etcd_disk import ca_fingerprint
from planning.nodes.machine import BACK_UP, BACKED_UP

_T = TypeVar("_T")
WRITTEN_WITHIN: Final = 360.0
"""Seconds for etcd's own snapshot: the node's unit looks every 15 s, and has five minutes."""
_POLICY: Final = "alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy"
_NO_RIGHT: Final = ("Forbidden", "NoPermission")
"""Prefixes of the error codes of a refusal for missing rights."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """The disks of one stack's etcd, and the clients of its cloud and its cluster."""

    marks: Marks
    api: Api
    disks: dict[str, str]
    """Control plane → id of its disk, of those that exist."""
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, name: str, places: Places, config_file: Path | None) -> Backup:
        """Read the stack's file, and look for the disks.

        Raises:
            OperationError: The stack has no disk for etcd.
        """
        stack_file = Stack.read(config_file or path_of_stack(name))
        plan = stack_file.plan()
        if all(node.etcd_disk is None for node in plan.control_planes):
            raise OperationError(
                "The control planes of this stack keep etcd's data on their system disks, and "
                "snapshots are taken only of a separate disk for etcd. Write etcdDisk into their "
                "pool (docs/runbooks/etcd-disk.md).",
                code=ExitCode.REFUSED,
            )
        account = Account.of(plan.region, endpoint=plan.cloud_endpoint, ca=places.ca)
        api = OfficialApi(account)
        marks = Marks(
            plan=plan,
            ca=ca_fingerprint(read_secrets(store_of(name, stack_file))),
            policies=snapshot_policies(stack_of(name, places, config_file).deployment() or {}),
        )
        return cls(marks=marks, api=api, disks=dict(_ask(lambda: etcd_disks(api, marks))))

    def snapshots(self) -> list[Snapshot]:
        """Return every snapshot of these disks, and of earlier ones, the youngest first."""
        present = _ask(lambda: snapshots_of(self.api, self.disks))
        ids = {snapshot.id for snapshot in present}
        earlier = _ask(lambda: earlier_snapshots(self.api, self.marks))
        both = [*present, *(snapshot for snapshot in earlier if snapshot.id not in ids)]
        return sorted(both, key=lambda snapshot: (snapshot.taken, snapshot.id), reverse=True)

    def lost_disks(self) -> list[str]:
        """Control planes whose disk is gone."""
        return lost_disks(self.marks.plan, self.disks)

    def take(self, runner: Runner, progress: Progress) -> str:
        """Let one etcd write its own snapshot, take one of its disk, and return the id.

        The first control plane whose unit answers is used: every member has the whole cluster.

        Raises:
            OperationError: There is no disk, none answers, or the cloud refuses the snapshot.
        """
        if not self.disks:
            raise OperationError(
                f"No disk of {self.marks.plan.name}'s etcd is in {self.marks.plan.region}. Run "
                "`pulumi up` first.",
                code=ExitCode.REFUSED,
            )
        for node, disk in sorted(self.disks.items()):
            with progress.step(f"{node}: etcd's own snapshot"):
                written = self._write(runner, node)
            if written:
                with progress.step(f"{node}: snapshot of disk {disk}"):
                    return _ask(partial(self._take, node, disk))
        raise OperationError(
            f"No etcd of {', '.join(sorted(self.disks))} wrote its snapshot within "
            f"{WRITTEN_WITHIN:.0f} s, so no disk was copied. `kubectl get nodes` shows which of "
            "these control planes are there, and `journalctl -u spiderpool-alicloud-node` on each "
            "shows why. Repair one of them, and run this again."
        )

    def _take(self, node: str, disk: str) -> str:
        return take_snapshot(
            self.api, self.marks, node=node, disk=disk, clock=self.clock, pause=self.pause
        )

    def _write(self, runner: Runner, node: str) -> bool:
        request = new_request()
        if send_request(runner, node, BACK_UP, request).status != 0:
            return False
        return wait_for_answer(
            runner,
            node,
            BACKED_UP,
            request,
            within=WRITTEN_WITHIN,
            clock=self.clock,
            pause=self.pause,
        )


def snapshot_policies(deployment: Mapping[str, object]) -> frozenset[str]:
    """Ids of the snapshot policies in a state."""
    resources = deployment.get("resources")
    return frozenset(
        str(resource.get("id"))
        for resource in (resources if isinstance(resources, list) else ())
        if isinstance(resource, Mapping) and resource.get("type") == _POLICY
    )


def back_up(name: str, places: Places, *, config_file: Path | None, console: Console) -> str:
    """Take a snapshot now, and return its id."""
    backup = Backup.of(name, places, config_file)
    kubeconfig = admin_kubeconfig(name, places, config_file=config_file)
    with reaching(kubeconfig, stack_of(name, places, config_file).runner) as runner:
        return backup.take(runner, Progress(console=console))


def snapshot_table(name: str, snapshots: Sequence[Snapshot], now: datetime) -> Table:
    """Show the snapshots, the youngest first."""
    table = Table(
        title=f"Snapshots of {name}'s etcd",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in (
        "snapshot",
        "node",
        "taken (UTC)",
        "hours ago",
        "GiB of the disk",
        "by",
        "state",
    ):
        table.add_column(column, overflow="fold")
    for snapshot in snapshots:
        table.add_row(
            snapshot.id,
            snapshot.node,
            f"{snapshot.taken.astimezone(UTC):%Y-%m-%d %H:%M}",
            f"{snapshot.age(now).total_seconds() / 3600:.1f}",
            str(snapshot.gibibytes),
            "policy" if snapshot.automatic else "command",
            _state(snapshot),
        )
    return table


def _state(snapshot: Snapshot) -> str:
    if not snapshot.done:
        return "in progress"
    return "done" if snapshot.certain else "done; may be of an earlier cluster of this name"


def _ask(call: Callable[[], _T]) -> _T:
    """Ask the cloud; its refusal is an `OperationError`."""
    try:
        return call()
    except CloudError as error:
        remedy = "Correct the cause that it names, and run this again."
        if error.code.startswith(_NO_RIGHT):
            remedy = (
                "The account needs the rights ecs:DescribeDisks, ecs:DescribeSnapshots and "
                "ecs:CreateSnapshot. Grant them, and run this again."
            )
        raise OperationError(f"The cloud refuses {error}. {remedy}") from error
