"""Compares extra pools with the addresses of their nodes."""

from __future__ import annotations

from collections.abc import Iterator

from config.model import ClusterConfig
from config.ranges import numbers
from config.report import Problem
from planning.addresses.canonical import canonical_ranges
from planning.addresses.layout import Layout


def extra_pools_lie_in_their_node(config: ClusterConfig, layout: Layout) -> Iterator[Problem]:
    """An extra pool has addresses of its node's NIC, and not all of them."""
    left: dict[tuple[str, str], set[int]] = {}
    for name, pool in sorted(config.spiderpool.extra_pools.items()):
        placed = layout.nodes.get(pool.node, {}).get(pool.interface)
        if placed is None:
            continue
        key = (pool.node, pool.interface)
        own = {int(a) for a in placed.pods.planned}
        rest = left.setdefault(key, set(own))
        for place, text in enumerate(pool.addresses):
            try:
                addresses = set(numbers(text))
            except ValueError:
                continue  # `config.rules` reports it
            rest -= addresses
            if not addresses <= own:
                shown = ", ".join(canonical_ranges(placed.pods.planned)) or "none"
                yield Problem(
                    path=f"spiderpool.extraPools.{name}.addresses[{place}]",
                    value=text,
                    rule=f"Packets for other addresses do not reach the node: {pool.node}'s "
                    f"{pool.interface} has the pod addresses {shown}.",
                    remedy="Write a part of these.",
                )
        if own and not rest:
            yield Problem(
                path=f"spiderpool.extraPools.{name}.addresses",
                value=", ".join(pool.addresses),
                rule=f"The node's own pool {pool.node}-{pool.interface} would be empty, and all "
                "other pods of this node would get no address.",
                remedy="Leave it at least one address.",
            )
