"""The local stack: the same program on an emulated cloud, up and down with one command each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from config.model import Profile
from operations.engine.environment import (
    LOCAL_PASSPHRASE,
    run_environment,
)
from operations.engine.places import LOCAL_STACK, ROOT, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.engine.steps import Progress
from operations.engine.waiting import holds_within
from operations.failure import ExitCode, OperationError
from operations.local.emulated_cloud import EIP_RANGE, EmulatedCloud
from operations.plan.cluster_report import cluster_tables
from operations.secrets.passphrase import opens
from operations.secrets.store import FileStore, init_secrets
from operations.sweep.cloud import Account
from operations.sweep.command import SweptStack
from operations.sweep.owned_names import OwnedNames
from operations.sweep.recovery import recover_stack
from operations.writing import write_file
from planning.model import ClusterPlan

_READY = 45.0
DEAD_CLUSTER: Mapping[str, str] = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
"""Objects of a cluster that does not answer are dropped (docs/runbooks/dead-cluster.md)."""
_UP = 1500.0
_UP_VIRTUAL = 5400.0
"""An emulated processor may need half an hour for a machine's boot on a busy host."""
_DOWN = 900.0
_OUTLIVES = "Snapshot"
"""The kind of resource that a destroy leaves: a restore needs it."""


@dataclass(frozen=True, kw_only=True)
class LocalCloud:
    """One local cloud and the stack on it.

    `config_file` and `eip_range` let a second one run next to the first: its stack file names
    another port.
    """

    places: Places
    console: Console
    config_file: Path | None = None
    eip_range: str = EIP_RANGE
    machines: str | None = None
    """What instances boot into (`localcloud start --machines`); None keeps the former choice."""
    outer: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def up(self) -> None:
        """Deploy everything; a second call repairs what is missing and changes nothing else."""
        progress = Progress(self.console)
        with progress.step("Check the stack file"):
            stack_file, plan = self._checked()
            cloud = self._cloud()
            cloud.check_machine(plan)
        with progress.step("Toolchain", streams=True):
            cloud.build_tools()
        with progress.step("Spiderpool chart"):
            cloud.assemble_chart()
        with progress.step(f"Local cloud on {plan.cloud_endpoint}"):
            cloud.start(plan)
        with progress.step("Secrets"):
            self._make_secrets(stack_file, plan)
        self._await_api_server(progress)
        stack = self._stack()
        with progress.step("Stack"):
            self._prepare(stack, plan, progress)
        with progress.step("pulumi up", streams=True):
            stack.up(deadline=_UP if self.machines is None else _UP_VIRTUAL)
        outputs = stack.outputs(secrets=True)
        self._write_kubeconfig(outputs)
        self.console.print()
        for table in cluster_tables(outputs):
            self.console.print(table)
        self.console.print(f"Up after {progress.elapsed:.0f} s. Use it:", highlight=False)
        self.console.print(
            f"  source {_short(self.places.env)} && kubectl get nodes,spiderippools",
            highlight=False,
            soft_wrap=True,
        )

    def down(self) -> None:
        """Destroy the stack, check that the emulated cloud is empty, stop it."""
        progress = Progress(self.console)
        cloud, stack = self._cloud(), self._stack()
        if not self.places.cloud.exists() and not stack.exists():
            self.console.print("Nothing to destroy: there is no local cloud here.")
            return
        left: list[str] = []
        if stack.exists():
            _, plan = self._checked()
            cloud.check_machine(plan)
            with progress.step(f"Local cloud on {plan.cloud_endpoint}"):
                cloud.start(plan)
            if not self._await_api_server(progress):
                progress.note("The cluster does not answer: its objects are dropped with it.")
                stack = self._stack(DEAD_CLUSTER)
            with progress.step("Stack"):
                self._prepare(stack, plan, progress)
                count = stack.resource_count()
            if count:
                with progress.step("pulumi destroy", streams=True):
                    stack.destroy(deadline=_DOWN)
            with progress.step("Nothing left in the emulated cloud"):
                present = cloud.resources()
                left = [f"{n} {kind}" for kind, n in present.items() if kind != _OUTLIVES]
            if _OUTLIVES in present:
                progress.note(
                    f"Snapshots of etcd's disk outlive the stack on purpose, here "
                    f"{present[_OUTLIVES]}. `python -m operations local down --discard` deletes "
                    "them with the rest of the local cloud."
                )
        if left:
            raise OperationError(
                f"The stack is destroyed, but the emulated cloud still has {', '.join(left)}. "
                "It keeps running so that you can look at it (`python -m localcloud resources`). "
                "`python -m operations local down --discard` deletes it with everything in it.",
                code=ExitCode.LEFTOVERS,
            )
        with progress.step("Stop the local cloud"):
            cloud.stop()
            self.places.kubeconfig.unlink(missing_ok=True)

    def discard(self) -> None:
        """Stop the local cloud and delete its state and the stack's, without a `pulumi destroy`.

        For a state that cannot be repaired. The toolchain and the secrets stay.
        """
        progress = Progress(self.console)
        if self.places.cloud.exists():
            with progress.step("Stop the local cloud"):
                self._cloud().stop()
        with progress.step("Delete the cloud, its machines and the stack's state"):
            for folder in (self.places.cloud, self.places.machines, self.places.backend):
                if folder.exists():
                    shutil.rmtree(folder)
            self.places.kubeconfig.unlink(missing_ok=True)

    def status(self) -> Mapping[str, object]:
        """Return what runs and what the stack has; starts nothing."""
        stack = self._stack()
        return {
            "cloud": self._cloud().status(),
            "stack": {
                "name": LOCAL_STACK,
                "exists": stack.exists(),
                "resources": stack.resource_count() if stack.exists() else 0,
            },
        }

    def _checked(self) -> tuple[Stack, ClusterPlan]:
        stack_file = Stack.read(self.config_file or path_of_stack(LOCAL_STACK))
        plan = stack_file.plan()
        if plan.profile is not Profile.LOCAL:
            raise OperationError(
                f"{stack_file.path} has profile {plan.profile.value}, and the local cloud takes "
                "only profile: local. Use `pulumi up` with credentials for a real account.",
                code=ExitCode.REFUSED,
            )
        salt = stack_file.file.encryption_salt
        if salt is None or not opens(LOCAL_PASSPHRASE, salt):
            raise OperationError(
                f"The local stack's passphrase does not open {stack_file.path}: its "
                "encryptionsalt is missing or was made with another passphrase. Put the line "
                "back with `git checkout -- stacks/Pulumi.local.yaml`, or remove a secret that "
                "was set with your own passphrase.",
                code=ExitCode.REFUSED,
            )
        return stack_file, plan

    def _await_api_server(self, progress: Progress) -> bool:
        """Wait for the API server of an existing cluster: its machines may still be booting.

        An API server refuses everybody until it has read its roles, and a refresh would record
        that. False when there is a cluster and it does not get ready in time.
        """
        if not self.places.kubeconfig.exists():
            return True
        kubectl = Runner(env=run_environment(self.places, self.outer))
        ask = ("kubectl", "--request-timeout=5s", "get", "--raw", "/readyz")
        with progress.step("API server"):
            is_ready = holds_within(
                lambda: kubectl.run(ask, deadline=30, quiet=True).status == 0,
                within=_READY,
                every=0.5,
            )
            if not is_ready:
                progress.note(
                    f"It did not get ready within {_READY:.0f} s; the run continues without it."
                )
        return is_ready

    def _make_secrets(self, stack_file: Stack, plan: ClusterPlan) -> None:
        path = self._secrets_path(stack_file)
        if not path.exists():
            init_secrets(plan.name, FileStore(path))

    def _secrets_path(self, stack_file: Stack) -> Path:
        name = stack_file.secrets_file
        if name is None:
            raise OperationError(
                f"{stack_file.path} names no spiderpool-alicloud:secretsFile, where the local "
                "stack keeps its secrets. Write `.local/secrets.yaml` there.",
                code=ExitCode.REFUSED,
            )
        return ROOT / name

    def _prepare(self, stack: PulumiStack, plan: ClusterPlan, progress: Progress) -> None:
        if not stack.exists():
            stack.init()
            return
        lock = stack.lock()
        if lock is not None and lock.alive:
            raise OperationError(
                f"Another pulumi (process {lock.pid}) is working on the local stack. Wait for it "
                "to end, or interrupt it there, and run this again.",
                code=ExitCode.BUSY,
            )
        if lock is not None:
            stack.unlock()
            progress.note("An earlier run was interrupted; its lock on the stack is released.")
        if pending := stack.pending_operations():
            progress.note(
                "An earlier run was interrupted during these operations; reading the cloud:"
            )
            for operation in pending:
                progress.note(f"  {operation}")
            recovered = recover_stack(
                SweptStack(
                    name=LOCAL_STACK,
                    stack=stack,
                    owned=OwnedNames.of(plan),
                    account=Account.of(
                        plan.region, endpoint=plan.cloud_endpoint, ca=self.places.ca
                    ),
                    places=self.places,
                ),
                # The emulated cloud belongs to this stack alone, so nothing needs a confirmation.
                ask=lambda _: True,
                agree=lambda _: True,
                say=lambda text: progress.note(f"  removed: {text}"),
            )
            for finding in recovered.findings:
                progress.note(f"  {finding}")
            if not recovered.swept.leftovers and not recovered.findings:
                progress.note("They left nothing behind.")

    def _write_kubeconfig(self, outputs: Mapping[str, object]) -> None:
        kubeconfig = outputs.get("kubeconfig")
        if isinstance(kubeconfig, str):
            write_file(self.places.kubeconfig, kubeconfig, mode=0o600)

    def _cloud(self) -> EmulatedCloud:
        return EmulatedCloud(
            places=self.places,
            stack_file=self.config_file or path_of_stack(LOCAL_STACK),
            eip_range=self.eip_range,
            machines=self.machines,
            outer=self.outer,
        )

    def _stack(self, more: Mapping[str, str] | None = None) -> PulumiStack:
        """The local stack; `more` is laid over the environment that pulumi runs in."""
        return PulumiStack(
            name=LOCAL_STACK,
            runner=Runner(env={**run_environment(self.places, self.outer), **(more or {})}),
            backend=self.places.backend,
            config_file=self.config_file,
        )


def _short(path: Path) -> str:
    return os.path.relpath(path)
