"""The shape of a stack's `spiderpool-alicloud:cluster` object.

Field names are snake_case here and camelCase in stack files. Every map is keyed by a name that
the user chose: order and counts never reach a resource name or an address. Rules that need more
than one field live in `config.rules`, so that all of them can be reported at once.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""RFC 1123 label that starts with a letter: node, pool, subnet and cluster names."""

Mbps = Annotated[int, Field(ge=1, le=1000)]


class Model(BaseModel):
    """Frozen, refuses unknown keys, never prints what was put in."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class Profile(StrEnum):
    """A set of defaults for one kind of environment (`config.profiles`)."""

    LOCAL = "local"
    DEV = "dev"
    PROD = "prod"


class Role(StrEnum):
    """What a node pool's nodes are to Kubernetes."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


class AddressMode(StrEnum):
    """How an ENI gets the addresses of its pods (design decision D2)."""

    PINNED = "pinned"
    COUNT = "count"
    PREFIX = "prefix"


class CloudConfig(Model):
    """Which Alibaba Cloud the stack talks to. Credentials never stand here."""

    account_type: Literal["Domestic", "International"] = "Domestic"
    account_id: str | None = None
    endpoint: str | None = None
    """`host:port` of the local cloud; refused unless it is loopback."""
    unlisted_region: bool = False
    """The region is newer than the built-in list, and its name is right."""


class VpcConfig(Model):
    """Create a VPC (`cidr`), or adopt one (`id` and its `cidr`); it is then never changed."""

    id: str | None = None
    cidr: IPv4Network
    secondary_cidrs: tuple[IPv4Network, ...] = ()


class ZoneSubnetConfig(Model):
    """One vSwitch: a subnet in one zone."""

    cidr: IPv4Network
    vswitch_id: str | None = None
    """Adopt this vSwitch instead of creating one."""
    ipv6_index: Annotated[int, Field(ge=0, le=255)] | None = None
    """Which /64 of the VPC's /56; never change it."""
    prefix_reservation: IPv4Network | None = None
    """The part of the vSwitch that /28 prefixes come from; needed for `mode: prefix`."""


class SubnetConfig(Model):
    """A named role in the network, with one vSwitch in each zone that it spans."""

    zones: dict[str, ZoneSubnetConfig]
    egress: bool = True
    """An SNAT entry for the subnet's vSwitches; without it, no way out over IPv4."""


class NatConfig(Model):
    """The way out: an enhanced NAT gateway with one EIP, created or adopted."""

    enabled: bool = True
    id: str | None = None
    """Adopt this NAT gateway (`ngw-…`); then `eipAddress` names the address SNAT entries use."""
    eip_id: str | None = None
    """Use this EIP (`eip-…`) instead of creating one."""
    eip_address: IPv4Address | None = None
    """The public address of an adopted EIP or NAT gateway."""
    subnet: DnsLabel | None = None
    """Where the gateway stands; it takes an address there that the cloud chooses. By default the
    first vSwitch by name."""
    bandwidth: Mbps = 10
    internet_charge_type: Literal["PayByTraffic", "PayByBandwidth"] = "PayByTraffic"
    deletion_protection: bool | None = None


class Ipv6Config(Model):
    """Dual stack, all or nothing for each node and NIC (D8)."""

    enabled: bool = False
    gateway: bool = True
    """An IPv6 gateway on the VPC."""
    egress: bool = False
    """Public bandwidth for each pod's IPv6 address."""
    bandwidth: Mbps = 10


class SecurityRuleConfig(Model):
    """One more ingress rule beside the ones that the cluster itself needs."""

    protocol: Literal["tcp", "udp", "icmp", "all"] = "tcp"
    ports: str = "-1/-1"
    """`from/to`, as the API writes it; `-1/-1` for icmp and all."""
    source: IPv4Network
    description: str = ""


