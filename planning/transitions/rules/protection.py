"""Refuses edits that remove what is locked: by `protect` in Pulumi, or by the cloud itself."""

from __future__ import annotations

from collections.abc import Iterator

from planning.transitions.part import Part
from planning.transitions.reading import Record
from planning.transitions.rules.machine_fates import Nodes
from planning.transitions.steps import Refusal


def check_protection(before: Record, after: Record, nodes: Nodes) -> Part:
    """A reason against an edit that removes control planes, the NAT gateway or a public address."""
    if before.section("protect") is not True:
        return Part(refusals=tuple(_locked_gateway(before, after)))
    removed = [*_removed(before, after, nodes)]
    if not removed:
        return Part()
    refusal = Refusal(
        path="protect",
        value="true",
        rule=f"The stack protects what this edit would remove: {', '.join(removed)}.",
        reason="Pulumi deletes no resource that the last run has protected, whatever the stack "
        "file says now.",
        remedy="Write protect: false and run `pulumi up`. Then make this edit.",
    )
    return Part(refusals=(refusal,))


def _locked_gateway(before: Record, after: Record) -> Iterator[Refusal]:
    """The cloud's own lock, which follows `protect` unless the stack file sets it."""
    goes = _has_own_gateway(before) and not _has_own_gateway(after)
    if goes and before.section("network", "nat", "deletionProtection") is True:
        yield Refusal(
            path="network.nat.deletionProtection",
            value="true",
            rule="The NAT gateway would be removed, but its deletion protection is on.",
            reason="The cloud refuses to delete it (InvalidOperation.DeletionProtection), at the "
            "end of the run.",
            remedy="Write network.nat.deletionProtection: false and run `pulumi up`. Then make "
            "this edit.",
        )


def _removed(before: Record, after: Record, nodes: Nodes) -> Iterator[str]:
    yield from sorted(nodes.removed & set(before.control_planes))
    if _has_own_gateway(before) and not _has_own_gateway(after):
        yield "the NAT gateway"
    if _has_public_endpoint(before) and not _has_public_endpoint(after):
        yield "the API server's public address"


def _has_own_gateway(record: Record) -> bool:
    nat = record.section("network", "nat") or {}
    return nat.get("enabled") is not False and nat.get("id") is None


def _has_public_endpoint(record: Record) -> bool:
    return record.is_kubeadm and record.section("kubernetes", "endpoint", "public") is True
