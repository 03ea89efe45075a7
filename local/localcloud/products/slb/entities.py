"""The entities of CLB."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from localcloud.requests.tags import Tags
from localcloud.state.lifecycle import Lifecycle
from localcloud.state.store import Store

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A backend server. It has a port in a vServer group but not as a default server of the CLB."""

    id: str
    kind: str
    weight: int
    ip: str = ""
    port: int = 0
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listener. `settings` has its attributes by their wire names, already checked."""

    port: int
    protocol: str
    running: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    tags: Tags = ()

    @property
    def key(self) -> tuple[int, str]:
        """The port and transport. TCP-based protocols share the ports; UDP has its own."""
        return self.port, "udp" if self.protocol == "udp" else "tcp"

    def setting(self, name: str, default: str = "") -> str:
        """The value of an attribute."""
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
    pay_type: str = "PayOnDemand"
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


@dataclass(frozen=True, kw_only=True)
class SlbCertificate:
    """A server or CA certificate. The private key of a server certificate is not stored."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    id: str
    kind: str
    name: str
    common_name: str
    alternative_names: tuple[str, ...]
    fingerprint: str
    expires: float
    resource_group_id: str
    created: float
    tags: Tags = ()


@dataclass(frozen=True, kw_only=True)
class DomainExtension:
    """An additional domain of an HTTPS listener."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"load_balancer": lambda e: (e.load_balancer_id,)}
    )

    id: str
    load_balancer_id: str
    port: int
    domain: str
    certificate_id: str


@dataclass(frozen=True, kw_only=True)
class ForwardingRule:
    """A forwarding rule of an HTTP or HTTPS listener."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"load_balancer": lambda r: (r.load_balancer_id,), "group": lambda r: (r.group_id,)}
    )

    id: str
    load_balancer_id: str
    port: int
    protocol: str
    name: str
    domain: str
    url: str
    group_id: str
    listener_sync: str = "on"
    scheduler: str = "wrr"
    sticky_session: str = "off"
    sticky_session_type: str = ""
    cookie: str = ""
    cookie_timeout: int = 0
    health_check: str = "off"


@dataclass(frozen=True, kw_only=True)
class AccessControlList:
    """An access control list, whose entries are blocks with comments.

    `changed` is when entries came or went.
    """

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    id: str
    name: str
    ip_version: str
    entries: tuple[tuple[str, str], ...] = ()
    changed: float = 0.0
    resource_group_id: str
    created: float
    tags: Tags = ()


def servers_behind(
    store: Store, balancer: LoadBalancer, listener: Listener
) -> list[tuple[Server, int]]:
    """The servers of a listener with their ports: those of its group, or the CLB's default ones."""
    group = store.find(VServerGroup, listener.setting("VServerGroupId"))
    if group is not None:
        return [(s, s.port) for s in group.servers]
    return [(s, int(listener.setting("BackendServerPort") or 0)) for s in balancer.servers]


def drop_server(store: Store, server_id: str) -> None:
    """Remove a released instance from all CLBs and vServer groups."""
    holders: list[LoadBalancer | VServerGroup] = [
        *store.where(LoadBalancer, "server", server_id),
        *store.where(VServerGroup, "server", server_id),
    ]
    for holder in holders:
        left = tuple(s for s in holder.servers if s.id != server_id)
        store.put(dataclasses.replace(holder, servers=left))


def drop_listener_parts(store: Store, load_balancer_id: str, port: int | None = None) -> None:
    """Remove the domains and rules of one listener or of all listeners of a CLB."""
    parts: list[DomainExtension | ForwardingRule] = [
        *store.where(DomainExtension, "load_balancer", load_balancer_id),
        *store.where(ForwardingRule, "load_balancer", load_balancer_id),
    ]
    for part in parts:
        if port in {None, part.port}:
            store.remove(part)


KINDS: tuple[type[object], ...] = (
    LoadBalancer,
    VServerGroup,
    SlbCertificate,
    DomainExtension,
    ForwardingRule,
    AccessControlList,
)