class NetworkConfig(Model):
    """VPC, subnets, and the ways in and out."""

    vpc: VpcConfig
    subnets: dict[DnsLabel, SubnetConfig]
    nat: NatConfig = NatConfig()
    ipv6: Ipv6Config = Ipv6Config()
    ingress: dict[DnsLabel, SecurityRuleConfig] = {}


class DiskConfig(Model):
    """A node's system disk."""

    category: Literal["cloud_essd", "cloud_essd_entry", "cloud_auto", "cloud_efficiency"] = (
        "cloud_essd"
    )
    size: Annotated[int, Field(ge=20, le=2048)] = 40
    """GiB."""
    performance_level: Literal["PL0", "PL1", "PL2", "PL3"] | None = None
    encrypted: bool | None = None
    kms_key_id: str | None = None


class SpotConfig(Model):
    """Preemptible instances."""

    strategy: Literal["NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"] = "NoSpot"
    price_limit: float | None = None
    """Hourly, in the account's currency; only with SpotWithPriceLimit."""


class TaintConfig(Model):
    """A Kubernetes taint that the kubelet registers its node with."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class InterfaceConfig(Model):
    """A NIC that every node of a pool has."""

    subnet: DnsLabel
    mode: AddressMode = AddressMode.PINNED
    pod_addresses: Annotated[int, Field(ge=0, le=160)] = 10
    """How many addresses for pods; prefix mode rounds up to /28 blocks."""


class NodeInterfaceConfig(Model):
    """Explicit addresses of one node's NIC; they take the place of the node's block."""

    address: IPv4Address | None = None
    """The ENI's primary address."""
    pod_addresses: tuple[str, ...] | None = None
    """Addresses or ranges (`172.31.199.185-172.31.199.189`)."""


class NodeConfig(Model):
    """What one node has of its own; everything left out comes from its pool."""

    zone: str | None = None
    ordinal: Annotated[int, Field(ge=0)] | None = None
    """The node's place in its pool's block range; never reuse or change it."""
    instance_type: str | None = None
    image: str | None = None
    disk: DiskConfig | None = None
    labels: dict[str, str] = {}
    interfaces: dict[str, NodeInterfaceConfig] = {}


class NodePoolConfig(Model):
    """Nodes that are alike: `count` of them named `<pool>-<ordinal>`, or `nodes` by name."""

    role: Role = Role.WORKER
    count: Annotated[int, Field(ge=0)] | None = None
    nodes: dict[DnsLabel, NodeConfig] = {}
    zones: tuple[str, ...] = ()
    """Zones to spread over, in turns; needed when the pool's subnets share more than one."""
    instance_type: str
    image: str | None = None
    disk: DiskConfig = DiskConfig()
    key_pair: str | None = None
    labels: dict[str, str] = {}
    taints: tuple[TaintConfig, ...] | None = None
    """By default control planes take no ordinary pods, and workers take all."""
    spot: SpotConfig = SpotConfig()
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    interfaces: dict[Literal["eth0", "eth1"], InterfaceConfig]
    first_block: Annotated[int, Field(ge=0)] | None = None
    """The pool's first block in every subnet it uses, counted in blocks of its own size; required
    with more than one pool."""
    block_size: Annotated[int, Field(ge=2, le=256)] = 16
    """Addresses in a node's block; a power of two. 16 holds any number of pinned addresses."""
    prefix_block_size: Annotated[int, Field(ge=16, le=256)] = 256
    """Addresses in a node's part of a prefix reservation; a power of two. 256 holds any number."""
    deletion_protection: bool | None = None
    ram_role: str | None = None
    """An instance RAM role that exists already; control planes get the CCM's otherwise."""


class EndpointConfig(Model):
    """Where the API server is reached."""

    public: bool | None = None
    """An EIP for the API server."""
    allowed_cidrs: tuple[IPv4Network, ...] = ()
    """Who may reach it from outside the VPC; never 0.0.0.0/0."""
    bandwidth: Mbps = 10


