"""Refuses an edit in which an access control list would have too many entries for a while.

Up to ten networks are in one list, which is edited in place (`planning.nodes.access_lists`). The
engine adds what comes before it removes what goes. More networks get lists of their own, so a run
with both is the way from one to the other.
"""

from __future__ import annotations

from config.facts.load_balancers import ENTRIES_OF_A_LIST
from planning.transitions.part import Part
from planning.transitions.reading import Record
from planning.transitions.steps import Refusal


def check_access_list(before: Record, after: Record) -> Part:
    """A refusal when the networks of both plans do not fit in the list together."""
    one, other = _networks(before), _networks(after)
    arriving, leaving = sorted(other - one), sorted(one - other)
    if not one or not other or max(len(one), len(other)) > ENTRIES_OF_A_LIST:
        return Part()
    if len(one | other) <= ENTRIES_OF_A_LIST:
        return Part()
    refusal = Refusal(
        path="kubernetes.endpoint.allowedCidrs",
        value=", ".join(arriving),
        rule=f"The access control list of the API server's load balancer has {len(one)} entries, "
        f"and room for {ENTRIES_OF_A_LIST - len(one)} more until the end of the run.",
        reason=f"What comes is added before what goes ({', '.join(leaving)}) is removed, and the "
        f"Alibaba provider sees the first {ENTRIES_OF_A_LIST} entries of a list only.",
        remedy=f"Keep {', '.join(leaving)} in addition, and run `pulumi up`: more than "
        f"{ENTRIES_OF_A_LIST} networks get new lists. Take {', '.join(leaving)} out afterwards.",
    )
    return Part(refusals=(refusal,))


def _networks(record: Record) -> frozenset[str]:
    """What the list has; empty without a load balancer that has a public address."""
    is_public = record.section("kubernetes", "endpoint", "public") is not False
    if not record.is_kubeadm or not is_public or len(record.control_planes) < 2:  # noqa: PLR2004
        return frozenset()
    subnets = (record.section("network", "subnets") or {}).values()
    zones = (zone for subnet in subnets for zone in subnet.get("zones", {}).values())
    allowed = record.section("kubernetes", "endpoint", "allowedCidrs") or ()
    return frozenset(str(zone["cidr"]) for zone in zones) | frozenset(map(str, allowed))
