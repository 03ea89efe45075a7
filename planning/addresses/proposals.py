"""First blocks that would fit, for the remedies of problems."""

from __future__ import annotations

from collections.abc import Iterable

from config.members import Member, members_of
from config.model import ClusterConfig, NodePoolConfig
from planning.addresses.blocks import Span, block, last_block, span_of, usable

ROOM_TO_GROW = 2
"""Factor of a proposal's size: a pool gets twice the room that it needs now."""


def first_block_proposals(config: ClusterConfig, missing: Iterable[str]) -> dict[str, int]:
    """A first block for each of these pools, so that no pool overlaps another."""
    proposals: dict[str, int] = {}
    for name in sorted(missing):
        first_block = _free(config, name, proposals)
        proposals[name] = first_block if first_block is not None else 1
    return proposals


def free_first_block(config: ClusterConfig, pool: str) -> int | None:
    """The lowest first block with room for all of this pool's nodes next to the other pools."""
    return _free(config, pool, {})


def _free(config: ClusterConfig, name: str, proposed: dict[str, int]) -> int | None:
    members = list(members_of(config).values())
    pool = config.node_pools[name]
    span = _blocks_spanned(members, name)
    taken = _taken(config, members, name, proposed)
    limits = [
        (vswitch.cidr, taken.get((interface.subnet, zone), []))
        for interface in pool.interfaces.values()
        if (subnet := config.network.subnets.get(interface.subnet)) is not None
        for zone, vswitch in subnet.zones.items()
    ]
    if not limits:
        return None
    highest = min(last_block(cidr, pool.block_size) for cidr, _ in limits) - span + 1
    candidate = 1
    while candidate <= highest:
        for cidr, spans in limits:
            start = int(cidr.network_address)
            blocks = Span(
                block(start, pool.block_size, candidate).first,
                block(start, pool.block_size, candidate + span - 1).last,
            )
            hit = max((s.last for s in spans if s.overlaps(blocks)), default=None)
            if hit is not None:
                candidate = (hit - start) // pool.block_size + 1
                break
        else:
            return candidate
    return None


def _taken(
    config: ClusterConfig, members: list[Member], but: str, proposed: dict[str, int]
) -> dict[tuple[str, str], list[Span]]:
    """Blocks of the other pools by subnet and zone, with room for them to grow."""
    taken: dict[tuple[str, str], list[Span]] = {}
    for name, pool in config.node_pools.items():
        first = proposed.get(name, pool.first_block)
        if name == but or first is None:
            continue
        room = _blocks_spanned(members, name) * ROOM_TO_GROW
        for subnet, zone, cidr in _vswitches(config, pool):
            start = int(cidr.first)
            wide = Span(
                block(start, pool.block_size, first).first,
                block(start, pool.block_size, first + room - 1).last,
            )
            taken.setdefault((subnet, zone), []).append(wide)
    for subnet, spec in config.network.subnets.items():
        for zone, vswitch in spec.zones.items():
            if vswitch.prefix_reservation is not None:
                reserved = span_of(vswitch.prefix_reservation)
                taken.setdefault((subnet, zone), []).append(reserved)
            free = usable(vswitch.cidr)
            taken.setdefault((subnet, zone), []).extend(
                Span(int(own.address), int(own.address))
                for member in members
                for nic, own in member.own.interfaces.items()
                if own.address is not None
                and _uses(config.node_pools[member.pool], nic, subnet)
                and free.first <= int(own.address) <= free.last
            )
    return taken


def _uses(pool: NodePoolConfig, nic: str, subnet: str) -> bool:
    return any(name == nic and i.subnet == subnet for name, i in pool.interfaces.items())


def _vswitches(config: ClusterConfig, pool: NodePoolConfig) -> list[tuple[str, str, Span]]:
    return [
        (interface.subnet, zone, span_of(vswitch.cidr))
        for interface in pool.interfaces.values()
        if (subnet := config.network.subnets.get(interface.subnet)) is not None
        for zone, vswitch in subnet.zones.items()
    ]


def _blocks_spanned(members: list[Member], pool: str) -> int:
    ordinals = [m.ordinal for m in members if m.pool == pool and m.ordinal is not None]
    nameless = sum(1 for m in members if m.pool == pool and m.ordinal is None)
    return max(max(ordinals, default=-1) + 1 + nameless, 1)
