"""The shape of a stack's `spiderpool-alicloud:cluster` object.

Field names are snake_case here and camelCase in stack files. Every map is keyed by a name that
the user chose: order and counts never reach a resource name or an address. Rules that need more
than one field live in `config.rules`, so that all of them can be reported at once.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticKnownError

from config.facts.nics import DEFAULT_POD_NIC, NicName

DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""RFC 1123 label that starts with a letter: node, pool, subnet and cluster names."""

NamespaceName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""RFC 1123 label, which may begin with a digit."""

PORT_NAME: Final = r"^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$"
PortName = Annotated[str, StringConstraints(pattern=PORT_NAME, min_length=1, max_length=15)]
"""Name of a container's port (RFC 6335): a letter at least, and no two hyphens in a row."""

Mbps = Annotated[int, Field(ge=1, le=1000)]


def _network_text(value: object) -> object:
    """Only text with a prefix is a network; ipaddress would also accept a number or an address."""
    if isinstance(value, IPv4Network) or (isinstance(value, str) and "/" in value):
        return value
    raise PydanticCustomError("ip_v4_network", "Input is not a valid IPv4 network")


def _address_text(value: object) -> object:
    if isinstance(value, str | IPv4Address):
        return value
    raise PydanticCustomError("ip_v4_address", "Input is not a valid IPv4 address")


Network = Annotated[IPv4Network, BeforeValidator(_network_text)]
Address = Annotated[IPv4Address, BeforeValidator(_address_text)]
Ordinal = Annotated[int, Field(ge=0, le=65535)]


class Model(BaseModel):
    """The base of all models: frozen, refuses unknown keys, and never prints a value."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        # A preview needs the validator of the whole, and those of none of the parts.
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """`count: true` is a mistake, although Python treats True as 1."""
        if isinstance(value, bool) and info.field_name is not None:
            taken = _types_in(cls.model_fields[info.field_name].annotation)
            if {int, float} & taken and bool not in taken:
                raise PydanticKnownError("int_type" if int in taken else "float_type")
        return value


def _types_in(annotation: object) -> set[object]:
    """The alternatives that an annotation names, for example int and None of `int | None`."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return {t for part in get_args(annotation) for t in _types_in(part)}
    return {annotation} if isinstance(annotation, type) else set()


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
    """How an ENI gets the addresses of its pods."""

    PINNED = "pinned"
    COUNT = "count"
    PREFIX = "prefix"


class CloudConfig(Model):
    """Which Alibaba Cloud the stack talks to. It never contains credentials."""

    account_type: Literal["Domestic", "International"] = "Domestic"
    """Domestic for accounts of aliyun.com, International for alibabacloud.com."""
    account_id: str | None = None
    """The account's number; the provider refuses to work in another account."""
    endpoint: str | None = None
    """`host:port` of the local cloud; refused unless it is loopback."""
    unlisted_region: bool = False
    """The region is newer than the built-in list, and its name is right."""


class VpcConfig(Model):
    """Create a VPC (`cidr`), or adopt one (`id` and its `cidr`); it is then never changed."""

    id: str | None = None
    """Adopt this VPC (`vpc-…`); it is never changed and never destroyed."""
    cidr: Network
    """Primary IPv4 range, a /8 to a /28; of an adopted VPC the one that it has."""
    secondary_cidrs: tuple[Network, ...] = ()
    """Further IPv4 ranges, five at most; of an adopted VPC those that are used."""


class ZoneSubnetConfig(Model):
    """One vSwitch: a subnet in one zone."""

    cidr: Network
    """A /16 to a /29 inside one of the VPC's ranges; the first and the last three addresses are
    the cloud's."""
    vswitch_id: str | None = None
    """Adopt this vSwitch instead of creating one."""
    ipv6_index: Annotated[int, Field(ge=0, le=255)] | None = None
    """Which /64 of the VPC's /56; never change it."""
    prefix_reservation: Network | None = None
    """The part of the vSwitch that /28 prefixes come from; needed for `mode: prefix`."""


class SubnetConfig(Model):
    """A named role in the network, with one vSwitch in each zone that it spans."""

    zones: dict[str, ZoneSubnetConfig]
    """vSwitches by zone. A zone may be added later; it moves nothing."""
    egress: bool = True
    """An SNAT entry for the subnet's vSwitches; without it, no way out over IPv4."""


