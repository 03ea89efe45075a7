"""The steps of a restore. Each one can be repeated, so that an interrupted restore continues."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

from config.facts.resource_types import DISK
from config.facts.tags import TAG_ETCD_CA
from operations.engine.cluster_access import check_answer
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.engine.steps import Progress
from operations.engine.waiting import holds_within
from operations.failure import OperationError
from operations.restore.address_differences import stale_allocations, unrecorded_addresses
from operations.restore.control_plane_resources import ControlPlaneResources
from operations.restore.decision import RestorePlan, Situation
from operations.restore.node_state import changes, states_of_nodes
from operations.restore.registration import silent_nodes, unregistered_nodes
from operations.secrets.encryption import Keys, read_control_planes, write_every_secret_again
from operations.sweep.cloud import CloudError
from operations.sweep.state import StackState
from operations.verification.cluster_objects import Object
from planning.model import ClusterPlan
from planning.nodes.etcd_disk import RESTORE

_T = TypeVar("_T")
_UP_WITHIN: Final = 4 * 3600.0
_NODES_WITHIN: Final = 900.0
_KEYS_WITHIN: Final = 900.0
"""A unit asks etcd once a minute, and restarts its API server."""
_POOLS_WITHIN: Final = 600.0
"""Spiderpool's collector runs every two minutes, once its controller is ready."""
_ANSWERS_WITHIN: Final = 120.0
_ASK_EVERY: Final = 5.0
_CALL_WITHIN: Final = 60.0
_RIGHTS: Final = (
    "ecs:DescribeInstances, ecs:DescribeDisks, ecs:DescribeSnapshots, ecs:CreateSnapshot, "
    "ecs:DeleteInstance, ecs:DeleteDisk, ecs:RebootInstance, ecs:StartInstance, "
    "ecs:TagResources and ecs:UntagResources"
)


