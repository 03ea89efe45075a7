"""The entities of NLB."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from localcloud.requests.tags import Tags
from localcloud.state.lifecycle import Lifecycle
from localcloud.state.store import Store

Indexes = Mapping[str, Callable[[Any], Iterable[str]]]

DELETED: Final = "Deleted"
REMOVED: Final = "Removed"


@dataclass(frozen=True, kw_only=True)
class NlbZone:
    """A zone of an NLB: its addresses in one vSwitch.

    `local_ipv4` are the addresses from which the NLB connects to its backends, for health checks
    and for clients whose own address it does not preserve. `eni_id` is the service's own ENI in the
    zone; EIPs are bound to it. `managed_eip` is true if the service allocated the EIP and will
    release it.
    """

    zone: str
    vswitch_id: str
    eni_id: str
    private_ipv4: str
    local_ipv4: tuple[str, ...] = ()
    ipv6: str = ""
    allocation_id: str = ""
    public_ipv4: str = ""
    managed_eip: bool = False


@dataclass(frozen=True, kw_only=True)
class NetworkLoadBalancer:
    """An NLB instance."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"vpc": lambda b: (b.vpc_id,), "group": lambda b: b.security_group_ids}
    )

    id: str
    name: str
    address_type: str
    address_ip_version: str
    ipv6_address_type: str
    vpc_id: str
    zones: tuple[NlbZone, ...]
    security_group_ids: tuple[str, ...] = ()
    cross_zone: bool = True
    cps: int = 0
    bandwidth_package_id: str = ""
    deletion_protection: bool = False
    deletion_protection_reason: str = ""
    deletion_protection_since: float = 0.0
    modification_protection: str = "NonProtection"
    modification_protection_reason: str = ""
    modification_protection_since: float = 0.0
    resource_group_id: str
    created: float
    life: Lifecycle
    tags: Tags = ()


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How the servers of a server group are checked."""

    enabled: bool = True
    kind: str = "TCP"
    port: int = 0
    healthy: int = 2
    unhealthy: int = 2
    timeout: int = 5
    interval: int = 5
    domain: str = ""
    url: str = ""
    method: str = ""
    codes: tuple[str, ...] = ()
    http_version: str = ""
    request: str = ""
    expected: str = ""


@dataclass(frozen=True, kw_only=True)
class NlbServer:
    """A backend server of a server group."""

    kind: str
    id: str
    ip: str
    port: int
    weight: int
    description: str
    zone: str
    life: Lifecycle

    @property
    def key(self) -> tuple[str, str, int]:
        """The identity of the server. A group has each identity once."""
        return self.id, self.ip, self.port


@dataclass(frozen=True, kw_only=True)
class NlbServerGroup:
    """A server group."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({"server": lambda g: {s.id for s in g.servers}})

    id: str
    name: str
    kind: str
    vpc_id: str
    protocol: str
    scheduler: str
    address_ip_version: str
    any_port: bool
    affinity: str
    drain: bool
    drain_timeout: int
    preserve_client_ip: bool
    health_check: HealthCheck
    servers: tuple[NlbServer, ...] = ()
    resource_group_id: str
    created: float
    life: Lifecycle
    tags: Tags = ()


@dataclass(frozen=True, kw_only=True)
class NlbListener:
    """A listener. Port 0 means the range from `first_port` to `last_port`."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "load_balancer": lambda x: (x.load_balancer_id,),
            "server_group": lambda x: (x.server_group_id,),
        }
    )

    id: str
    load_balancer_id: str
    protocol: str
    port: int
    first_port: int = 0
    last_port: int = 0
    server_group_id: str
    description: str
    idle_timeout: int
    cps: int = 0
    mss: int = 0
    proxy_protocol: bool = False
    proxy_endpoint_id: bool = False
    proxy_service_id: bool = False
    proxy_vpc_id: bool = False
    sec_sensor: bool = False
    security_policy_id: str = ""
    certificate_ids: tuple[str, ...] = ()
    additional_certificate_ids: tuple[str, ...] = ()
    ca: bool = False
    ca_certificate_ids: tuple[str, ...] = ()
    alpn: bool = False
    alpn_policy: str = ""
    life: Lifecycle
    tags: Tags = ()


@dataclass(frozen=True, kw_only=True)
class NlbJob:
    """An asynchronous task, which GetJobStatus reports."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    id: str
    action: str
    created: float
    life: Lifecycle


def drop_server(store: Store, server_id: str) -> None:
    """Remove a released instance or ENI from all server groups."""
    for group in store.where(NlbServerGroup, "server", server_id):
        left = tuple(s for s in group.servers if s.id != server_id)
        store.put(dataclasses.replace(group, servers=left))


KINDS: tuple[type[object], ...] = (NetworkLoadBalancer, NlbServerGroup, NlbListener, NlbJob)