class NatConfig(Model):
    """The way out: an enhanced NAT gateway with one EIP, created or adopted."""

    enabled: bool = True
    """Without it, nodes that must fetch packages need another way out."""
    id: str | None = None
    """Adopt this NAT gateway (`ngw-…`); then `eipAddress` names the address SNAT entries use."""
    eip_id: str | None = None
    """Use this EIP (`eip-…`) instead of creating one."""
    eip_address: Address | None = None
    """The public address of an adopted EIP or NAT gateway."""
    subnet: DnsLabel | None = None
    """Where the gateway is, and the load balancer of several API servers, also without a gateway;
    the cloud chooses their addresses there, so no node should be in it. By default the subnet
    `gateways`, which the plan adds to the VPC when no subnet has that name."""
    zone: str | None = None
    """The gateway's zone, needed when its subnet has several and the first control plane is in
    none of them. A gateway never moves: on a deployed one a change here has no effect."""
    bandwidth: Mbps = 10
    """Mbit/s of the EIP."""
    internet_charge_type: Literal["PayByTraffic", "PayByBandwidth"] = "PayByTraffic"
    """How the EIP's traffic is billed."""
    deletion_protection: bool | None = None
    """Against deletion outside of this program; by default the value of `protect`."""


class Ipv6Config(Model):
    """Dual stack, all or nothing for each node and NIC."""

    enabled: bool = False
    """IPv6 for every NIC of every node."""
    gateway: bool | None = None
    """An IPv6 gateway on the VPC; by default the value of `enabled`."""
    egress: bool = False
    """Public bandwidth for each pod's IPv6 address."""
    bandwidth: Mbps = 10
    """Mbit/s for each address with egress."""

    @property
    def has_gateway(self) -> bool:
        """Whether the VPC gets an IPv6 gateway."""
        return self.enabled if self.gateway is None else self.gateway


class SecurityGroupConfig(Model):
    """The one security group of all NICs."""

    type: Literal["normal", "enterprise"] = "normal"
    """`normal`: members reach each other by the group's inner access policy. `enterprise`: by rules
    for the ranges of the vSwitches, and the group holds 65,536 addresses instead of 6,000. The
    type of a deployed group cannot change."""


class SecurityRuleConfig(Model):
    """One more ingress rule, in addition to those that the cluster itself needs."""

    protocol: Literal["tcp", "udp", "icmp", "all"] = "tcp"
    """What the rule is for."""
    ports: str = "-1/-1"
    """`from/to`, as the API writes it; `-1/-1` for icmp and all."""
    source: Network
    """The range from which packets are let in."""
    description: str = ""
    """Shown in the console."""


class NetworkConfig(Model):
    """VPC, subnets, and the ways in and out."""

    vpc: VpcConfig
    """The VPC, created or adopted."""
    subnets: dict[DnsLabel, SubnetConfig]
    """Subnets by name. `primary` and `secondary` are customary; any name is accepted."""
    nat: NatConfig = NatConfig()
    """The way out over IPv4."""
    ipv6: Ipv6Config = Ipv6Config()
    """Dual stack."""
    security_group: SecurityGroupConfig = SecurityGroupConfig()
    """The nodes' security group."""
    ingress: dict[DnsLabel, SecurityRuleConfig] = {}
    """Further ways in, by name."""


class DiskConfig(Model):
    """A node's system disk."""

    category: Literal["cloud_essd", "cloud_essd_entry", "cloud_auto", "cloud_efficiency"] = (
        "cloud_essd"
    )
    """Kind of cloud disk."""
    size: Annotated[int, Field(ge=20, le=2048)] = 40
    """GiB."""
    performance_level: Literal["PL0", "PL1", "PL2", "PL3"] | None = None
    """Performance level of the disk; only cloud_essd has one."""
    encrypted: bool | None = None
    """By default the profile's value."""
    kms_key_id: str | None = None
    """A key of KMS instead of the account's default one."""


