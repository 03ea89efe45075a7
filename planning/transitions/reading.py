"""A record read back as types, whatever release wrote it.

A record without `schema`, or with an older one, is from an earlier release. Its known parts are
kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Any, assert_never

from config.facts.reserved import PREFIX_LENGTH, PREFIX_SIZE
from config.model import AddressMode, Role
from config.ranges import numbers
from planning.addresses.pod_addresses import Counted, Pinned, PodAddresses, Prefixes
from planning.transitions.earlier import MachineSettings
from planning.transitions.record import SCHEMA, Json


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One NIC; `address` is its primary one."""

    subnet: str
    address: str
    pods: PodAddresses

    @cached_property
    def addresses(self) -> frozenset[int]:
        """The pod addresses that the plan knows, as integers."""
        return frozenset(int(address) for address in self.pods.planned)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One node. Settings are nested as in the record; `interfaces` are by NIC name."""

    name: str
    pool: str
    role: Role
    zone: str
    identity: Mapping[str, Any]
    restart: Mapping[str, Any]
    running: Mapping[str, Any]
    in_place: Mapping[str, Any]
    interfaces: Mapping[str, Interface]

    @property
    def is_control_plane(self) -> bool:
        """Whether an etcd member runs on it."""
        return self.role is Role.CONTROL_PLANE


@dataclass(frozen=True, kw_only=True)
class Record:
    """The plan that a run accepted, as far as the check of an edit needs it."""

    cluster: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Machine] = field(default_factory=dict)

    def section(self, *path: str) -> Any:  # noqa: ANN401 - JSON
        """The value at a path of `cluster`; None when there is none."""
        value: Any = self.cluster
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    @property
    def is_kubeadm(self) -> bool:
        """Whether this program builds the cluster."""
        return bool(self.section("kubernetes", "mode") != "existing")

    @property
    def control_planes(self) -> tuple[str, ...]:
        """Names, sorted."""
        return tuple(sorted(n.name for n in self.nodes.values() if n.is_control_plane))

    @property
    def workers(self) -> tuple[str, ...]:
        """Names, sorted."""
        return tuple(sorted(n.name for n in self.nodes.values() if not n.is_control_plane))


@dataclass(frozen=True, kw_only=True)
class EarlierRelease:
    """A stack whose state has no record with which this release can compare.

    Earlier releases recorded `workers` and `kubernetes`; each is None if it is unknown. `machines`
    is by node name, and empty if the rest of the state was not read.
    """

    workers: tuple[str, ...] | None = None
    kubernetes: str | None = None
    machines: Mapping[str, MachineSettings] = field(default_factory=dict)


def read_record(document: Mapping[str, Any] | None) -> Record | EarlierRelease:
    """Read a record, never refusing one: unknown keys are ignored, missing ones are empty."""
    if document is None:
        return EarlierRelease()
    plain = _plain(document)
    schema = plain.get("schema")
    if not isinstance(schema, int) or schema < SCHEMA:
        version = plain.get("kubernetes") or _at(plain, "cluster", "kubernetes", "version")
        return EarlierRelease(
            workers=_workers(plain),
            kubernetes=version if isinstance(version, str) else None,
        )
    pools = _map(plain.get("pools"))
    return Record(
        cluster=_map(plain.get("cluster")),
        chosen=_map(plain.get("chosen")),
        nodes={
            name: _machine(name, _map(node), pools)
            for name, node in sorted(_map(plain.get("nodes")).items())
        },
    )


def _machine(name: str, node: Json, pools: Json) -> Machine:
    pool = str(node.get("pool", ""))
    common = _map(pools.get(pool))
    settings = common | _map(node.get("own"))
    zone = str(node.get("zone", ""))
    kinds = _map(settings.get("interfaces"))
    interfaces = {
        nic: _interface(str(text), _map(kinds.get(nic)))
        for nic, text in sorted(_map(node.get("nics")).items())
    }
    fixed = _map(settings.get("identity"))
    fixed["interfaces"] = {
        nic: {"address": i.address, "vswitch": f"{i.subnet}-{zone}"}
        for nic, i in interfaces.items()
    }
    return Machine(
        name=name,
        pool=pool,
        role=Role(settings.get("role", Role.WORKER)),
        zone=zone,
        identity=fixed,
        restart=_map(settings.get("restart")),
        running=_map(settings.get("running")),
        in_place=_map(settings.get("inPlace")),
        interfaces=interfaces,
    )


def _interface(text: str, kind: Json) -> Interface:
    address, *ranges = text.split()
    addresses = sorted(n for part in ranges for n in numbers(part))
    return Interface(
        subnet=str(kind.get("subnet", "")),
        address=address,
        pods=_pods(AddressMode(kind.get("mode", AddressMode.PINNED)), addresses, kind),
    )


def _pods(mode: AddressMode, addresses: Sequence[int], kind: Json) -> PodAddresses:
    match mode:
        case AddressMode.PINNED:
            return Pinned(tuple(IPv4Address(address) for address in addresses))
        case AddressMode.COUNT:
            count = kind.get("count")
            return Counted(count if isinstance(count, int) else 0)
        case AddressMode.PREFIX:
            starts = (address for address in addresses if address % PREFIX_SIZE == 0)
            return Prefixes(tuple(IPv4Network((start, PREFIX_LENGTH)) for start in starts))
        case _:
            assert_never(mode)


def _workers(plain: Json) -> tuple[str, ...] | None:
    listed = plain.get("workers")
    if isinstance(listed, list):
        return tuple(sorted(str(name) for name in listed))
    if "nodes" not in plain:
        return None
    pools = _map(plain.get("pools"))
    return tuple(
        sorted(
            name
            for name, node in _map(plain.get("nodes")).items()
            if _at(pools, str(_map(node).get("pool")), "role") == Role.WORKER
        )
    )


def _at(document: Any, *path: str) -> Any:  # noqa: ANN401 - JSON
    for step in path:
        document = document.get(step) if isinstance(document, Mapping) else None
    return document


def _map(value: object) -> Json:
    return dict(value) if isinstance(value, Mapping) else {}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """As it was written: the engine gives every number back as a floating-point one."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
