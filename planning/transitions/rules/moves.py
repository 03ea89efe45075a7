"""Nodes whose NIC gets another vSwitch, in a cluster that this program builds.

A pool cannot change its subnet (Spiderpool's webhook), so the other vSwitch needs another pool. It
is created once all machines exist. Until then a replaced node gives no address of that NIC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planning.transitions.part import Part
from planning.transitions.reading import Record
from planning.transitions.rules.machine_fates import Nodes
from planning.transitions.steps import Refusal


def check_moves(before: Record, after: Record, nodes: Nodes) -> Part:
    """A note for each NIC, and a refusal if no node would keep serving one during the run."""
    if not after.is_kubeadm or after.section("spiderpool", "enabled") is False:
        return Part()
    moving = _moving(before, after, nodes)
    return Part(
        refusals=tuple(_without_a_server(before, after, moving)),
        notes=tuple(
            f"{nic} of {', '.join(names)} gets another vSwitch. From its replacement to the end of "
            f"the run a node gives no address of {nic} to new pods."
            for nic, names in moving.items()
        ),
    )


def _moving(before: Record, after: Record, nodes: Nodes) -> Mapping[str, tuple[str, ...]]:
    """NIC → nodes that have pod addresses of it before and after, in different vSwitches."""
    moving: dict[str, tuple[str, ...]] = {}
    for name in sorted(nodes.replaced):
        one, other = before.nodes[name], after.nodes[name]
        for nic in _serving(before, after, name):
            vswitches = ((m.zone, m.interfaces[nic].subnet) for m in (one, other))
            if len(set(vswitches)) > 1:
                moving[nic] = (*moving.get(nic, ()), name)
    return moving


def _serving(before: Record, after: Record, node: str) -> list[str]:
    """NICs of a node that have pod addresses before and after."""
    with_addresses = (
        {nic for nic, i in record.nodes[node].interfaces.items() if i.pods.count}
        for record in (before, after)
    )
    return sorted(set.intersection(*with_addresses))


def _without_a_server(
    before: Record, after: Record, moving: Mapping[str, tuple[str, ...]]
) -> Iterator[Refusal]:
    staying = sorted(set(before.workers) & set(after.workers))
    for nic, names in moving.items():
        serving = [name for name in staying if nic in _serving(before, after, name)]
        # A single worker's pods have no other node in any case.
        if len(serving) == 1 or not serving or set(serving) - set(names):
            continue
        yield Refusal(
            path=f"nodePools.{after.nodes[serving[0]].pool}",
            value=", ".join(serving),
            rule=f"Not all workers that give addresses of {nic} to pods move to another vSwitch in "
            "one edit.",
            reason="Their pools for the other vSwitch are made at the end of the run. Until then "
            "drained pods would find no address, and the drain of the last worker would not end "
            "while a PodDisruptionBudget protects them.",
            remedy="Make a node pool of another name with the new subnet or zones and run `pulumi "
            f"up`, then take {', '.join(serving)} out.",
        )