class EtcdSnapshotsConfig(Model):
    """Snapshots of etcd's disks, which the cloud takes by itself."""

    hours: Annotated[tuple[Annotated[int, Field(ge=0, le=23)], ...], Field(min_length=1)] = (
        2,
        8,
        14,
        20,
    )
    """Hours of the day at which one is taken, in UTC+8."""
    days: Annotated[int, Field(ge=1, le=3650)] = 7
    """How long each is kept."""


class EtcdDiskConfig(Model):
    """A disk for etcd that outlives its control plane, encrypted as the system disk."""

    category: Literal["cloud_essd", "cloud_essd_entry", "cloud_auto", "cloud_efficiency"] = (
        "cloud_essd"
    )
    """Kind of cloud disk."""
    size: Annotated[int, Field(ge=20, le=2048)] = 20
    """GiB. etcd keeps 2 GiB at most by default."""
    performance_level: Literal["PL0", "PL1", "PL2", "PL3"] | None = None
    """Performance level of the disk; only cloud_essd has one."""
    snapshots: EtcdSnapshotsConfig | None = None
    """Automatic snapshots: `{}` takes every default, null turns them off. The prod profile has them
    by default."""


class SpotConfig(Model):
    """Preemptible instances."""

    strategy: Literal["NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"] = "NoSpot"
    """NoSpot, at market price, or up to a price."""
    price_limit: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Hourly, in the account's currency; only with SpotWithPriceLimit."""


class TaintConfig(Model):
    """A Kubernetes taint that the kubelet registers its node with."""

    key: str
    """A label key."""
    value: str = ""
    """May be empty."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """What happens to pods that do not tolerate it."""


class InterfaceConfig(Model):
    """A NIC that every node of a pool has."""

    subnet: DnsLabel
    """A name of network.subnets; each NIC has one of its own."""
    mode: AddressMode = AddressMode.PINNED
    """`pinned`: explicit addresses, 10 at most, all known in a preview. `count`: the cloud
    chooses, 49 at most. `prefix`: /28 blocks of the vSwitch's reservation, 160 addresses at
    most."""
    pod_addresses: Annotated[int, Field(ge=0, le=160)] = 10
    """How many addresses for pods; prefix mode rounds up to /28 blocks. By default 10, or what the
    instance type, its IPv6 addresses or the block takes where that is less."""


class NodeInterfaceConfig(Model):
    """Explicit addresses of one node's NIC; they take the place of the node's block."""

    address: Address | None = None
    """The ENI's primary address."""
    pod_ranges: Annotated[tuple[str, ...] | None, Field(alias="podAddresses")] = None
    """Addresses or ranges (`172.31.199.185-172.31.199.189`)."""


class NodeConfig(Model):
    """Settings of one node; those that are left out come from its pool."""

    zone: str | None = None
    """The node's zone. By default zones take turns by ordinal."""
    ordinal: Ordinal | None = None
    """The node's place in its pool's block range; never reuse or change it."""
    instance_type: str | None = None
    """Instead of the pool's."""
    image: str | None = None
    """Instead of the pool's."""
    disk: DiskConfig | None = None
    """Laid over the pool's, key by key."""
    labels: dict[str, str] = {}
    """Added to the pool's; the node's value wins where both have a key."""
    interfaces: dict[str, NodeInterfaceConfig] = {}
    """Explicit addresses by NIC, instead of the node's block."""