class KubernetesConfig(Model):
    """The cluster itself."""

    mode: Literal["kubeadm", "existing"] = "kubeadm"
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")] = "1.35.4"
    service_cidr: IPv4Network = IPv4Network("10.233.0.0/18")
    pod_cidr: IPv4Network = IPv4Network("10.244.0.0/16")
    """No pod lives in it: it makes kube-proxy tell service traffic apart (lab finding B)."""
    endpoint: EndpointConfig = EndpointConfig()
    mirrors: Literal["global", "china"] = "global"
    kubelet: dict[str, str | int | bool] = {}
    """Further fields of KubeletConfiguration."""
    node_names: dict[DnsLabel, str] = {}
    """`existing` only: our node names to the cluster's."""


class ChartConfig(Model):
    """A Helm chart: a published one, or a directory of this checkout."""

    repository: str | None = "https://spidernet-io.github.io/spiderpool"
    name: str = "spiderpool"
    version: str = "1.2.2"


class ExtraPoolConfig(Model):
    """One more SpiderIPPool over part of a node's addresses is a later matter; see issue 4."""

    interface: Literal["eth0", "eth1"] = "eth0"
    node: DnsLabel
    addresses: tuple[str, ...]
    """Taken out of the node's own pool."""
    namespaces: tuple[str, ...] = ()
    pod_labels: dict[str, str] = {}


class SpiderpoolConfig(Model):
    """Spiderpool by its chart; `values` are merged under the ones that this program needs."""

    enabled: bool = True
    chart: ChartConfig = ChartConfig()
    values: dict[str, object] = {}
    install_cni: bool = True
    image_registry: str | None = None
    """`global.imageRegistryOverride`; by default ghcr.m.daocloud.io with the china mirrors."""
    extra_pools: dict[DnsLabel, ExtraPoolConfig] = {}


class CloudControllerConfig(Model):
    """The Alibaba Cloud Controller Manager by our own manifest (D7)."""

    enabled: bool = True
    version: str = "v2.14.0"
    image: str | None = None
    credentials: Literal["ram-role", "access-key"] = "ram-role"
    feature_gates: dict[str, bool] = {}
    backend_type: Literal["ecs", "eni"] = "ecs"
    """Default backends of LoadBalancer services; `eni` goes straight to the pods."""


class InstanceTypeConfig(Model):
    """Limits of an instance type that the table lacks or has wrong (`DescribeInstanceTypes`)."""

    enis: Annotated[int, Field(ge=1, le=64)]
    """ENIs, the primary one included (`EniQuantity`)."""
    ipv4_per_eni: Annotated[int, Field(ge=1, le=256)]
    """IPv4 addresses of one ENI, its primary one included (`EniPrivateIpAddressQuantity`)."""
    ipv6_per_eni: Annotated[int, Field(ge=0, le=256)] = 0
    """IPv6 addresses of one ENI (`EniIpv6AddressQuantity`)."""
    second_eni: bool = True
    """It takes a second ENI at creation."""


class ClusterConfig(Model):
    """Everything a stack says about its cluster; a profile's defaults are filled in before."""

    profile: Profile
    name: Annotated[DnsLabel, StringConstraints(max_length=32)]
    region: str
    cloud: CloudConfig = CloudConfig()
    resource_group: str | None = None
    tags: dict[str, str] = {}
    protect: bool = False
    """Pulumi's `protect` and the cloud's deletion protection on what would hurt to lose."""
    network: NetworkConfig
    node_pools: dict[DnsLabel, NodePoolConfig]
    kubernetes: KubernetesConfig = KubernetesConfig()
    spiderpool: SpiderpoolConfig = SpiderpoolConfig()
    cloud_controller: CloudControllerConfig = CloudControllerConfig()
    instance_types: dict[str, InstanceTypeConfig] = {}
    """Limits beside those of the built-in table, or instead of them."""
