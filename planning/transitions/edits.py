"""Checks an edit: from the plan before and the plan after to ordered steps, or refusals.

Pure. The caller asks the cluster which pods have which addresses, and passes the answer, or why
there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from planning.transitions.differences import text
from planning.transitions.earlier import planned_settings
from planning.transitions.holders import Cluster, Holders
from planning.transitions.part import Part, Phase, together
from planning.transitions.reading import EarlierRelease, Record
from planning.transitions.rules.access_list import check_access_list
from planning.transitions.rules.addresses import check_addresses
from planning.transitions.rules.counting import check_counting
from planning.transitions.rules.machine_fates import fates
from planning.transitions.rules.moves import check_moves
from planning.transitions.rules.nodes import WITHOUT_A_UNIT, check_nodes
from planning.transitions.rules.one_of_a_kind import check_one_of_a_kind
from planning.transitions.rules.protection import check_protection
from planning.transitions.rules.settings import check_settings
from planning.transitions.rules.versions import check_first_version, check_versions
from planning.transitions.steps import (
    AddNode,
    KeepMachine,
    Refusal,
    ReplaceControlPlane,
    ReplaceWorker,
    Step,
    Transition,
)

_COMPARED: Final = (
    "This stack was deployed by an earlier release, so only what that release recorded is "
    "compared. Run `pulumi up` with the stack file as it was, and make edits afterwards."
)


def check_edit(before: Record | EarlierRelease, after: Record, cluster: Cluster) -> Transition:
    """The steps of an edit, in order, or the reasons against it.

    Args:
        before: the plan that the last run accepted. A new stack has an empty `Record`.
        after: the plan of the stack file as it is now.
        cluster: who holds which pod address, or that this is not known.
    """
    if isinstance(before, EarlierRelease):
        return together(
            (
                _first_run(before, after, cluster),
                check_versions(before, after, cluster),
                check_counting(before, after, frozenset(), cluster),
            )
        )
    if not before.nodes and not before.cluster:
        return together((check_first_version(after), check_nodes(before, after)))
    nodes = fates(before, after)
    machines = check_nodes(before, after)
    return together(
        (
            check_settings(before, after),
            check_versions(before, after, cluster),
            machines,
            check_counting(before, after, _new_machines(machines), cluster),
            check_addresses(before, after, cluster),
            check_moves(before, after, nodes),
            check_one_of_a_kind(before, after),
            check_access_list(before, after),
            check_protection(before, after, nodes),
        )
    )


def _new_machines(nodes: Part) -> frozenset[str]:
    """Nodes that get a machine. The only control plane keeps its machine in an upgrade."""
    kinds = AddNode | ReplaceControlPlane | ReplaceWorker
    return frozenset(step.node for _, step in nodes.steps if isinstance(step, kinds))


def _first_run(before: EarlierRelease, after: Record, cluster: Cluster) -> Part:
    """The first run of this release on a stack of an earlier release."""
    if not after.is_kubeadm:
        return Part(refusals=tuple(_first_existing(before, after)), notes=(_COMPARED,))
    refusals = tuple(_first_refusals(before, after, cluster))
    steps = tuple(_first_steps(before, after))
    return Part(steps=steps, refusals=refusals, notes=(_COMPARED,))


def _first_existing(before: EarlierRelease, after: Record) -> Iterator[Refusal]:
    """Machines of a cluster that somebody else has built, as the state has them."""
    leaving = sorted(before.machines.keys() - after.nodes.keys())
    if leaving:
        yield _first_refusal(
            leaving,
            rule="No node leaves in the first run of a new release of this program.",
            reason="The addresses that would leave with it are checked against the record "
            "that this run makes.",
        )
    yield from _changed_machines(before, after)


def _first_refusals(before: EarlierRelease, after: Record, cluster: Cluster) -> Iterator[Refusal]:
    leaving = sorted(set(before.workers or ()) - set(after.workers))
    if leaving:
        yield _first_refusal(
            leaving,
            rule="No node leaves in the first run of a new release of this program.",
            reason="An earlier release did not record how to reach the cluster, so the nodes "
            "could not be drained.",
        )
    planes = _planes_before(before, cluster)
    if planes is not None and set(planes) != set(after.control_planes):
        yield _first_refusal(
            sorted(set(planes) ^ set(after.control_planes)),
            rule="No control plane comes or goes in the first run of a new release of this "
            "program.",
            reason="An earlier release did not record the other control planes.",
        )
    yield from _changed_machines(before, after)
    version = after.section("kubernetes", "version")
    if before.kubernetes is not None and version != before.kubernetes:
        yield _first_refusal(
            [str(version)],
            path="kubernetes.version",
            rule="Kubernetes is not upgraded in the first run of a new release of this program.",
            reason=f"That run records that the machines have {before.kubernetes}. If nobody "
            "edited the version, its default has changed.",
            remedy=f"Write kubernetes.version: {before.kubernetes}, run `pulumi up`, and upgrade "
            "afterwards.",
        )


def _planes_before(before: EarlierRelease, cluster: Cluster) -> set[str] | None:
    """Control planes of the earlier release, from the state or else from the cluster."""
    if before.machines and before.workers is not None:
        return set(before.machines) - set(before.workers)
    if isinstance(cluster, Holders) and cluster.control_planes is not None:
        return set(cluster.control_planes)
    return None


def _changed_machines(before: EarlierRelease, after: Record) -> Iterator[Refusal]:
    """Machines that the engine would replace or stop without a drain or a check of etcd."""
    changes: dict[tuple[str, str, str], list[str]] = {}
    for name, settings in before.machines.items():
        node = after.nodes.get(name)
        if node is None:
            continue
        new = planned_settings(node.identity, node.restart)
        for key, old in settings.items():
            if old != new[key]:
                change = (key, text(old) or "empty", text(new[key]) or "empty")
                changes.setdefault(change, []).append(name)
    for (key, old, other), names in changes.items():
        yield _first_refusal(
            names,
            rule="No machine changes in the first run of a new release of this program.",
            reason=f"Their {key} is {old} and would become {other}, but an earlier release did "
            "not record what a safe change needs. If nobody edited it, its default has changed: "
            f"write {old}.",
        )


def _first_refusal(
    names: list[str],
    *,
    path: str = "nodePools",
    rule: str,
    reason: str,
    remedy: str = "Revert the edit, run `pulumi up`, then make the edit and run it again.",
) -> Refusal:
    return Refusal(
        path=path,
        value=", ".join(names),
        rule=rule,
        reason=reason,
        remedy=remedy,
    )


def _first_steps(before: EarlierRelease, after: Record) -> Iterator[tuple[Phase, Step]]:
    """No machine is replaced: the run records the settings of each machine."""
    for name in after.control_planes:
        yield Phase.PLANES_CHANGE, KeepMachine(node=name, because=WITHOUT_A_UNIT)
    for name in after.workers:
        if before.workers is None or name in before.workers:
            yield Phase.WORKERS_CHANGE, KeepMachine(node=name, because=WITHOUT_A_UNIT)
        else:
            yield Phase.WORKERS_JOIN, AddNode(node=name)