class NodePoolConfig(Model):
    """Nodes that are alike: `count` of them named `<pool>-<ordinal>`, or `nodes` by name."""

    role: Role = Role.WORKER
    """What the nodes are to Kubernetes."""
    count: Annotated[int, Field(ge=0, le=5000)] | None = None
    """The number of nodes, which are named `<pool>-<ordinal>`. `nodes` then has exceptions only."""
    nodes: dict[DnsLabel, NodeConfig] = {}
    """Nodes by name. A name that ends in a number has it as its ordinal."""
    zones: tuple[str, ...] = ()
    """Zones to spread over, in turns; needed when the pool's subnets share more than one."""
    instance_type: str
    """Instance type of all nodes, for example ecs.g7.xlarge."""
    image: str | None = None
    """Image id; by default a pinned Ubuntu 24.04."""
    disk: DiskConfig = DiskConfig()
    """System disk."""
    etcd_disk: EtcdDiskConfig | None = None
    """For control planes: a disk for etcd's data alone; `{}` takes every default. It outlives the
    machine, and the next one finds the data on it. Without it, etcd is on the system disk."""
    key_pair: str | None = None
    """Name of an SSH key pair that exists; none by default."""
    labels: dict[str, str] = {}
    """Kubernetes labels."""
    taints: tuple[TaintConfig, ...] | None = None
    """By default control planes take no ordinary pods, and workers take all."""
    spot: SpotConfig = SpotConfig()
    """Preemptible workers."""
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    """Pay by use, or a subscription."""
    force_delete: bool = False
    """Let an edit remove or replace subscription machines (`chargeType: PrePaid`) before they
    expire; what is left of the subscription is lost."""
    interfaces: dict[NicName, InterfaceConfig]
    """NICs: eth0, and optionally eth1. More are refused (docs/decisions/eni-first.md)."""
    first_block: Annotated[int, Field(ge=0, le=16777216)] | None = None
    """The pool's first block in every subnet it uses, counted in blocks of its own size; required
    with more than one pool."""
    block_size: Annotated[int, Field(ge=2, le=256)] = 16
    """Addresses in a node's block; a power of two. 16 holds any number of pinned addresses."""
    prefix_block_size: Annotated[int, Field(ge=16, le=256)] = 256
    """Addresses in a node's part of a prefix reservation; a power of two. 256 holds any number."""
    deletion_protection: bool | None = None
    """The cloud's own lock against deletion; by default the value of `protect` for the only control
    plane. Refused for workers and for several control planes, whose machines edits replace."""
    ram_role: str | None = None
    """An existing RAM role for the instances. Control planes without one get the controller's."""


class EndpointConfig(Model):
    """Where the API server is reached."""

    public: bool | None = None
    """An EIP for the API server."""
    allowed_cidrs: tuple[Network, ...] = ()
    """Ranges from which it can be reached from outside the VPC; never 0.0.0.0/0. With several
    control planes at most 30, and one less for each vSwitch."""
    bandwidth: Mbps = 10
    """Mbit/s of the EIP."""
    cert_sans: tuple[str, ...] = ()
    """Further DNS names and addresses in the API server's certificate. They are written when a
    cluster is made; its certificates keep their names afterwards."""


class KubernetesConfig(Model):
    """The cluster itself."""

    mode: Literal["kubeadm", "existing"] = "kubeadm"
    """`kubeadm`: this program builds the cluster. `existing`: somebody else builds it on this
    program's machines, and this program adds addresses and add-ons."""
    version: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(\.(0|[1-9][0-9]*)){2}$")] = (
        "1.36.3"
    )
    """Exact version. A new cluster has 1.35 to 1.37; one of 1.31 to 1.34 is upgraded minor by
    minor. Its packages and images must exist."""
    service_cidr: Network = IPv4Network("10.233.0.0/18")
    """Range of Service addresses, outside of the VPC and of 100.64.0.0/10."""
    pod_cidr: Network = IPv4Network("10.244.0.0/16")
    """kube-proxy's `clusterCIDR`. No pod has an address in it."""
    endpoint: EndpointConfig = EndpointConfig()
    """The API server's address."""
    mirrors: Literal["global", "china"] = "global"
    """Where packages and images come from; `china` by default in regions of mainland China."""
    metadata_for_pods: Literal["blocked", "open"] = "blocked"
    """Whether pods reach the metadata service 100.100.100.200, which answers with the node's
    user-data and RAM role. Pods in the host's network always do. No effect in mode `existing`."""
    kubelet: dict[str, object] = {}
    """Further fields of KubeletConfiguration, by the names and types of the cluster's version."""
    node_names: dict[DnsLabel, str] = {}
    """For mode `existing`: the stack's node name → the name of the Node in the cluster."""


class ChartConfig(Model):
    """A Helm chart: a published one, or a directory of this checkout."""

    repository: str | None = "https://spidernet-io.github.io/spiderpool"
    """URL, or null for a directory."""
    name: str = "spiderpool"
    """The chart's name, or the directory."""
    version: str = "1.2.2"
    """Exact version."""


