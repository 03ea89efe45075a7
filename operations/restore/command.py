"""`restore`: shows its steps, and with `--yes` rebuilds the cluster from a snapshot."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table

from config.facts.tags import TAG_ETCD_CA
from operations.backup.command import snapshot_policies
from operations.backup.origins import Marks
from operations.engine.cluster_access import check_answer, reaching, stack_of
from operations.engine.places import Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.stack_file import Stack, path_of_stack
from operations.engine.steps import Progress
from operations.engine.waiting import holds_within
from operations.failure import ExitCode, OperationError
from operations.restore.addresses import stale, unrecorded
from operations.restore.cloud import LostCluster
from operations.restore.nodes import lost_nodes, silent_nodes
from operations.restore.remains import Remains, Restore, problems, restore_of
from operations.secrets.admin_access import own_kubeconfig
from operations.secrets.command import store_of
from operations.secrets.store import read_secrets
from operations.sweep.cloud import Account, CloudError, OfficialApi
from operations.verification.snapshot import Object
from planning.model import ClusterPlan
from planning.nodes.etcd_disk import RESTORE, ca_fingerprint

_T = TypeVar("_T")
_UP_WITHIN: Final = 4 * 3600.0
_NODES_WITHIN: Final = 900.0
_POOLS_WITHIN: Final = 600.0
"""Spiderpool's collector comes round every two minutes, once its controller is ready."""
_ANSWERS_WITHIN: Final = 120.0
_LOOK: Final = 5.0
_CALL_WITHIN: Final = 60.0
_READY_WITHIN: Final = 30.0
_DISK: Final = "alicloud:ecs/ecsDisk:EcsDisk"
_RIGHTS: Final = (
    "ecs:DescribeInstances, ecs:DescribeDisks, ecs:DescribeSnapshots, ecs:CreateSnapshot, "
    "ecs:DeleteInstance, ecs:DeleteDisk, ecs:RebootInstance, ecs:TagResources and "
    "ecs:UntagResources"
)


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """One restore of a stack's cluster."""

    stack: PulumiStack
    cloud: LostCluster
    snapshot: str
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    @property
    def plan(self) -> ClusterPlan:
        """The plan of the stack file."""
        return self.cloud.plan

    def remains(self, *, answers: bool) -> Remains:
        """Look at what is left in the cloud and in the state."""
        deployment = self.stack.deployment() or {}
        planes = tuple(node.name for node in self.plan.control_planes)
        disk = self.plan.control_planes[0].etcd_disk
        return _ask(
            lambda: Remains(
                cluster=self.plan.name,
                control_planes=planes,
                size=0 if disk is None else disk.size,
                answers=answers,
                machines=self.cloud.machines(),
                disks=self.cloud.disks(),
                earlier_disks=frozenset(_disks_in(deployment)),
                snapshot=self.cloud.source(self.snapshot),
                mark=f"{TAG_ETCD_CA}={self.cloud.marks.ca}",
            )
        )

    def make_room(self, restore: Restore, progress: Progress) -> None:
        """Remove what is left of the control planes, and keep a snapshot of every disk."""
        for node, disk in restore.kept.items():
            with progress.step(f"{node}: snapshot of disk {disk}, as it is now"):
                id_ = _ask(partial(self.cloud.keep, node, disk))
            progress.note(f"{node}: {id_ or 'the disk has never been used'}")
        if restore.machines:
            with progress.step(f"delete the machines of {', '.join(restore.machines)}"):
                _ask(lambda: self.cloud.delete_machines(restore.machines))
        if restore.disks:
            with progress.step(f"delete the disks of {', '.join(restore.disks)}"):
                _ask(lambda: self.cloud.delete_disks(restore.disks))
        if restore.continues is None:
            _ask(lambda: self.cloud.mark(self.snapshot, datetime.now(UTC)))

    def make_cluster(self, progress: Progress) -> None:
        """Let `pulumi up` make disks and machines; the first one makes the cluster."""
        with progress.step("pulumi up: the cluster of the snapshot", streams=True):
            stack = replace(self.stack, runner=self._restoring_runner())
            # A preview shows little of a cluster that does not answer; the run judges by itself.
            stack.up(deadline=_UP_WITHIN, preview=False)

    def bring_nodes_back(self, runner: Runner, progress: Progress) -> None:
        """Wait for every node; those whose Nodes are not theirs register again.

        Raises:
            OperationError: a node is not there in time.
        """
        outputs: Mapping[str, Any] = self.stack.outputs()["nodes"]  # type: ignore[assignment]
        ids = {name: str(node["providerId"]) for name, node in outputs.items()}
        workers = {name: ids[name] for name in (node.name for node in self.plan.workers)}
        nodes = self._answer(lambda: _items(runner, "nodes"))
        lost = lost_nodes(_named(nodes), workers)
        for name in (*lost.absent, *lost.other):
            with progress.step(f"{name}: restart, because it joined after the snapshot"):
                # Its Node would keep the provider id of the machine before.
                _kubectl(runner, "delete", "node", name, "--ignore-not-found", "--wait=false")
                _ask(partial(self.cloud.reboot, str(outputs[name]["instanceId"])))
        silent = sorted(ids)

        def are_back() -> bool:
            nodes = _named(_items(runner, "nodes"))
            silent[:] = silent_nodes(nodes, ids, _leases(runner), first)
            return not silent

        first = self._answer(lambda: _leases(runner))

        with progress.step(f"wait for {len(ids)} nodes"):
            if not self._holds(_if_it_answers(are_back), within=_NODES_WITHIN):
                raise OperationError(
                    f"{', '.join(silent)} did not report within {_NODES_WITHIN / 60:.0f} minutes. "
                    "The restored cluster runs. Look at these machines' consoles, restart or "
                    "delete them in the ECS console, and run the same command again: it goes on."
                )

    def compare_objects(self, progress: Progress) -> None:
        """Create the objects that the snapshot lacks, and update those that are older in it."""
        with progress.step("pulumi up: objects that are younger than the snapshot", streams=True):
            self.stack.up(deadline=_UP_WITHIN)

    def settle_addresses(self, runner: Runner, progress: Progress) -> None:
        """Wait until pools and pods agree; a controller re-creates pods that no pool records.

        Raises:
            OperationError: they do not agree in time.
        """
        differences = ["nothing was read, because the API server did not answer"]
        seen: set[str] = set()

        def agree() -> bool:
            pods, pools = _items(runner, "pods", "-A"), _items(runner, "spiderippools")
            wrong = unrecorded(pods, pools)
            differences[:] = [*map(str, wrong), *stale(pods, pools)]
            for pod in wrong:
                # The second time: a pod that starts has its address before its status has it.
                if pod.owned and str(pod) in seen:
                    _kubectl(runner, "delete", "pod", "-n", pod.namespace, pod.pod, "--wait=false")
            seen.clear()
            seen.update(map(str, wrong))
            return not differences

        with progress.step("wait until pools and pods agree about addresses"):
            if not self._holds(_if_it_answers(agree), within=_POOLS_WITHIN):
                raise OperationError(
                    f"After {_POOLS_WITHIN / 60:.0f} minutes pools and pods do not agree: "
                    f"{'; '.join(differences)}. A pod without a controller has to be deleted by "
                    "hand; addresses of pods that are gone are released by spiderpool-controller "
                    "(`kubectl -n kube-system logs deployment/spiderpool-controller`). Then run "
                    "the same command again: it goes on."
                )

    def finish(self) -> None:
        """Forget that the restore is under way."""
        _ask(lambda: self.cloud.unmark(self.snapshot))

    def _restoring_runner(self) -> Runner:
        runner = self.stack.runner
        return replace(runner, env={**runner.env, RESTORE: self.snapshot})

    def _answer(self, ask: Callable[[], _T]) -> _T:
        """What the API server answers. It may be busy after its start, so it is asked again."""
        answers: list[_T] = []

        def answered() -> bool:
            answers.append(ask())
            return True

        if not self._holds(_if_it_answers(answered), within=_ANSWERS_WITHIN):
            answers.append(ask())
        return answers[0]

    def _holds(self, is_so: Callable[[], bool], *, within: float) -> bool:
        return holds_within(is_so, within=within, every=_LOOK, clock=self.clock, pause=self.pause)


