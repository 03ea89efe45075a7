"""Places every address of every NIC (docs/decisions/stable-ordinals.md).

A node owns one block in each subnet it uses: block `firstBlock + ordinal` of its zone's vSwitch,
in blocks of its pool's size. The ENI's primary address is the block's first, pod addresses follow,
so adding pod addresses never moves the existing ones. Explicit addresses take the block's place.
In prefix mode the pods' /28 prefixes come from the vSwitch's reservation by the same numbers: slot
`firstBlock + ordinal - 1`, because block 0, which holds the network address, is never used.

Nothing here depends on the order or the number of other nodes and pools. They are compared only to
refuse overlaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from typing import assert_never

from config.facts.reserved import PREFIX_LENGTH, PREFIX_SIZE
from config.members import Member, members_of
from config.model import (
    AddressMode,
    ClusterConfig,
    InterfaceConfig,
    NodeInterfaceConfig,
    NodePoolConfig,
    ZoneSubnetConfig,
)
from config.report import Problem
from config.rules.network.vpc import lies_in_the_vpc, vswitches
from planning.addresses.blocks import Span, block, joined, prefixes_for, span_of, usable
from planning.addresses.canonical import expand
from planning.addresses.claims import Claim, collisions
from planning.addresses.pod_addresses import Counted, Pinned, PodAddresses, Prefixes
from planning.addresses.proposals import first_block_proposals, free_first_block
from planning.model import InterfacePlan
from planning.names import vswitch_key

DEFAULT_FIRST_BLOCK = 1
"""A single pool's first block: block 0 holds the vSwitch's network address."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """NICs by node and name, both sorted, and the problems. Complete only without problems."""

    nodes: Mapping[str, Mapping[str, InterfacePlan]]
    problems: tuple[Problem, ...]


def first_blocks(config: ClusterConfig) -> dict[str, int]:
    """The first block of each pool that sets one; a single pool has a default."""
    alone = len(config.node_pools) == 1
    return {
        name: pool.first_block if pool.first_block is not None else DEFAULT_FIRST_BLOCK
        for name, pool in config.node_pools.items()
        if pool.first_block is not None or alone
    }


def lay_out(config: ClusterConfig) -> Layout:
    """Place every NIC of every node. Never raises for a bad configuration; see `problems`."""
    work = _Work(config=config, first_blocks=first_blocks(config))
    nodes = {member.name: dict(work.place(member)) for member in work.members.values()}
    problems = (
        *work.problems,
        *work.missing_first_blocks(),
        *work.missing_ordinals(),
        *collisions(config, work.claims),
    )
    return Layout(nodes=nodes, problems=problems)


class _Work:
    """One run over all nodes: the NICs placed so far, and the problems."""

    def __init__(self, *, config: ClusterConfig, first_blocks: Mapping[str, int]) -> None:
        self.config = config
        self.members = members_of(config)
        self.first_blocks = first_blocks
        self.claims: dict[str, list[Claim]] = {}
        """By vSwitch key."""
        self.problems: list[Problem] = []
        self.pools_without_first_block: set[str] = set()
        self.without_ordinal: list[Member] = []
        self.outside: set[tuple[str, str]] = set()
        """Pools and vSwitches with blocks outside of the vSwitch, so that each is reported once."""
        self.refused_vswitches = frozenset(
            vswitch_key(subnet, zone)
            for _, subnet, zone, vswitch in vswitches(config)
            if not lies_in_the_vpc(config, vswitch)
        )
        """vSwitches whose ranges `config.rules` refuses, so their blocks are not reported again."""

    def place(self, member: Member) -> Iterator[tuple[str, InterfacePlan]]:
        """The NICs of one node, sorted; one that cannot be placed is left out."""
        pool = self.config.node_pools[member.pool]
        needs_ordinal = False
        for nic, interface in sorted(pool.interfaces.items()):
            zone = self._zone(member, interface)
            if zone is None:
                continue
            own = member.own.interfaces.get(nic)
            at = _Spot(
                member=member,
                pool=pool,
                nic=nic,
                interface=interface,
                key=vswitch_key(interface.subnet, member.zone or ""),
                zone=zone,
            )
            if own is not None and own.address is not None:
                placed = self._explicit(at, own, own.address)
            elif member.ordinal is None:
                needs_ordinal = True
                continue
            else:
                placed = self._from_block(at, member.ordinal)
            if placed is not None:
                yield nic, placed
        if needs_ordinal:
            self.without_ordinal.append(member)

    def missing_first_blocks(self) -> Iterator[Problem]:
        """One problem for each pool that owns blocks and has no firstBlock."""
        proposals = first_block_proposals(self.config, self.pools_without_first_block)
        for name in sorted(self.pools_without_first_block):
            yield Problem(
                path=f"nodePools.{name}.firstBlock",
                value=None,
                rule=(
                    "With more than one pool, each needs a firstBlock: one that was derived from "
                    "the other pools would move when they change."
                ),
                remedy=(
                    f"Write firstBlock: {proposals[name]}. If this was the only pool until now, "
                    f"keep its addresses with firstBlock: {DEFAULT_FIRST_BLOCK}."
                ),
            )

    def _zone(self, member: Member, interface: InterfaceConfig) -> ZoneSubnetConfig | None:
        """The NIC's vSwitch; None where `config.rules` reports that it has none."""
        subnet = self.config.network.subnets.get(interface.subnet)
        if subnet is None or member.zone is None:
            return None
        return subnet.zones.get(member.zone)

    def _explicit(
        self, at: _Spot, own: NodeInterfaceConfig, address: IPv4Address
    ) -> InterfacePlan | None:
        pods = _explicit_pods(at.interface, own)
        if pods is None:
            return None
        path = f"{at.member.path}.interfaces.{at.nic}"
        self._claim_explicit(at, f"{path}.address", [_single(address)])
        self._claim_explicit(at, f"{path}.podAddresses", _spans(pods))
        return InterfacePlan(name=at.nic, vswitch=at.key, primary=address, pods=pods)

    def _claim_explicit(self, at: _Spot, path: str, spans: Sequence[Span]) -> None:
        free, whole = usable(at.zone.cidr), span_of(at.zone.cidr)
        self.claims.setdefault(at.key, []).extend(
            Claim(
                span=span,
                path=path,
                node=at.member.name,
                pool=at.member.pool,
                block=None,
                prefix=span.first != span.last,
            )
            for span in spans
            if span.within(free)
        )
        if at.key in self.refused_vswitches:
            return
        reserved = [span for span in spans if span.within(whole) and not span.within(free)]
        outside = [span for span in spans if not span.within(whole)]
        # One problem for all addresses of a key that break the same rule.
        self.problems += [_outside(path, some, at) for some in (reserved, outside) if some]

    def _from_block(self, at: _Spot, ordinal: int) -> InterfacePlan | None:
        first = self.first_blocks.get(at.member.pool)
        if first is None:
            self.pools_without_first_block.add(at.member.pool)
            return None
        pool, zone, index = at.pool, at.zone, first + ordinal
        size = pool.block_size
        owned = block(int(zone.cidr.network_address), size, index)
        free = usable(zone.cidr)
        if free.last < free.first:
            return None  # `config.rules` reports that the vSwitch is too small
        if not owned.within(free):
            self._block_outside(at, owned, index, ordinal)
            return None
        if at.interface.mode is AddressMode.PINNED and at.interface.pod_addresses + 1 > size:
            return None  # `config.rules` refuses it, once for the pool
        self._claim_block(at, owned, index, prefix=False)
        pods = self._pods(at, owned, index)
        if pods is None:
            return None
        primary = IPv4Address(owned.first)
        return InterfacePlan(name=at.nic, vswitch=at.key, primary=primary, pods=pods)

    def _pods(self, at: _Spot, owned: Span, index: int) -> PodAddresses | None:
        requested = at.interface.pod_addresses
        match at.interface.mode:
            case AddressMode.PINNED:
                return Pinned(tuple(IPv4Address(owned.first + n + 1) for n in range(requested)))
            case AddressMode.COUNT:
                return Counted(requested)
            case AddressMode.PREFIX:
                return self._prefixes(at, index)
            case mode:
                assert_never(mode)

    def _prefixes(self, at: _Spot, index: int) -> Prefixes | None:
        reservation = at.zone.prefix_reservation
        size = at.pool.prefix_block_size
        blocks = prefixes_for(at.interface.pod_addresses)
        if reservation is None or blocks * PREFIX_SIZE > size:
            return None  # `config.rules` reports it
        slot = block(int(reservation.network_address), size, index - DEFAULT_FIRST_BLOCK)
        if not slot.within(span_of(reservation)):
            if (at.member.pool, at.key) in self.outside:
                return None
            self.outside.add((at.member.pool, at.key))
            path = f"network.subnets.{at.interface.subnet}.zones.{at.member.zone}"
            self.problems.append(
                Problem(
                    path=f"{path}.prefixReservation",
                    value=str(reservation),
                    rule=(
                        f"{at.member.name}'s prefixes are {slot} (slot {index - 1} of {size} "
                        "addresses), outside this reservation. They follow from the node's number "
                        "alone, so that no other node can move them."
                    ),
                    remedy=(
                        "Before the first deployment: reserve a larger part of the vSwitch, or "
                        f"lower nodePools.{at.member.pool}.prefixBlockSize. Later: a reservation "
                        "cannot grow, so put further nodes into a pool on another subnet."
                    ),
                )
            )
            return None
        self._claim_block(at, slot, index, prefix=True)
        return Prefixes(
            tuple(IPv4Network((slot.first + n * PREFIX_SIZE, PREFIX_LENGTH)) for n in range(blocks))
        )

    def _claim_block(self, at: _Spot, span: Span, index: int, *, prefix: bool) -> None:
        self.claims.setdefault(at.key, []).append(
            Claim(
                span=span,
                path=f"nodePools.{at.member.pool}.firstBlock",
                node=at.member.name,
                pool=at.member.pool,
                block=index,
                prefix=prefix,
            )
        )

    def _block_outside(self, at: _Spot, owned: Span, index: int, ordinal: int) -> None:
        fits = free_first_block(self.config, at.member.pool)
        # A firstBlock that fits solves it for every vSwitch of the pool, so one report is enough.
        reported = (at.member.pool, at.key if fits is None else "")
        if reported in self.outside or at.key in self.refused_vswitches:
            return
        self.outside.add(reported)
        free = usable(at.zone.cidr)
        self.problems.append(
            Problem(
                path=f"nodePools.{at.member.pool}.firstBlock",
                value=str(index - ordinal),
                rule=(
                    f"{at.member.name} has ordinal {ordinal}, so block {index} of "
                    f"{at.pool.block_size} addresses: {owned}. Of {at.key} ({at.zone.cidr}) only "
                    f"{free} may be used: Alibaba Cloud reserves the network address and the last "
                    "three."
                ),
                remedy=(
                    f"A pool that does not exist yet: write firstBlock: {fits}, which is free for "
                    "all its nodes. One that exists keeps its firstBlock, or all its addresses "
                    "move: put further nodes into a new pool."
                    if fits is not None
                    else "No firstBlock leaves room for all nodes of this pool in this vSwitch: "
                    "use a larger CIDR for a new subnet, fewer nodes, or a smaller blockSize "
                    "before the first deployment."
                ),
            )
        )

    def missing_ordinals(self) -> Iterator[Problem]:
        """One problem for each named node without an ordinal."""
        taken: dict[str, set[int]] = {}
        for member in self.members.values():
            if member.ordinal is not None:
                taken.setdefault(member.pool, set()).add(member.ordinal)
        free = {pool: _unused(taken.get(pool, set())) for pool in self.config.node_pools}
        for member in self.without_ordinal:
            proposal = next(free[member.pool])
            yield Problem(
                path=f"{member.path}.ordinal",
                value=None,
                rule=(
                    "A named node needs an ordinal, unless its name ends in a number or all its "
                    "NICs have explicit addresses: an ordinal that was counted would change when "
                    "another node leaves."
                ),
                remedy=f"Write ordinal: {proposal}, and never give it to another node.",
            )