class ExtraPoolConfig(Model):
    """One more SpiderIPPool, over part of the pod addresses of one node's NIC."""

    interface: NicName = DEFAULT_POD_NIC
    """NIC of the node."""
    node: DnsLabel
    """A node's name."""
    addresses: tuple[str, ...]
    """Addresses of the pool, which are taken out of the node's own pool."""
    namespaces: tuple[str, ...] = ()
    """Only pods of these namespaces get its addresses."""
    pod_labels: dict[str, str] = {}
    """Only pods with these labels get its addresses."""


class SpiderpoolConfig(Model):
    """Spiderpool by its chart; `values` are merged under the ones that this program needs."""

    enabled: bool = True
    """False: Spiderpool is not installed, and the cluster needs another CNI."""
    chart: ChartConfig = ChartConfig()
    """Where the chart comes from."""
    values: dict[str, object] = {}
    """Further values of the chart; one that contradicts this program is refused."""
    install_cni: bool = True
    """Put the CNI plugins (ipvlan) on the nodes."""
    image_registry: str | None = None
    """`global.imageRegistryOverride`; by default ghcr.m.daocloud.io with the china mirrors."""
    extra_pools: dict[DnsLabel, ExtraPoolConfig] = {}
    """Pools by name, in addition to the derived ones, for certain namespaces or pods."""


class PodsConfig(Model):
    """The network of pods that do not choose one."""

    default_network: Literal["eth0", "spread"] | None = None
    """`eth0`: they all use eth0. `spread`: each NIC in proportion to its addresses. Default:
    `spread` where addresses are counted and a pool has pod addresses on both NICs, else
    `eth0`."""
    count_addresses: bool = True
    """Nodes advertise their pod addresses, and admission policies let each pod ask for what it
    takes. It needs Kubernetes 1.36. False: pods that choose no network use eth0, and its addresses
    alone limit the pods of a node."""


class CloudControllerConfig(Model):
    """The Alibaba Cloud Controller Manager by our own manifest."""

    enabled: bool = True
    """False: no LoadBalancer services, and nodes keep their uninitialized taint for another
    controller."""
    version: str = "v2.14.0"
    """Tag of its image."""
    image: str | None = None
    """Complete image reference, instead of the image in the region's registry."""
    credentials: Literal["ram-role", "access-key"] = "ram-role"
    """`ram-role` of the control planes, or an AccessKey in a Secret as in the guide."""
    feature_gates: dict[str, bool] = {}
    """Feature gates of the cloud controller, for example IPv6DualStack."""
    backend_type: Literal["ecs", "eni"] = "ecs"
    """Default backends of LoadBalancer services; `eni` goes straight to the pods."""


class NamespaceConfig(Model):
    """A namespace of the cluster that services of this file are in."""

    create: bool = True
    """Create it, or take it over if it exists. It is never deleted, because others may have objects
    in it. False: it exists, and is left alone."""


class ServicePortConfig(Model):
    """One port of a LoadBalancer service: one listener of its load balancer."""

    port: Annotated[int, Field(ge=1, le=65535)]
    """Port on which the load balancer listens."""
    target_port: Annotated[int, Field(ge=1, le=65535)] | PortName | None = None
    """The pods' port, by number or by name; by default the same number."""
    protocol: Literal["tcp", "udp", "http", "https"] = "tcp"
    """`http` and `https` are layer 7, of a CLB only; https ends TLS at the load balancer."""


