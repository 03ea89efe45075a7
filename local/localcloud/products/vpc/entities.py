"""The entities of VPC."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from localcloud.products.endings import LEAVING, leaving
from localcloud.products.resource import Indexes, Resource
from localcloud.state.lifecycle import Lifecycle

DEFAULT_RESOURCE_GROUP = "rg-acfm0000default"


@dataclass(frozen=True, kw_only=True)
class Vpc(Resource):
    """A VPC with its system route table."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({LEAVING: leaving})

    cidr: str
    secondary_cidrs: tuple[str, ...] = ()
    user_cidrs: tuple[str, ...] = ()
    ipv6_cidr: str | None = None
    ipv6_isp: str = "BGP"
    router_id: str
    route_table_id: str
    route_table_name: str = ""
    route_table_description: str = ""
    route_propagation: bool = True
    resource_group_id: str
    dns_hostname: bool = False
    is_default: bool = False
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class VSwitch(Resource):
    """A vSwitch: one CIDR block in one zone."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({"vpc": lambda v: (v.vpc_id,), LEAVING: leaving})

    vpc_id: str
    zone: str
    cidr: str
    ipv6_cidr: str | None = None
    is_default: bool = False
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class CidrReservation(Resource):
    """A block of a vSwitch kept for address prefixes of ENIs."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"vswitch": lambda r: (r.vswitch_id,), "vpc": lambda r: (r.vpc_id,)}
    )

    vswitch_id: str
    vpc_id: str
    cidr: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class AddressClaim:
    """A private address or /28 prefix of a vSwitch that is in use. Its id makes it unique."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"vswitch": lambda c: (c.vswitch_id,), "owner": lambda c: (c.owner_id,)}
    )

    vswitch_id: str
    address: str
    owner_kind: str
    owner_id: str

    @property
    def id(self) -> str:
        """The vSwitch and the address, joined."""
        return f"{self.vswitch_id}/{self.address}"


@dataclass(frozen=True, kw_only=True)
class RouteEntry:
    """A custom route of a system route table."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"table": lambda r: (r.route_table_id,), "hop": lambda r: (r.next_hop_id,)}
    )

    id: str
    route_table_id: str
    vpc_id: str
    destination: str
    next_hop_type: str
    next_hop_id: str
    name: str
    description: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class NatGateway(Resource):
    """An enhanced NAT gateway. It has one private address in its vSwitch."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "vpc": lambda n: (n.vpc_id,),
            "vswitch": lambda n: (n.vswitch_id,),
            "snat_table": lambda n: (n.snat_table_id,),
            LEAVING: leaving,
        }
    )

    vpc_id: str
    vswitch_id: str
    zone: str
    network_type: str
    internet_charge_type: str
    instance_charge_type: str
    spec: str = ""
    eip_bind_mode: str
    icmp_reply: bool
    access_mode: tuple[str, str] = ("", "")
    """ModeValue and TunnelType of a VPC NAT gateway; both are empty without an access mode."""
    private_link: bool
    deletion_protection: bool
    private_address: str
    eni_id: str
    snat_table_id: str
    forward_table_id: str
    resource_group_id: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class SnatEntry:
    """A SNAT entry. Its addresses are EIPs bound to the gateway."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "table": lambda s: (s.snat_table_id,),
            "ip": lambda s: s.ips,
            "vswitch": lambda s: (s.vswitch_id,) if s.vswitch_id else (),
        }
    )

    id: str
    snat_table_id: str
    nat_gateway_id: str
    ips: tuple[str, ...]
    vswitch_id: str | None
    cidr: str
    name: str
    eip_affinity: int
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class Eip(Resource):
    """An elastic IP address and what it is bound to."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"ip": lambda e: (e.ip,), "instance": lambda e: (e.instance_id,) if e.instance_id else ()}
    )

    ip: str
    bandwidth: int
    isp: str
    netmode: str
    internet_charge_type: str
    charge_type: str
    deletion_protection: bool = False
    zone: str = ""
    security_protection: tuple[str, ...] = ()
    instance_id: str | None = None
    instance_type: str | None = None
    private_ip: str = ""
    mode: str = ""
    vpc_id: str = ""
    service_managed: bool = False
    monitor_log: tuple[str, str] | None = None
    """Project and Logstore of the EIP's fine-grained monitoring; None while monitoring is off."""
    resource_group_id: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class Ipv4Gateway(Resource):
    """The IPv4 gateway of a VPC. A VPC has at most one."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({"vpc": lambda g: (g.vpc_id,), LEAVING: leaving})

    vpc_id: str
    enabled: bool = False
    resource_group_id: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class Ipv6Gateway(Resource):
    """The IPv6 gateway of a VPC. A VPC has at most one."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({"vpc": lambda g: (g.vpc_id,), LEAVING: leaving})

    vpc_id: str
    resource_group_id: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class Ipv6Address(Resource):
    """An IPv6 address of a vSwitch, on an ENI or on none.

    `own` is true for an address that AllocateIpv6Address allocated. Such an address stays allocated
    when its ENI gives it up.
    """

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "vswitch": lambda a: (a.vswitch_id,),
            "address": lambda a: (f"{a.vswitch_id}/{a.address}",),
            "interface": lambda a: (a.interface_id,) if a.interface_id else (),
        }
    )

    vswitch_id: str
    vpc_id: str
    address: str
    own: bool
    interface_id: str | None = None
    resource_group_id: str
    life: Lifecycle


@dataclass(frozen=True, kw_only=True)
class Ipv6Bandwidth:
    """Public bandwidth of an IPv6 address."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {"address": lambda b: (b.address_id,), "gateway": lambda b: (b.gateway_id,)}
    )

    id: str
    gateway_id: str
    address_id: str
    bandwidth: int
    internet_charge_type: str
    created: float


KINDS: tuple[type[object], ...] = (
    Vpc,
    VSwitch,
    CidrReservation,
    AddressClaim,
    RouteEntry,
    NatGateway,
    SnatEntry,
    Eip,
    Ipv4Gateway,
    Ipv6Gateway,
    Ipv6Address,
    Ipv6Bandwidth,
)
