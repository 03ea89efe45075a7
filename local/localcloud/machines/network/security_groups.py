"""The security groups of a guarded fabric: which connections may leave and reach an ENI.

An nftables table of the family `ip` in the VPC's network namespace. The gateway routes every packet
between two ENIs, also within a vSwitch, so each passes the hook `forward`: first the egress rules
of its sender, then the ingress rules of its receiver. Security groups are stateful: answers pass,
whatever the rules say
(https://www.alibabacloud.com/help/en/ecs/user-guide/security-group-rules).

What the VPC's own services send is not judged: load balancers apply the rules themselves, and the
packets of an internet CLB (`forwarding`) need no rule. What an ENI sends to these services is not
judged either. Rules whose other side is an IPv6 network have no effect here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Final

from localcloud.group_rule import GroupRule, Network
from localcloud.machines.control import Interface
from localcloud.machines.network.filter import Apply, counts

TABLE: Final = "security_groups"
REFUSED: Final = "refused"
"""The counter of packets that no rule admits."""
_ENI: Final = re.compile(r"eni-[A-Za-z0-9-]+")
_PROTOCOLS: Final = frozenset({"icmp", "gre"})
"""Protocols without ports."""
_DROP: Final = f"counter name {REFUSED} drop"


def table() -> str:
    """The nftables table of a VPC that has no ENIs yet."""
    return f"""\
table ip {TABLE} {{
  counter {REFUSED} {{}}
  map senders {{ type ipv4_addr : verdict; }}
  map receivers {{ type ipv4_addr : verdict; }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ct status dnat accept
    ip saddr vmap @senders
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
    chains = tuple(name for eni in present for name in (_sending(eni), _receiving(eni)))
    lines = [f"flush map ip {TABLE} senders", f"flush map ip {TABLE} receivers"]
    # Added first, because a script whose outcome is unknown may have deleted it.
    for chain in sorted({*before, *chains}):
        lines += (f"add chain ip {TABLE} {chain}", f"delete chain ip {TABLE} {chain}")
    for eni in present:
        for chain, judgements, ends in (
            (_sending(eni), _egress(eni, members), "senders"),
            (_receiving(eni), _ingress(eni, members), "receivers"),
        ):
            lines.append(f"add chain ip {TABLE} {chain}")
            lines += [f"add rule ip {TABLE} {chain} {judgement}" for judgement in judgements]
            addresses = ", ".join(f"{address} : jump {chain}" for address in eni.ipv4_addresses)
            lines.append(f"add element ip {TABLE} {ends} {{ {addresses} }}")
    return "\n".join(lines) + "\n", chains


def _receiving(eni: Interface) -> str:
    """The chain of what an ENI receives has its id as name. ValueError for what is not one."""
    if not _ENI.fullmatch(eni.id):
        raise ValueError(f"{eni.id!r} is not the id of an ENI.")
    return eni.id


def _sending(eni: Interface) -> str:
    return f"{_receiving(eni)}_out"


def _members(interfaces: Iterable[Interface]) -> Mapping[str, Sequence[str]]:
    """Group → the addresses of the ENIs that are in it."""
    members: dict[str, list[str]] = {}
    for eni in interfaces:
        for group in eni.security_group_ids:
            members.setdefault(group, []).extend(eni.ipv4_addresses)
    return members


def _ingress(eni: Interface, members: Mapping[str, Sequence[str]]) -> list[str]:
    """The rules for what an ENI receives, in their order; what no rule admits is dropped."""
    judged = (
        _judgement(rule, f"ip saddr {senders}", "accept")
        for rule in sorted(eni.ingress, key=_turn)
        if (senders := _side(rule.source, rule.network, members)) is not None
    )
    return [*(line for line in judged if line is not None), _DROP]


def _egress(eni: Interface, members: Mapping[str, Sequence[str]]) -> list[str]:
    """The rules for what an ENI sends. What a rule admits is then judged by its receiver's."""
    judged = (
        _judgement(rule, f"ip daddr {receivers}", "return")
        for rule in sorted(eni.egress, key=_turn)
        if (receivers := _side(rule.destination, rule.network, members)) is not None
    )
    return [*(line for line in judged if line is not None), _DROP]


def _turn(rule: GroupRule) -> tuple[int, bool]:
    """The lowest number decides; at equal priority a drop wins, as `localcloud.ingress.admits`."""
    return rule.priority, rule.policy == "accept"


def _judgement(rule: GroupRule, side: str, admitted: str) -> str | None:
    """One rule of nftables; None for a rule that matches nothing here."""
    matched = _matched(rule)
    if matched is None:
        return None
    verdict = admitted if rule.policy == "accept" else _DROP
    return f"{side} {matched} {verdict}".replace("  ", " ")


def _side(name: str, network: Network | None, members: Mapping[str, Sequence[str]]) -> str | None:
    """The addresses of a rule's other side; None where it has none here."""
    if isinstance(network, IPv4Network):
        return str(network)
    addresses = members.get(name)
    return f"{{ {', '.join(addresses)} }}" if addresses else None


def _matched(rule: GroupRule) -> str | None:
    """The protocol and the ports; empty for every packet."""
    match rule.protocol:
        case "all":
            return ""
        case "tcp" | "udp" if rule.every_port:
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
