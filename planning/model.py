"""The plan: what a stack's configuration means, before anything exists.

Everything here is frozen and complete. Components translate it into resources one to one; reports
and golden files print it. Maps are keyed by names that the user gave and kept in sorted order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from config.model import (
    CloudControllerConfig,
    DiskConfig,
    EtcdDiskConfig,
    Ipv6Config,
    KubernetesConfig,
    NamespaceConfig,
    NatConfig,
    Profile,
    Role,
    SampleAppsConfig,
    SecurityGroupConfig,
    SecurityRuleConfig,
    ServiceConfig,
    SpiderpoolConfig,
    SpotConfig,
    TaintConfig,
    VpcConfig,
)
from planning.addresses.pod_addresses import PodAddresses


@dataclass(frozen=True, kw_only=True)
class VSwitchPlan:
    """One vSwitch: a subnet in one zone.

    `key` is `<subnet>-<zone>` and unique in the plan. `gateway` is the third address from the end,
    as Alibaba Cloud reserves it. `vswitch_id` is set when an existing vSwitch is adopted.
    """

    key: str
    subnet: str
    zone: str
    cidr: IPv4Network
    gateway: IPv4Address
    vswitch_id: str | None
    ipv6_index: int | None
    snat: bool
    prefix_reservation: IPv4Network | None = None
    """The part of the vSwitch that all /28 prefixes on it come from."""


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """The VPC, its vSwitches by key, and the ways in and out."""

    vpc: VpcConfig
    vswitches: Mapping[str, VSwitchPlan]
    nat: NatConfig
    ipv6: Ipv6Config
    ingress: Mapping[str, SecurityRuleConfig]
    security_group: SecurityGroupConfig
    home_zone: str | None
    """Zone of a load balancer that needs one of several; see `config.members.home_zone`."""
    nat_vswitch: str | None
    """Key of the vSwitch that the NAT gateway is in; None without a NAT gateway of ours."""
    api_vswitch: str | None
    """Key of the vSwitch that the API server's CLB is in; None without one."""

    @property
    def cidrs(self) -> tuple[IPv4Network, ...]:
        """All IPv4 ranges of the VPC, the primary one first."""
        return (self.vpc.cidr, *self.vpc.secondary_cidrs)


@dataclass(frozen=True, kw_only=True)
class InterfacePlan:
    """One NIC of one node, an ENI."""

    name: str
    vswitch: str
    """Key of the vSwitch that the ENI is in."""
    primary: IPv4Address
    """The node's own address on this NIC."""
    pods: PodAddresses


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One ECS instance and its settings in Kubernetes. `name` is the Kubernetes node name."""

    name: str
    pool: str
    role: Role
    zone: str
    instance_type: str
    image: str
    disk: DiskConfig
    etcd_disk: EtcdDiskConfig | None
    key_pair: str | None
    spot: SpotConfig
    charge_type: str
    force_delete: bool
    deletion_protection: bool
    ram_role: str | None
    labels: Mapping[str, str]
    taints: tuple[TaintConfig, ...]
    max_pods: int
    interfaces: Mapping[str, InterfacePlan]


@dataclass(frozen=True, kw_only=True)
class IPPoolPlan:
    """One SpiderIPPool: the pod addresses of one node's NIC.

    `ips` are canonical: sorted, merged into `a-b` ranges, a single address as itself, as
    Spiderpool's webhook writes them. Empty when only the cloud knows them: `count`, and IPv6, whose
    range the VPC gets from the cloud. Each IPv4 pool has an IPv6 pool (`ip_version` 6), which has
    no `subnet` and `gateway` yet; `twins` determines its addresses (`planning.addresses.ipv6`).
    """

    name: str
    node: str
    interface: str
    ip_version: int
    vswitch: str
    """Key of the NIC's vSwitch."""
    subnet: IPv4Network | None
    gateway: IPv4Address | None
    ips: tuple[str, ...]
    twins: tuple[IPv4Address, ...] = ()
    """IPv6 only: the IPv4 pod addresses whose twins the pool holds, sorted."""
    node_name: str
    """The Kubernetes node's name: `node`, or what `existing` mode maps it to."""
    multus_name: str
    default: bool
    namespaces: tuple[str, ...] = ()
    pod_labels: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class AddressCounting:
    """Pods ask for their addresses, nodes advertise how many they have.

    `shares`: NIC → its number of pod addresses, for the NICs of pods that choose no network. These
    pods are spread in proportion. If there is one NIC, all of them get it.

    `shares_everywhere`: the NICs of `shares` that every node with pod addresses has. They are for
    pods that can run on certain nodes only.
    """

    shares: Mapping[str, int]
    shares_everywhere: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ClusterPlan:
    """The plan of one stack."""

    name: str
    profile: Profile
    region: str
    account_type: str
    account_id: str | None
    cloud_endpoint: str | None
    resource_group: str | None
    tags: Mapping[str, str]
    protect: bool
    network: NetworkPlan
    nodes: Mapping[str, NodePlan]
    ip_pools: Mapping[str, IPPoolPlan]
    counting: AddressCounting | None
    """None where the scheduler does not count addresses."""
    kubernetes: KubernetesConfig
    spiderpool: SpiderpoolConfig
    cloud_controller: CloudControllerConfig
    namespaces: Mapping[str, NamespaceConfig]
    services: Mapping[str, ServiceConfig]
    sample_apps: SampleAppsConfig
    public_endpoint: bool

    @cached_property
    def control_planes(self) -> tuple[NodePlan, ...]:
        """The control-plane nodes, by name; the first one runs `kubeadm init`."""
        return tuple(n for n in self.nodes.values() if n.role is Role.CONTROL_PLANE)

    @cached_property
    def workers(self) -> tuple[NodePlan, ...]:
        """The worker nodes, by name."""
        return tuple(n for n in self.nodes.values() if n.role is Role.WORKER)

    @cached_property
    def pools_of_nodes(self) -> Mapping[str, tuple[IPPoolPlan, ...]]:
        """The IP pools of each node, by node name; a node without pods' addresses has none."""
        pools: dict[str, tuple[IPPoolPlan, ...]] = dict.fromkeys(self.nodes, ())
        for pool in self.ip_pools.values():
            pools[pool.node] += (pool,)
        return pools

    @property
    def interface_names(self) -> tuple[str, ...]:
        """NIC names in use, sorted: one SpiderMultusConfig `ipvlan-<name>` for each."""
        return tuple(sorted({i for n in self.nodes.values() for i in n.interfaces}))