@dataclass(frozen=True, kw_only=True)
class RestoreSteps:
    """The steps of one restore, in the order of the methods from `delete_remains` on."""

    stack: PulumiStack
    cloud: ControlPlaneResources
    snapshot: str
    keys: Keys
    """Names of the keys of Secrets in etcd, of the stack."""
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    @property
    def plan(self) -> ClusterPlan:
        """The plan of the stack file."""
        return self.cloud.plan

    def situation(self, *, api_server_is_ready: bool) -> Situation:
        """Read the facts from the cloud and from Pulumi's state."""
        state = StackState.of(self.stack.deployment())
        planes = tuple(node.name for node in self.plan.control_planes)
        disk = self.plan.control_planes[0].etcd_disk
        return _ask(
            lambda: Situation(
                cluster=self.plan.name,
                control_planes=planes,
                disk_gibibytes=0 if disk is None else disk.size,
                api_server_is_ready=api_server_is_ready,
                machines=self.cloud.machines(),
                disks=self.cloud.disks(),
                disks_in_state=state.of_type(DISK),
                snapshot=self.cloud.snapshot(self.snapshot),
                mark=f"{TAG_ETCD_CA}={self.cloud.marks.ca}",
            )
        )

    def delete_remains(self, restore: RestorePlan, progress: Progress) -> None:
        """Take a snapshot of every disk; delete the control planes' machines and disks."""
        for node, disk in restore.disks.items():
            with progress.step(f"{node}: snapshot of disk {disk}, as it is now"):
                id_ = _ask(partial(self.cloud.take_snapshot, node, disk))
            progress.note(f"{node}: {id_ or 'the disk has never been used'}")
        if restore.machines:
            with progress.step(f"delete the machines of {', '.join(restore.machines)}"):
                _ask(lambda: self.cloud.delete_machines(restore.machines))
        if restore.disks:
            with progress.step(f"delete the disks of {', '.join(restore.disks)}"):
                _ask(lambda: self.cloud.delete_disks(restore.disks))
        if restore.continues is None:
            _ask(lambda: self.cloud.mark_begun(self.snapshot, datetime.now(UTC)))

    def create_cluster(self, progress: Progress) -> None:
        """Let `pulumi up` create disks and machines. The first machine restores the cluster."""
        with progress.step("pulumi up: the cluster of the snapshot", streams=True):
            stack = replace(self.stack, runner=self._restoring_runner())
            # A preview shows little of a cluster that does not answer; the run checks by itself.
            stack.up(deadline=_UP_WITHIN, preview=False)

    def bring_nodes_back(self, runner: Runner, progress: Progress) -> None:
        """Restart workers that have to register again, and wait for every node.

        A machine that loses its power meanwhile is started.

        Raises:
            OperationError: a node does not report in time.
        """
        outputs: Mapping[str, Any] = self.stack.outputs()["nodes"]  # type: ignore[assignment]
        ids = {name: str(node["providerId"]) for name, node in outputs.items()}
        workers = {name: ids[name] for name in (node.name for node in self.plan.workers)}
        nodes = self._answer(lambda: _items(runner, "nodes"))
        unregistered = unregistered_nodes(_named(nodes), workers)
        for name in (*unregistered.missing, *unregistered.replaced):
            with progress.step(f"{name}: restart, because it joined after the snapshot"):
                # An old Node would keep the provider id of the machine before.
                _kubectl(runner, "delete", "node", name, "--ignore-not-found", "--wait=false")
                _ask(partial(self.cloud.reboot, str(outputs[name]["instanceId"])))
        machines = {str(node["instanceId"]): name for name, node in outputs.items()}
        silent = sorted(ids)

        def are_back() -> bool:
            for machine in sorted(_ask(lambda: self.cloud.stopped(machines))):
                progress.note(f"{machines[machine]}: is stopped, and is started")
                _ask(partial(self.cloud.start, machine))
            nodes = _named(_items(runner, "nodes"))
            silent[:] = silent_nodes(nodes, ids, _leases(runner), first)
            return not silent

        first = self._answer(lambda: _leases(runner))

        with progress.step(f"wait for {len(ids)} nodes"):
            if not self._holds(_if_it_answers(are_back), within=_NODES_WITHIN):
                raise OperationError(
                    f"{', '.join(silent)} did not report within {_NODES_WITHIN / 60:.0f} minutes. "
                    "The restored cluster runs. Look at these machines' consoles, restart or "
                    "delete them in the ECS console, and run the same command again: it continues."
                )

    def give_nodes_their_state(self, runner: Runner, progress: Progress) -> None:
        """Give Nodes that are as old as the snapshot the settings, labels and taints of the stack.

        A node without a Node, or without a state of its own, is left out.
        """
        states = states_of_nodes(self.plan.name, self.stack.deployment())
        nodes = self._answer(lambda: _named(_items(runner, "nodes")))
        for name in sorted(states.keys() & nodes.keys()):
            words = list(changes(nodes[name], states[name]))
            if words:
                with progress.step(f"{name}: settings, labels and taints of the stack"):
                    for command in words:
                        _kubectl(runner, *command)

    def write_secrets_again(self, runner: Runner, progress: Progress) -> None:
        """Replace older keys of Secrets, which the snapshot may have, by the stack's first one.

        Control planes of a restore read the keys of the snapshot, too. Their units forget these by
        themselves once no Secret has them.

        Raises:
            OperationError: Secrets cannot be written, or a key is not forgotten in time.
        """
        older: list[str] = []

        def are_the_stacks() -> bool:
            running = read_control_planes(runner, self.stack.name)
            older[:] = [
                f"{name} ({' '.join(keys)})"
                for name, keys in sorted(running.items())
                if keys and keys != self.keys
            ]
            return not older

        if self._answer(are_the_stacks):
            return
        with progress.step(f"write every Secret again with {self.keys[0]}"):
            self._answer(lambda: write_every_secret_again(runner))
        with progress.step("wait until the control planes have forgotten older keys"):
            if not self._holds(_if_it_answers(are_the_stacks), within=_KEYS_WITHIN):
                raise OperationError(
                    f"After {_KEYS_WITHIN / 60:.0f} minutes control planes still have keys of the "
                    f"snapshot: {', '.join(older)}. `kubectl describe node` shows the reason "
                    "in the annotation settings-failed. Run the same command again: it continues."
                )

    def create_younger_objects(self, progress: Progress) -> None:
        """Let `pulumi up` create objects that the snapshot lacks, and update older ones."""
        with progress.step("pulumi up: objects that are younger than the snapshot", streams=True):
            self.stack.up(deadline=_UP_WITHIN)

    def wait_for_addresses(self, runner: Runner, progress: Progress) -> None:
        """Wait until pools and pods agree about addresses.

        A pod whose address its pool does not record is deleted, if a controller creates it again.

        Raises:
            OperationError: they do not agree in time.
        """
        differences = ["nothing was read, because the API server did not answer"]
        seen: set[str] = set()

        def agree() -> bool:
            pods, pools = _items(runner, "pods", "-A"), _items(runner, "spiderippools")
            wrong = unrecorded_addresses(pods, pools)
            differences[:] = [*map(str, wrong), *stale_allocations(pods, pools)]
            for pod in wrong:
                # Only at the second look: the two lists are not of the same moment.
                if pod.has_controller and str(pod) in seen:
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
                    "the same command again: it continues."
                )

    def finish(self) -> None:
        """End the restore: the next one of this snapshot starts from the first step."""
        _ask(lambda: self.cloud.unmark(self.snapshot))

    def _restoring_runner(self) -> Runner:
        runner = self.stack.runner
        return replace(runner, env={**runner.env, RESTORE: self.snapshot})

    def _answer(self, ask: Callable[[], _T]) -> _T:
        """The API server's answer, asked repeatedly, because it may be busy after its start."""
        answers: list[_T] = []

        def answered() -> bool:
            answers.append(ask())
            return True

        if not self._holds(_if_it_answers(answered), within=_ANSWERS_WITHIN):
            answers.append(ask())
        return answers[0]

    def _holds(self, is_so: Callable[[], bool], *, within: float) -> bool:
        return holds_within(
            is_so, within=within, every=_ASK_EVERY, clock=self.clock, pause=self.pause
        )


def _if_it_answers(is_so: Callable[[], bool]) -> Callable[[], bool]:
    """The condition, which does not hold while the API server does not answer."""

    def attempt() -> bool:
        try:
            return is_so()
        except OperationError:
            return False

    return attempt


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


def _ask(call: Callable[[], _T]) -> _T:
    """Ask the cloud; its refusal is an `OperationError`."""
    try:
        return call()
    except CloudError as error:
        raise OperationError(
            f"The cloud refuses {error}. A restore needs the rights {_RIGHTS}, and control planes "
            "without deletion protection. Correct the cause, and run the same command again: it "
            "continues."
        ) from error
