"""`restore`: shows its steps, and with `--yes` rebuilds the cluster from a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from operations.backup.command import snapshot_policies
from operations.backup.origins import Marks
from operations.engine.cluster_access import reaching, stack_of
from operations.engine.places import Places
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.engine.steps import Progress
from operations.failure import ExitCode, OperationError
from operations.restore.control_plane_resources import ControlPlaneResources
from operations.restore.decision import RestorePlan, plan_restore, refusals
from operations.restore.steps import RestoreSteps
from operations.secrets.admin_access import own_kubeconfig
from operations.secrets.command import store_of
from operations.secrets.store import read_secrets
from operations.sweep.cloud import Account, OfficialApi
from planning.model import ClusterPlan
from planning.nodes.etcd_disk import ca_fingerprint

_READY_WITHIN: Final = 30.0


def restore_cluster(  # noqa: PLR0913 - each is an option of the command
    name: str,
    snapshot: str,
    places: Places,
    *,
    config_file: Path | None,
    starts_over: bool,
    confirmed: bool,
    console: Console,
) -> RestorePlan:
    """Show the steps, and take them if `confirmed`.

    Raises:
        OperationError: Refused, with every reason; or a step failed.
        ConfigError: The stack file has mistakes.
    """
    stack_file = Stack.read(config_file or path_of_stack(name))
    plan = stack_file.plan()
    if plan.kubernetes.mode != "kubeadm" or plan.control_planes[0].etcd_disk is None:
        raise OperationError(
            "The first control plane of this stack has no disk of its own for etcd, and only a "
            "snapshot of such a disk can be restored (docs/runbooks/etcd-disk.md).",
            code=ExitCode.REFUSED,
        )
    stack = stack_of(name, places, config_file)
    secrets = read_secrets(store_of(name, stack_file))
    kubeconfig = own_kubeconfig(plan, secrets, stack)
    account = Account.of(plan.region, endpoint=plan.cloud_endpoint, ca=places.ca)
    marks = Marks(
        plan=plan,
        ca=ca_fingerprint(secrets),
        policies=snapshot_policies(stack.deployment() or {}),
    )
    steps = RestoreSteps(
        stack=stack,
        cloud=ControlPlaneResources(marks=marks, api=OfficialApi(account)),
        snapshot=snapshot,
        keys=secrets.encryption_keys,
    )
    with reaching(kubeconfig, stack.runner) as runner:
        situation = steps.situation(api_server_is_ready=_is_ready(runner))
        restore = plan_restore(situation, datetime.now(UTC), starts_over=starts_over)
        reasons = list(refusals(situation)) if restore.continues is None else []
        if reasons:
            raise OperationError(
                "\n".join(("The restore is refused:", *(f"- {reason}" for reason in reasons))),
                code=ExitCode.REFUSED,
            )
        console.print(restore_table(plan, snapshot, restore))
        if confirmed:
            progress = Progress(console=console)
            steps.delete_remains(restore, progress)
            steps.create_cluster(progress)
            steps.bring_nodes_back(runner, progress)
            steps.give_nodes_their_state(runner, progress)
            steps.write_secrets_again(runner, progress)
            steps.create_younger_objects(progress)
            steps.wait_for_addresses(runner, progress)
            steps.finish()
    return restore


def restore_table(plan: ClusterPlan, snapshot: str, restore: RestorePlan) -> Table:
    """The steps as a table."""
    first, *others = (node.name for node in plan.control_planes)
    title = f"Restore of {plan.name} from {snapshot}"
    if restore.continues is not None:
        title += f", which began at {restore.continues:%Y-%m-%d %H:%M} UTC and continues"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("step", "what"):
        table.add_column(column, overflow="fold")
    steps = [
        *(f"take a snapshot of {node}'s disk {disk}" for node, disk in restore.disks.items()),
        *(f"delete {node}'s machine {machine}" for node, machine in restore.machines.items()),
        *(f"delete {node}'s disk {disk}" for node, disk in restore.disks.items()),
        f"pulumi up: {first} creates the cluster on a disk from the snapshot"
        + (f", and {', '.join(others)} join as new members" if others else ""),
        "restart workers that joined after the snapshot; no other worker is touched",
        "settings, labels, taints and keys of Secrets that changed after the snapshot",
        "pulumi up: objects that are younger than the snapshot",
        "wait until Spiderpool's pools and the pods agree about addresses",
    ]
    for number, step in enumerate(steps, start=1):
        table.add_row(str(number), step)
    return table


def _is_ready(runner: Runner) -> bool:
    argv = ["kubectl", "--request-timeout=10s", "get", "--raw", "/readyz"]
    try:
        done = runner.run(argv, deadline=_READY_WITHIN, quiet=True)
    except OperationError:
        return False
    return done.status == 0 and done.out.strip() == "ok"