def restore_cluster(  # noqa: PLR0913 - each is an option of the command
    name: str,
    snapshot: str,
    places: Places,
    *,
    config_file: Path | None,
    anew: bool,
    go: bool,
    console: Console,
) -> Restore:
    """Show the steps, and take them with `go`.

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
    restoring = Restoring(
        stack=stack,
        cloud=LostCluster(marks=marks, api=OfficialApi(account)),
        snapshot=snapshot,
    )
    with reaching(kubeconfig, stack.runner) as runner:
        remains = restoring.remains(answers=_is_ready(runner))
        restore = restore_of(remains, datetime.now(UTC), anew=anew)
        goes_on = restore.continues is not None
        reasons = [] if goes_on else list(problems(remains))
        if reasons:
            raise OperationError(
                "\n".join(("The restore is refused:", *(f"- {reason}" for reason in reasons))),
                code=ExitCode.REFUSED,
            )
        console.print(restore_table(plan, snapshot, restore))
        if go:
            progress = Progress(console=console)
            restoring.make_room(restore, progress)
            restoring.make_cluster(progress)
            restoring.bring_nodes_back(runner, progress)
            restoring.compare_objects(progress)
            restoring.settle_addresses(runner, progress)
            restoring.finish()
    return restore


def restore_table(plan: ClusterPlan, snapshot: str, restore: Restore) -> Table:
    """Show the steps."""
    first, *others = (node.name for node in plan.control_planes)
    title = f"Restore of {plan.name} from {snapshot}"
    if restore.continues is not None:
        title += f", which began at {restore.continues:%Y-%m-%d %H:%M} UTC and goes on"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("step", "what"):
        table.add_column(column, overflow="fold")
    steps = [
        *(f"take a snapshot of {node}'s disk {disk}" for node, disk in restore.kept.items()),
        *(f"delete {node}'s machine {machine}" for node, machine in restore.machines.items()),
        *(f"delete {node}'s disk {disk}" for node, disk in restore.disks.items()),
        f"pulumi up: {first} makes the cluster on a disk of the snapshot"
        + (f", and {', '.join(others)} join it as new members" if others else ""),
        "restart workers that joined after the snapshot; no other worker is touched",
        "pulumi up: objects that are younger than the snapshot",
        "wait until Spiderpool's pools and the pods agree about addresses",
    ]
    for number, step in enumerate(steps, start=1):
        table.add_row(str(number), step)
    return table


def _if_it_answers(is_so: Callable[[], bool]) -> Callable[[], bool]:
    """The condition, which does not hold while the API server does not answer."""

    def attempt() -> bool:
        try:
            return is_so()
        except OperationError:
            return False

    return attempt


def _is_ready(runner: Runner) -> bool:
    argv = ["kubectl", "--request-timeout=10s", "get", "--raw", "/readyz"]
    try:
        done = runner.run(argv, deadline=_READY_WITHIN, quiet=True)
    except OperationError:
        return False
    return done.status == 0 and done.out.strip() == "ok"


def _items(runner: Runner, *words: str) -> list[Object]:
    items = json.loads(_kubectl(runner, "get", *words, "-o", "json"))["items"]
    return items if isinstance(items, list) else []


def _named(items: Sequence[Object]) -> dict[str, Object]:
    return {str(item["metadata"]["name"]): item for item in items}


def _leases(runner: Runner) -> dict[str, str]:
    return {
        name: str(lease["spec"].get("renewTime"))
        for name, lease in _named(_items(runner, "leases", "-n", "kube-node-lease")).items()
    }


def _kubectl(runner: Runner, *words: str) -> str:
    done = runner.run(
        ["kubectl", "--request-timeout=30s", *words], deadline=_CALL_WITHIN, quiet=True
    )
    check_answer(done, f"kubectl {' '.join(words[:2])} failed")
    return done.out


def _disks_in(deployment: Mapping[str, Any]) -> list[str]:
    resources = deployment.get("resources")
    return [
        str(resource.get("id") or "")
        for resource in (resources if isinstance(resources, list) else ())
        if isinstance(resource, Mapping) and resource.get("type") == _DISK
    ]


def _ask(call: Callable[[], _T]) -> _T:
    """Ask the cloud; its refusal is an `OperationError`."""
    try:
        return call()
    except CloudError as error:
        raise OperationError(
            f"The cloud refuses {error}. A restore needs the rights {_RIGHTS}, and control planes "
            "without deletion protection. Correct the cause, and run the same command again: it "
            "goes on."
        ) from error
