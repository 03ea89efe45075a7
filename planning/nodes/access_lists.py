"""Which access control lists the API server's load balancer has, and what each of them admits.

The provider sees the first ten entries of a list only (`config.facts.load_balancers`), so a list
has no more. The engine creates new entries before it deletes old ones, so a list that is edited in
place has the entries of both plans for a while. All entries of a listener must be different, so no
entry may move between two lists of it (same source).

* Up to ten networks are in one list, which is edited in place. `planning.transitions` refuses an
  edit that would need more than ten entries meanwhile.
* More networks are in lists that never change: their names contain a digest of their entries. An
  edit creates new lists, lets the listener use them instead of the old ones, and deletes the old
  ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from ipaddress import IPv4Network

from config.facts.load_balancers import (
    ENTRIES_OF_A_LIST,
    ENTRIES_OF_A_LISTENER,
    LISTS_OF_A_LISTENER,
)
from config.report import Problem
from planning.model import ClusterPlan
from planning.names import access_list_name, api_endpoint_name
from planning.nodes.endpoint import admitted


def access_lists(plan: ClusterPlan) -> Mapping[str, Mapping[str, IPv4Network]]:
    """Name of each list → its networks by their name. Empty without a public load balancer."""
    networks = admitted(plan)
    if not networks:
        return {}
    if len(networks) <= ENTRIES_OF_A_LIST:
        return {api_endpoint_name(plan.name): networks}
    return dict(_fixed_lists(plan.name, networks))


def access_lists_have_room(plan: ClusterPlan) -> Iterator[Problem]:
    """The load balancer admits a limited number of networks."""
    networks = admitted(plan)
    inside = len(plan.network.vswitches)
    room = ENTRIES_OF_A_LISTENER - inside
    if len(networks) > ENTRIES_OF_A_LISTENER:
        yield Problem(
            path="kubernetes.endpoint.allowedCidrs",
            value=f"{len(networks) - inside} networks",
            rule=f"The load balancer of the API server admits {ENTRIES_OF_A_LISTENER} networks: "
            f"{LISTS_OF_A_LISTENER} access control lists of {ENTRIES_OF_A_LIST} entries, of which "
            f"the stack's vSwitches take {inside}. The cloud shows longer lists in pages, and the "
            "Alibaba provider reads the first page only.",
            remedy=f"Write at most {room} networks. A larger range can take the place of several.",
        )


def _fixed_lists(
    cluster: str, networks: Mapping[str, IPv4Network]
) -> Iterator[tuple[str, Mapping[str, IPv4Network]]]:
    ordered = sorted(networks.items())
    for start in range(0, len(ordered), ENTRIES_OF_A_LIST):
        part = ordered[start : start + ENTRIES_OF_A_LIST]
        text = ",".join(f"{name}={cidr}" for name, cidr in part)
        yield access_list_name(cluster, sha256(text.encode()).hexdigest()), dict(part)
