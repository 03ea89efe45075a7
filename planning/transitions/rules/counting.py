"""Edits that change whether, or on which NICs, the scheduler counts pod addresses.

A run changes the admission policies after the nodes (`components/cluster.py`). So every remaining
node must be able to advertise its addresses, and the old policies must not send pods to a NIC that
loses its addresses in the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planning.nodes.machine import COUNTING_UNIT
from planning.transitions.holders import Cluster, Holders
from planning.transitions.part import Part
from planning.transitions.reading import EarlierRelease, Machine, Record
from planning.transitions.steps import Refusal


def check_counting(
    before: Record | EarlierRelease, after: Record, replaced: frozenset[str], cluster: Cluster
) -> Part:
    """Reasons against an edit; the steps of `pods.*` are those of every setting."""
    kept = after.nodes.keys() - replaced
    refusals = [*_silent_nodes(before, after, kept, cluster)]
    notes: list[str] = []
    if isinstance(before, Record):
        refusals += _pods_without_a_network(before, after)
        notes += _bound_pods_without_a_network(before, after)
    return Part(refusals=tuple(refusals), notes=tuple(notes))


def _default_network(record: Record | EarlierRelease) -> str | None:
    """The network of pods that choose none; None where addresses are not counted."""
    network = None
    if isinstance(record, Record):
        network = record.section("pods", "defaultNetwork")
    return network if isinstance(network, str) else None


def _silent_nodes(
    before: Record | EarlierRelease, after: Record, kept: Iterable[str], cluster: Cluster
) -> Iterator[Refusal]:
    if _default_network(after) is None or _default_network(before) is not None:
        return
    units = cluster.units if isinstance(cluster, Holders) else None
    silent = [
        name
        for name in sorted(kept)
        if units is not None
        and units.get(name, COUNTING_UNIT) < COUNTING_UNIT
        and _pod_addresses((after.nodes[name],))
    ]
    if silent:
        yield Refusal(
            path="pods.countAddresses",
            value="true",
            rule=f"Every node advertises its pod addresses; {', '.join(silent)} cannot.",
            reason="The machine was built by an earlier release, whose unit does not advertise "
            "addresses, so the scheduler would place no pod there.",
            remedy="Write pods.countAddresses: false. To count addresses later, replace these "
            "machines first: an edit of their pool's image does that, except for the only control "
            "plane.",
        )


def _pods_without_a_network(before: Record, after: Record) -> Iterator[Refusal]:
    if _default_network(before) != "spread":
        return
    remaining = _pod_addresses(_open_nodes(after))
    for nic in sorted(_pod_addresses(_open_nodes(before)) - remaining):
        yield Refusal(
            path="pods.defaultNetwork",
            value="spread",
            rule=f"A NIC that pods are spread over keeps its pod addresses; {nic} would lose all.",
            reason="The policy that spreads pods changes at the end of a run. Until then it would "
            f"give {nic} to new pods, which never start.",
            remedy="Write pods.defaultNetwork: eth0 and run `pulumi up`. Then make this edit.",
        )


def _bound_pods_without_a_network(before: Record, after: Record) -> Iterator[str]:
    """Pods of DaemonSets draw among the NICs that every node had (`planning.build`)."""
    if _default_network(before) != "spread":
        return
    nodes = [node for node in after.nodes.values() if _pod_addresses((node,))]
    for nic in sorted(_everywhere(before)):
        without = sorted(node.name for node in nodes if nic not in _pod_addresses((node,)))
        if without:
            yield (
                f"Until the end of the run pods of DaemonSets on {', '.join(without)} may ask for "
                f"an address of {nic}, of which there is none. Delete those that wait afterwards. "
                "To avoid it, write pods.defaultNetwork: eth0 and run `pulumi up` before this edit."
            )


def _everywhere(record: Record) -> frozenset[str]:
    """NICs that have pod addresses on each node that has any."""
    nics = [each for node in record.nodes.values() if (each := _pod_addresses((node,)))]
    return frozenset.intersection(*nics) if nics else frozenset()


def _open_nodes(record: Record) -> tuple[Machine, ...]:
    """The nodes that take any pod, or all of them where each has a taint (`planning.build`)."""
    nodes = tuple(record.nodes.values())
    return tuple(node for node in nodes if not _repels(node)) or nodes


def _repels(node: Machine) -> bool:
    taints = node.running.get("taints", ())
    return any(taint.get("effect") != "PreferNoSchedule" for taint in taints)


def _pod_addresses(nodes: Iterable[Machine]) -> frozenset[str]:
    """NICs that have pod addresses on one of the nodes."""
    return frozenset(
        nic for node in nodes for nic, interface in node.interfaces.items() if interface.pods.count
    )
