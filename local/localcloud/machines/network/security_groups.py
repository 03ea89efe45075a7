"""The security groups of a guarded fabric: which connections may reach an ENI.

An nftables table of the family `ip` in the VPC's network namespace. The gateway routes every packet
between two ENIs, also within a vSwitch, so each passes the hook `forward`. Security groups are
stateful: answers pass, whatever the rules of their receiver say
(https://www.alibabacloud.com/help/en/ecs/user-guide/overview-44).

What the VPC's own services send is not judged: load balancers apply the rules themselves, and the
packets of an internet CLB (`forwarding`) need no rule. Rules for
egress, and rules whose peer is a prefix list or an IPv6 network, have no effect here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Final

from localcloud.ingress import IngressRule
from localcloud.machines.control import Interface
from localcloud.machines.network.filter import Apply, counts

TABLE: Final = "security_groups"
REFUSED: Final = "refused"
"""The counter of packets that no rule admits."""
_ENI: Final = re.compile(r"eni-[A-Za-z0-9-]+")
_PROTOCOLS: Final = frozenset({"icmp", "gre"})
"""Protocols without ports."""


def table() -> str:
    """The nftables table of a VPC that has no ENIs yet."""
    return f"""\
table ip {TABLE} {{
  counter {REFUSED} {{}}
  map receivers {{ type ipv4_addr : verdict; }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ct status dnat accept
    ip daddr vmap @receivers
  }}
}}
"""


def rules(interfaces: Iterable[Interface], before: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Return the script that replaces all rules in one transaction, and the chains that it adds.

    Args:
        interfaces: every ENI of the VPC.
        before: the chains that are there.
    """
    present = sorted(interfaces, key=lambda eni: eni.id)
    members = _members(present)
    chains = tuple(_chain(eni) for eni in present)
    lines = [f"flush map ip {TABLE} receivers"]
    # Added first, because a script whose outcome is unknown may have deleted it.
    for chain in sorted({*before, *chains}):
        lines += (f"add chain ip {TABLE} {chain}", f"delete chain ip {TABLE} {chain}")
    for eni, chain in zip(present, chains, strict=True):
        lines.append(f"add chain ip {TABLE} {chain}")
        lines += [f"add rule ip {TABLE} {chain} {rule}" for rule in _judgements(eni, members)]
        addresses = ", ".join(f"{address} : jump {chain}" for address in eni.ipv4_addresses)
        lines.append(f"add element ip {TABLE} receivers {{ {addresses} }}")
    return "\n".join(lines) + "\n", chains


def _chain(eni: Interface) -> str:
    """The chain of an ENI has its id as name. Raises ValueError for what is not one."""
    if not _ENI.fullmatch(eni.id):
        raise ValueError(f"{eni.id!r} is not the id of an ENI.")
    return eni.id


def _members(interfaces: Iterable[Interface]) -> Mapping[str, Sequence[str]]:
    """Group → the addresses of the ENIs that are in it."""
    members: dict[str, list[str]] = {}
    for eni in interfaces:
        for group in eni.security_group_ids:
            members.setdefault(group, []).extend(eni.ipv4_addresses)
    return members


def _judgements(eni: Interface, members: Mapping[str, Sequence[str]]) -> list[str]:
    """The rules of one ENI in the order in which they decide; what no rule admits is dropped."""
    # The lowest number decides; at equal priority a drop wins, as `localcloud.ingress.admits`.
    ordered = sorted(eni.ingress, key=lambda rule: (rule.priority, rule.policy == "accept"))
    judged = [line for rule in ordered if (line := _judgement(rule, members)) is not None]
    return [*judged, f"counter name {REFUSED} drop"]


def _judgement(rule: IngressRule, members: Mapping[str, Sequence[str]]) -> str | None:
    """One rule of nftables; None for a rule that matches nothing here."""
    senders = _senders(rule, members)
    matched = _matched(rule)
    if senders is None or matched is None:
        return None
    verdict = "accept" if rule.policy == "accept" else f"counter name {REFUSED} drop"
    return f"ip saddr {senders} {matched} {verdict}".replace("  ", " ")


def _senders(rule: IngressRule, members: Mapping[str, Sequence[str]]) -> str | None:
    if isinstance(rule.network, IPv4Network):
        return str(rule.network)
    addresses = members.get(rule.source)
    return f"{{ {', '.join(addresses)} }}" if addresses else None


def _matched(rule: IngressRule) -> str | None:
    """The protocol and the ports; empty for every packet."""
    every_port = rule.port_from < 1 and rule.port_to < 1
    match rule.protocol:
        case "all":
            return ""
        case "tcp" | "udp" if every_port:
            return f"meta l4proto {rule.protocol}"
        case "tcp" | "udp":
            return f"{rule.protocol} dport {rule.port_from}-{rule.port_to}"
        case protocol if protocol in _PROTOCOLS:
            return f"meta l4proto {protocol}"
    return None


class SecurityGroups:
    """The rules of one VPC. Its calls block."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._chains: tuple[str, ...] = ()
        self._applied: tuple[Interface, ...] | None = None
        self._apply(table())

    def follow(self, interfaces: Iterable[Interface]) -> None:
        """Judge by the rules that these ENIs have now; established connections stay."""
        present = tuple(interfaces)
        if present != self._applied:
            script, chains = rules(present, self._chains)
            self._chains = tuple({*self._chains, *chains})
            self._apply(script)
            self._chains, self._applied = chains, present

    def counts(self) -> dict[str, int]:
        """Packets that were refused since the start, by counter."""
        return counts(self._apply(f"list counters table ip {TABLE}\n"))
