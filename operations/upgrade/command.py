"""`upgrade`: show the steps from what runs to what the stack file asks for, and take them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from operations.engine.environment import run_environment, users_environment
from operations.engine.places import LOCAL_STACK, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
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
            "Kubernetes of mode: existing is upgraded by those who built it; Spiderpool by "
            "`pulumi up`.",
            code=ExitCode.REFUSED,
        )
    environment = (run_environment if stack == LOCAL_STACK else users_environment)(
        places, os.environ
    )
    found = PulumiStack(name=stack, runner=Runner(env=environment), backend=places.backend)
    kubeconfig = found.outputs(secrets=True).get("kubeconfig")
    if not isinstance(kubeconfig, str) or not kubeconfig:
        raise OperationError(
            f"Stack {stack} has no kubeconfig: there is no cluster to upgrade. Run `pulumi up "
            f"--stack {stack}`.",
            code=ExitCode.REFUSED,
        )
    with _written(kubeconfig) as path:
        upgrader = Upgrader(
            stack=stack,
            plan=plan,
            runner=Runner(env={**environment, "KUBECONFIG": str(path)}),
            arguments=() if config_file is None else ("--config-file", str(config_file)),
        )
        upgrade = _planned(upgrader)
        console.print(_table(stack, upgrade))
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
            "\n".join(("refused:", *(f"- {problem}" for problem in upgrade.problems))),
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
            f"{len(left)} steps are left after the run: "
            f"{', '.join(f'{step.kind.value} {step.target}' for step in left)}. Run the same "
            "command again, and look at `kubectl get nodes` if that changes nothing."
        )


def _table(stack: str, upgrade: Upgrade) -> Table:
    title = f"Upgrade of {stack}" if upgrade.steps else f"{stack} runs what its file says"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("step", "what", "target", "from", "to"):
        table.add_column(column, overflow="fold")
    for number, step in enumerate(upgrade.steps, start=1):
        table.add_row(str(number), step.kind.value, step.target, step.before, step.after)
    return table


@contextmanager
def _written(kubeconfig: str) -> Iterator[Path]:
    """The kubeconfig in a file that no other user can read, for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="spiderpool-alicloud-") as folder:
        path = Path(folder, "kubeconfig")
        path.touch(mode=0o600)
        path.write_text(kubeconfig, encoding="utf-8")
        yield path