def _unused(taken: set[int]) -> Iterator[int]:
    return (n for n in count() if n not in taken)


@dataclass(frozen=True, kw_only=True)
class _Spot:
    """A NIC that is to be placed."""

    member: Member
    pool: NodePoolConfig
    nic: str
    interface: InterfaceConfig
    key: str
    zone: ZoneSubnetConfig


def _explicit_pods(interface: InterfaceConfig, own: NodeInterfaceConfig) -> PodAddresses | None:
    """The addresses that the user wrote for one node; None when `config.rules` refuses them."""
    texts = own.pod_ranges or ()
    match interface.mode:
        case AddressMode.PINNED:
            try:
                return Pinned(expand(texts))
            except ValueError:
                return None
        case AddressMode.COUNT:
            return Counted(interface.pod_addresses)
        case AddressMode.PREFIX:
            return Prefixes(tuple(sorted(_as_prefixes(texts))))
        case mode:
            assert_never(mode)


def _spans(pods: PodAddresses) -> list[Span]:
    match pods:
        case Pinned(addresses):
            return [_single(address) for address in addresses]
        case Counted():
            return []
        case Prefixes(blocks):
            return [span_of(block) for block in blocks]
        case _:
            assert_never(pods)


def _single(address: IPv4Address) -> Span:
    return Span(int(address), int(address))


def _as_prefixes(texts: tuple[str, ...]) -> Iterator[IPv4Network]:
    for text in texts:
        try:
            network = IPv4Network(text)
        except ValueError:
            continue  # `config.rules` reports the wrong text
        if network.prefixlen == PREFIX_LENGTH:
            yield network


def _outside(path: str, spans: Sequence[Span], at: _Spot) -> Problem:
    """The problem of addresses that all lie outside of the vSwitch, or are all reserved."""
    cidr, free = at.zone.cidr, usable(at.zone.cidr)
    return Problem(
        path=path,
        value=", ".join(map(str, joined(spans))),
        rule=(
            f"Alibaba Cloud reserves the network address and the last three of vSwitch {at.key} "
            f"({cidr}); the gateway is one of them."
            if spans[0].within(span_of(cidr))
            else f"The ENI is in vSwitch {at.key} ({cidr}) and can only have addresses of it."
        ),
        remedy=f"Write an address of {free}, or leave it out to take the node's block.",
    )
