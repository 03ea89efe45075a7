"""The invariants of a cloud's state, which hold after every call.

The quotas are repeated here on purpose, so that this file checks the emulator's figures instead of
reusing them.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from localcloud.products.catalogue import KINDS
from localcloud.products.ecs import catalog
from localcloud.products.ecs.entities import (
    Console,
    Disk,
    Instance,
    KeyPair,
    NetworkInterface,
    SecurityGroup,
)
from localcloud.products.nlb.entities import NetworkLoadBalancer
from localcloud.products.slb.entities import LoadBalancer
from localcloud.products.vpc.entities import (
    AddressClaim,
    CidrReservation,
    Eip,
    Ipv6Address,
    Ipv6Bandwidth,
    Ipv6Gateway,
    NatGateway,
    RouteEntry,
    SnatEntry,
    Vpc,
    VSwitch,
)

T = TypeVar("T")
_CODECS: Final = {kind.__name__: TypeAdapter[Any](kind) for kind in KINDS}

QUOTAS: Final = (
    ("VPCs of an account", 10, lambda s: [len(s.all(Vpc))]),
    ("EIPs of an account", 20, lambda s: [sum(not e.service_managed for e in s.all(Eip))]),
    ("vSwitches of a VPC", 150, lambda s: s.counts(v.vpc_id for v in s.all(VSwitch))),
    ("NAT gateways of a VPC", 5, lambda s: s.counts(n.vpc_id for n in s.all(NatGateway))),
    ("IPv6 gateways of a VPC", 1, lambda s: s.counts(g.vpc_id for g in s.all(Ipv6Gateway))),
    ("secondary blocks of a VPC", 5, lambda s: [len(v.secondary_cidrs) for v in s.all(Vpc)]),
    ("reservations", 100, lambda s: s.counts(r.vswitch_id for r in s.all(CidrReservation))),
    ("SNAT entries", 40, lambda s: s.counts(e.snat_table_id for e in s.all(SnatEntry))),
    ("routes of a table", 200, lambda s: s.counts(r.route_table_id for r in s.all(RouteEntry))),
    ("rules of a group", 200, lambda s: [len(g.rules) for g in s.all(SecurityGroup)]),
    ("groups of an ENI", 5, lambda s: [len(e.security_group_ids) for e in s.all(NetworkInterface)]),
    ("tags", 20, lambda s: [len(e.tags) for e in s.entities() if hasattr(e, "tags")]),
)
"""What is counted, at most how many, and the counts."""


class State:
    """The entities of a cloud, read from its file on disk."""

    def __init__(self, entities: Iterable[Any]) -> None:
        self._by_kind: dict[type[Any], dict[str, Any]] = {kind: {} for kind in KINDS}
        for entity in entities:
            self._by_kind[type(entity)][entity.id] = entity

    @classmethod
    def read(cls, path: Path) -> State:
        """The last committed state; the cloud may keep running."""
        database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            rows = database.execute("SELECT kind, body FROM entities").fetchall()
        finally:
            database.close()
        return cls(_CODECS[kind].validate_json(body) for kind, body in rows)

    def all(self, kind: type[T]) -> list[T]:
        """All entities of a kind."""
        return list(self._by_kind[kind].values())

    def entities(self) -> Iterator[Any]:
        """All entities."""
        for rows in self._by_kind.values():
            yield from rows.values()

    def has(self, kind: type[Any], entity_id: str | None) -> bool:
        """Whether there is such an entity."""
        return entity_id in self._by_kind[kind]

    def counts(self, keys: Iterable[str]) -> list[int]:
        """How often each key occurs."""
        return list(Counter(keys).values())

    def get(self, kind: type[T], entity_id: str) -> T | None:
        """The entity, if it exists."""
        return self._by_kind[kind].get(entity_id)


def problems(state: State) -> list[str]:
    """The violated invariants; empty if all hold."""
    return [
        *_addresses(state),
        *_ipv6(state),
        *_orphans(state),
        *_instances(state),
        *_public(state),
        *_quotas(state),
    ]


def _owned(state: State) -> Iterator[tuple[str, str, str]]:
    """vSwitch, address and owner of each private address that an entity shows."""
    for eni in state.all(NetworkInterface):
        for address in (eni.address, *eni.secondary, *eni.prefixes):
            yield eni.vswitch_id, address, eni.id
    for nat in state.all(NatGateway):
        yield nat.vswitch_id, nat.private_address, nat.id
    for clb in state.all(LoadBalancer):
        if clb.vswitch_id:
            yield clb.vswitch_id, clb.address, clb.id
    for nlb in state.all(NetworkLoadBalancer):
        for zone in nlb.zones:
            for address in (zone.private_ipv4, *zone.local_ipv4):
                yield zone.vswitch_id, address, nlb.id


def _addresses(state: State) -> Iterator[str]:
    shown = list(_owned(state))
    for (vswitch, address), times in Counter((v, a) for v, a, _ in shown).items():
        if times > 1:
            yield f"{address} of {vswitch} is on {times} entities"
    claimed = {(c.vswitch_id, c.address, c.owner_id) for c in state.all(AddressClaim)}
    for one in sorted(claimed ^ set(shown)):
        yield f"{one} is {'claimed and shown nowhere' if one in claimed else 'shown, not claimed'}"
    for vswitch_id, address, owner in shown:
        home = state.get(VSwitch, vswitch_id)
        if home is None or not IPv4Network(address).subnet_of(IPv4Network(home.cidr)):
            yield f"{address} of {owner} is outside of {vswitch_id}"


def _ipv6(state: State) -> Iterator[str]:
    placed = [
        (eni.vswitch_id, address, eni.id)
        for eni in state.all(NetworkInterface)
        for address in eni.ipv6
    ]
    for (vswitch, address), times in Counter((v, a) for v, a, _ in placed).items():
        if times > 1:
            yield f"{address} of {vswitch} is on {times} ENIs"
    allocated = state.all(Ipv6Address)
    on_interfaces = {
        (a.vswitch_id, a.address, a.interface_id)
        for a in allocated
        if a.interface_id and state.has(NetworkInterface, a.interface_id)
    }
    for one in sorted(on_interfaces ^ set(placed)):
        yield f"{one} is on the address or on the ENI, not on both"
    for a in allocated:
        home = state.get(VSwitch, a.vswitch_id)
        block = home.ipv6_cidr if home else None
        if block is None or not IPv6Network(a.address).subnet_of(IPv6Network(block)):
            yield f"{a.address} is outside of the IPv6 block of {a.vswitch_id}"


_HOPS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {"Instance": Instance, "NetworkInterface": NetworkInterface, "NatGateway": NatGateway}
)
_Targets = Callable[[Any], Iterable[tuple[type[Any], str | None]]]
REFERENCES: Final[Mapping[type[Any], _Targets]] = MappingProxyType(
    {
        VSwitch: lambda v: [(Vpc, v.vpc_id)],
        SecurityGroup: lambda g: [
            (Vpc, g.vpc_id),
            *((SecurityGroup, rule.group_id) for rule in g.rules if rule.group_id),
        ],
        CidrReservation: lambda r: [(VSwitch, r.vswitch_id)],
        NatGateway: lambda n: [(Vpc, n.vpc_id), (VSwitch, n.vswitch_id)],
        SnatEntry: lambda s: [
            (NatGateway, s.nat_gateway_id),
            *([(VSwitch, s.vswitch_id)] if s.vswitch_id else []),
        ],
        Ipv6Gateway: lambda g: [(Vpc, g.vpc_id)],
        Ipv6Bandwidth: lambda b: [(Ipv6Gateway, b.gateway_id), (Ipv6Address, b.address_id)],
        RouteEntry: lambda r: [(Vpc, r.vpc_id), (_HOPS[r.next_hop_type], r.next_hop_id)],
        NetworkInterface: lambda e: [
            (VSwitch, e.vswitch_id),
            (Vpc, e.vpc_id),
            *([(Instance, e.instance_id)] if e.instance_id else []),
            *((SecurityGroup, group_id) for group_id in e.security_group_ids),
        ],
        Disk: lambda d: [(Instance, d.instance_id)] if d.instance_id else [],
        Console: lambda c: [(Instance, c.instance_id)],
        Instance: lambda i: [
            (Vpc, i.vpc_id),
            *([(KeyPair, i.key_pair)] if i.key_pair else []),
        ],
    }
)
"""The other entities that an entity requires, by its kind."""


def _orphans(state: State) -> Iterator[str]:
    for owner_kind, targets in REFERENCES.items():
        for owner in state.all(owner_kind):
            for kind, target in targets(owner):
                if not state.has(kind, target):
                    yield f"{owner.id} needs the {kind.__name__} {target}, which does not exist"


def _instances(state: State) -> Iterator[str]:
    types = catalog.instance_types()
    for instance in state.all(Instance):
        kind = types[instance.instance_type]
        enis = [e for e in state.all(NetworkInterface) if e.instance_id == instance.id]
        if sum(e.primary for e in enis) != 1:
            yield f"{instance.id} has {sum(e.primary for e in enis)} primary ENIs"
        if len(enis) > kind.enis:
            yield f"{instance.id} has {len(enis)} ENIs, {kind.id} allows {kind.enis}"
        for eni in enis:
            count = 1 + len(eni.secondary) + len(eni.prefixes)
            if count > kind.ipv4_per_eni or len(eni.ipv6) > kind.ipv6_per_eni:
                yield f"{eni.id} has {count} and {len(eni.ipv6)} addresses on a {kind.id}"
        if sum(d.kind == "system" for d in state.all(Disk) if d.instance_id == instance.id) != 1:
            yield f"{instance.id} has not exactly one system disk"


def _public(state: State) -> Iterator[str]:
    ips = Counter(eip.ip for eip in state.all(Eip))
    yield from (f"{ip} is {times} EIPs" for ip, times in ips.items() if times > 1)
    targets: dict[str, type[Any]] = {
        "EcsInstance": Instance,
        "Nat": NatGateway,
        "SlbInstance": LoadBalancer,
        "NetworkInterface": NetworkInterface,
    }
    of_services = {z.eni_id for b in state.all(NetworkLoadBalancer) for z in b.zones}
    bound: dict[str, set[str]] = {}
    for eip in state.all(Eip):
        if eip.instance_id is None:
            continue
        bound.setdefault(eip.instance_id, set()).add(eip.ip)
        exists = state.has(targets[eip.instance_type or ""], eip.instance_id)
        if not exists and eip.instance_id not in of_services:
            yield f"{eip.id} is bound to {eip.instance_id}, which does not exist"
    for entry in state.all(SnatEntry):
        if not set(entry.ips) <= bound.get(entry.nat_gateway_id, set()):
            yield f"{entry.id} uses {entry.ips}, not all bound to {entry.nat_gateway_id}"


def _quotas(state: State) -> Iterator[str]:
    for what, most, counts in QUOTAS:
        worst = max(counts(state), default=0)
        if worst > most:
            yield f"{worst} {what}, at most {most}"
