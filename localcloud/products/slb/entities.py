"""What CLB is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from localcloud.state.lifecycle import Lifecycle
from localcloud.state.store import Store
from localcloud.tags import Tags

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A backend server. In a vServer group it has a port, on the CLB itself not."""

    id: str
    kind: str
    weight: int
    ip: str = ""
    port: int = 0
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listener; `settings` are its attributes by their wire names, checked when they came."""

    port: int
    protocol: str
    running: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    tags: Tags = ()

    @property
    def key(self) -> tuple[int, str]:
        """TCP-based protocols share the port space, UDP has its own."""
        return self.port, "udp" if self.protocol == "udp" else "tcp"

    def setting(self, name: str, default: str = "") -> str:
        """An attribute."""
        return dict(self.settings).get(name, default)


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """A CLB instance with listeners and default servers."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"server": lambda b: {s.id for s in b.servers}, "vpc": lambda b: (b.vpc_id,)}
    )

    id: str
    name: str
    address: str
    address_type: str
    address_ip_version: str
    vpc_id: str
    vswitch_id: str
    master_zone: str
    slave_zone: str
    spec: str
    bandwidth: int
    internet_charge_type: str
    instance_charge_type: str
    delete_protection: bool
    modification_protection: str
    modification_protection_reason: str
    resource_group_id: str
    status: str
    servers: tuple[Server, ...] = ()
    listeners: tuple[Listener, ...] = ()
    created: float
    life: Lifecycle
    tags: Tags = ()


@dataclass(frozen=True, kw_only=True)
class VServerGroup:
    """A vServer group of a CLB."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "load_balancer": lambda g: (g.load_balancer_id,),
            "server": lambda g: {s.id for s in g.servers},
        }
    )

    id: str
    load_balancer_id: str
    name: str
    servers: tuple[Server, ...] = ()
    created: float
    tags: Tags = ()


def drop_server(store: Store, server_id: str) -> None:
    """Take a released instance out of all CLBs and vServer groups."""
    holders: list[LoadBalancer | VServerGroup] = [
        *store.where(LoadBalancer, "server", server_id),
        *store.where(VServerGroup, "server", server_id),
    ]
    for holder in holders:
        left = tuple(s for s in holder.servers if s.id != server_id)
        store.put(dataclasses.replace(holder, servers=left))


KINDS: tuple[type[object], ...] = (LoadBalancer, VServerGroup)
