"""The addresses of a vSwitch that each NIC claims, and the claims that overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.model import ClusterConfig
from config.report import Problem
from planning.addresses.blocks import Span, span_of
from planning.addresses.proposals import free_first_block
from planning.names import vswitch_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Addresses that one NIC of one node needs, or keeps as its block."""

    span: Span
    path: str
    """The path of the key that claims them."""
    node: str
    pool: str
    block: int | None
    """Number of the block; None for explicit addresses."""
    prefix: bool
    """Whether they are /28 prefixes, which must lie in the vSwitch's reservation."""


def collisions(config: ClusterConfig, claims: Mapping[str, Sequence[Claim]]) -> Iterator[Problem]:
    """Every claim that overlaps an earlier one on its vSwitch, or the reservation for prefixes.

    One problem for each pair of pools, and one for each explicit address.
    """
    reservations = {
        vswitch_key(subnet, zone): vswitch.prefix_reservation
        for subnet, spec in config.network.subnets.items()
        for zone, vswitch in spec.zones.items()
    }
    reported: set[tuple[str, ...]] = set()
    for key, claimed in sorted(claims.items()):
        reserved = reservations.get(key)
        if reserved is not None:
            span = span_of(reserved)
            for claim in claimed:
                wrong = not claim.span.within(span) if claim.prefix else claim.span.overlaps(span)
                mark: tuple[str, ...] = ("reservation", key, claim.path)
                if wrong and mark not in reported:
                    reported.add(mark)
                    yield _reservation(config, key, claim, span)
        ordered = sorted(claimed, key=lambda c: (c.span.first, c.span.last, c.path, c.node))
        widest: Claim | None = None
        for claim in ordered:
            if (
                widest is not None
                and claim.span.overlaps(widest.span)
                # Two NICs of one node in one subnet are refused by `config.rules`.
                and not (claim.block is not None and claim.node == widest.node)
            ):
                mark = _mark(widest, claim)
                if mark not in reported:
                    reported.add(mark)
                    yield _collision(config, key, widest, claim)
            if widest is None or claim.span.last > widest.span.last:
                widest = claim


def _mark(one: Claim, other: Claim) -> tuple[str, ...]:
    if one.block is not None and other.block is not None:
        return ("blocks", *sorted((one.path, other.path)))
    return ("explicit", *sorted((one.path, other.path)), str(one.span), str(other.span))


def _collision(config: ClusterConfig, key: str, one: Claim, other: Claim) -> Problem:
    if one.block is None and other.block is None:
        return Problem(
            path=other.path,
            value=str(other.span),
            rule=(
                f"{one.path} already has it, and an address on {key} belongs to one NIC, either as "
                "its own or for a pod."
            ),
            remedy="Write an address that is not used elsewhere.",
        )
    if one.block is None or other.block is None:
        explicit, blocked = (one, other) if one.block is None else (other, one)
        return Problem(
            path=explicit.path,
            value=str(explicit.span),
            rule=(
                f"It lies in block {blocked.block} ({blocked.span}) on {key}, which "
                f"{blocked.node} of nodePools.{blocked.pool} owns, also where its addresses are "
                "not used yet."
            ),
            remedy=(
                "Write an address outside of all blocks, or give every NIC of that node explicit "
                "addresses as well."
            ),
        )
    return _pools(config, key, one, other)


def _pools(config: ClusterConfig, key: str, one: Claim, other: Claim) -> Problem:
    newer, older = (other, one) if other.path >= one.path else (one, other)
    if newer.pool == older.pool:
        return Problem(
            path=f"nodePools.{newer.pool}.nodes.{newer.node}.ordinal",
            value=None,
            rule=(
                f"{older.node} and {newer.node} have the same ordinal, so the same block "
                f"{newer.block} ({newer.span}) on {key}."
            ),
            remedy="Write an ordinal that no other node of this pool has.",
        )
    fits = free_first_block(config, newer.pool)
    elsewhere = f"firstBlock: {fits}" if fits is not None else "another subnet"
    return Problem(
        path=newer.path,
        value=str(config.node_pools[newer.pool].first_block),
        rule=(
            f"Block {newer.block} of {newer.node} ({newer.span}) overlaps block {older.block} of "
            f"{older.node} in nodePools.{older.pool} ({older.span}) on {key}. Blocks of two pools "
            "must not overlap."
        ),
        remedy=(
            f"A pool that does not exist yet: write {elsewhere}. A pool that exists keeps its "
            "firstBlock, or all its addresses move: end the one that grows before the other "
            "begins, and put further nodes into a new pool."
        ),
    )


def _reservation(config: ClusterConfig, key: str, claim: Claim, span: Span) -> Problem:
    if claim.prefix:
        return Problem(
            path=claim.path,
            value=str(claim.span),
            rule=f"Prefixes on {key} come from its prefixReservation ({span}) only.",
            remedy="Write a /28 of the reservation, or leave it out to take the node's own.",
        )
    shown = (
        str(claim.span)
        if claim.block is None
        else str(config.node_pools[claim.pool].first_block or 1)
    )
    return Problem(
        path=claim.path,
        value=shown,
        rule=(
            f"{claim.node}'s addresses {claim.span} lie in the prefixReservation of {key} "
            f"({span}), which the cloud uses for prefixes only."
        ),
        remedy="Use addresses outside of the reservation, or reserve another part of the vSwitch.",
    )
