"""`upgrade`: shows and takes the steps from the running versions to those in the stack file."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from operations.engine.cluster_access import open_cluster
from operations.engine.places import Places
from operations.engine.stack_file import Stack, path_of_stack
from operations.engine.steps import Progress
from operations.failure import ExitCode, OperationError
from operations.upgrade.steps import Upgrader
from planning.transitions.upgrades import Upgrade, plan_upgrade, version_of


def upgrade_stack(
    stack: str, places: Places, *, config_file: Path | None, go: bool, console: Console
) -> Upgrade:
    """Show the steps, and take them with `go`.

    Raises:
        OperationError: Refused, with every reason; or a step failed.
        ConfigError: The stack file has mistakes.
    """
    plan = Stack.read(config_file or path_of_stack(stack)).plan()
    if plan.kubernetes.mode != "kubeadm":
        raise OperationError(
            "The stack has kubernetes.mode: existing, and this program upgrades Kubernetes only in "
            "clusters that it built. Upgrade Kubernetes with the tool that built the cluster; "
            "`pulumi up` upgrades Spiderpool.",
            code=ExitCode.REFUSED,
        )
    with open_cluster(stack, places) as cluster:
        upgrader = Upgrader(
            stack=stack,
            plan=plan,
            runner=cluster.runner,
            arguments=() if config_file is None else ("--config-file", str(config_file)),
        )
        upgrade = _planned(upgrader)
        if upgrade.steps:
            console.print(_table(stack, upgrade))
        else:
            console.print(f"{stack} runs the versions of its stack file.", soft_wrap=True)
        if go:
            _go(upgrader, upgrade, Progress(console=console))
    return upgrade


def _planned(upgrader: Upgrader) -> Upgrade:
    plan = upgrader.plan
    upgrade = plan_upgrade(
        upgrader.running(),
        kubernetes=version_of(plan.kubernetes.version),
        spiderpool=version_of(plan.spiderpool.chart.version) if plan.spiderpool.enabled else None,
        workers=frozenset(worker.name for worker in plan.workers),
        control_planes=frozenset(plane.name for plane in plan.control_planes),
    )
    if upgrade.problems:
        raise OperationError(
            "\n".join(("The upgrade is refused:", *(f"- {p}" for p in upgrade.problems))),
            code=ExitCode.REFUSED,
        )
    return upgrade


def _go(upgrader: Upgrader, upgrade: Upgrade, progress: Progress) -> None:
    if not upgrade.steps:
        return
    targets = ", ".join(f"{step.kind.value} {step.target}" for step in upgrade.steps)
    with progress.step(f"pulumi up: {targets}", streams=True):
        upgrader.up()
    left = _planned(upgrader).steps
    if left:
        raise OperationError(
            "These steps are left after the run: "
            f"{', '.join(f'{step.kind.value} {step.target}' for step in left)}. Run the same "
            "command again, and look at `kubectl get nodes` if that changes nothing."
        )


def _table(stack: str, upgrade: Upgrade) -> Table:
    table = Table(title=f"Upgrade of {stack}", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("step", "what", "target", "from", "to"):
        table.add_column(column, overflow="fold")
    for number, step in enumerate(upgrade.steps, start=1):
        table.add_row(str(number), step.kind.value, step.target, step.before, step.after)
    return table