class ServiceConfig(Model):
    """A Service of type LoadBalancer, and what its load balancer is like."""

    namespace: NamespaceName = "default"
    """`default`, `kube-system`, or one of `namespaces`."""
    selector: dict[str, str]
    """Labels of the pods behind it."""
    ports: Annotated[dict[DnsLabel, ServicePortConfig], Field(min_length=1)]
    """Ports by name."""
    external_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    """`Local` keeps the client's address and uses only nodes that run one of the pods."""
    load_balancer: Literal["clb", "nlb"] = "clb"
    """Classic (layers 4 and 7) or network load balancer (layer 4, in two zones or more)."""
    address_type: Literal["internet", "intranet"] = "internet"
    """Who can reach it: the internet, or the VPC."""
    subnet: DnsLabel | None = None
    """Subnet of an NLB or an intranet CLB; required if there is more than one subnet."""
    zones: tuple[str, ...] = ()
    """An NLB's zones, by default all of its subnet; the one zone of an intranet CLB, by default the
    first control plane's."""
    backend_type: Literal["ecs", "eni"] | None = None
    """`ecs`: a node port of each node. `eni`: straight to the pods' addresses. By default the
    value of cloudController.backendType."""
    ipv6: bool = False
    """An NLB with an IPv6 address in addition to the IPv4 one; backends are reached over IPv4."""
    certificate_id: str | None = None
    """Certificate of https ports, `<id>-<region>` as the console shows it."""
    id: str | None = None
    """Use this load balancer (`lb-…`, `nlb-…`), which this program neither creates nor deletes."""
    override_listeners: bool = False
    """With `id`: the cloud controller owns the listeners on these ports, too."""
    deletion_protection: bool | None = None
    """Against deletion by anybody but the cloud controller; by default the value of `protect`. An
    NLB always has it."""
    wait: bool = True
    """An update waits for the address and for one ready pod. False for pods that come later; the
    address then shows after the next update."""
    annotations: dict[str, str] = {}
    """Further annotations of the cloud controller, for example
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-idle-timeout."""

    def has_pod_backends(self, controller: CloudControllerConfig) -> bool:
        """Whether the backends are pod addresses of ENIs, and not node ports."""
        return (self.backend_type or controller.backend_type) == "eni"


class TolerationConfig(Model):
    """A Kubernetes toleration; an empty key tolerates every taint."""

    key: str = ""
    """The taint's key."""
    value: str | None = None
    """The taint's value; without one, any."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; without one, any."""


class SampleAppsConfig(Model):
    """The guide's sample apps: a DaemonSet on each NIC, and a ClusterIP service."""

    enabled: bool = False
    """DaemonSets test-app-1 (on eth0) and test-app-2 (on eth1), and service test-svc, in namespace
    default. Off in every profile: they take a pod address of each NIC on every node."""
    registry: str | None = None
    """Where the images below come from instead of docker.io: `registry.example.com/mirror`."""
    client_image: str = "library/busybox:1.37.0"
    """Image of test-app-1, a name in the registry."""
    server_image: str = "library/nginx:1.27.5"
    """Image of test-app-2, a name in the registry; it serves HTTP on port 80."""
    tolerations: tuple[TolerationConfig, ...] = ()
    """None by default, as in the guide: tainted nodes run no sample app."""


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
    """All settings of a stack's cluster; the profile's defaults are filled in first."""

    profile: Profile
    """The defaults for everything that this file omits."""
    name: Annotated[DnsLabel, StringConstraints(max_length=32)]
    """The cluster's name, in tags, resource names and the kubeconfig; 32 characters at most."""
    region: str
    """Region id, for example cn-hangzhou."""
    cloud: CloudConfig = CloudConfig()
    """Account and endpoint."""
    resource_group: str | None = None
    """Id of a resource group (`rg-…`) for everything that can be in one."""
    tags: dict[str, str] = {}
    """Tags on every resource that can have tags."""
    protect: bool = False
    """Pulumi's `protect` and the cloud's deletion protection (docs/runbooks/protected-stack.md)."""
    network: NetworkConfig
    """VPC, subnets, ways in and out."""
    node_pools: dict[DnsLabel, NodePoolConfig]
    """Node pools by name."""
    kubernetes: KubernetesConfig = KubernetesConfig()
    """The cluster itself."""
    spiderpool: SpiderpoolConfig = SpiderpoolConfig()
    """The pods' network."""
    pods: PodsConfig = PodsConfig()
    """Which network pods get."""
    cloud_controller: CloudControllerConfig = CloudControllerConfig()
    """LoadBalancer services and node life cycle."""
    namespaces: dict[NamespaceName, NamespaceConfig] = {}
    """Namespaces that services are in, by name."""
    services: dict[DnsLabel, ServiceConfig] = {}
    """LoadBalancer services by name."""
    sample_apps: SampleAppsConfig = SampleAppsConfig()
    """The guide's sample apps."""
    instance_types: dict[str, InstanceTypeConfig] = {}
    """Limits in addition to those of the built-in table, or instead of them."""
