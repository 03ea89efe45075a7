"""The entities of ECS."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from localcloud.products.endings import LEAVING, leaving
from localcloud.products.resource import Indexes, Resource
from localcloud.requests.tags import Tags
from localcloud.state.lifecycle import Lifecycle

_IN_USE: Final = Lifecycle.settled("In_use")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A security group rule. The fields of the peer that it does not use are empty."""

    id: str
    direction: str
    protocol: str
    port_range: str
    policy: str
    priority: int
    nic_type: str
    cidr: str = ""
    ipv6_cidr: str = ""
    group_id: str = ""
    group_owner: str = ""
    prefix_list_id: str = ""
    source_port_range: str = ""
    description: str = ""
    created: float

    @property
    def key(self) -> tuple[object, ...]:
        """The fields by which the API compares two rules. The description is not one of them."""
        return (
            self.direction,
            self.protocol,
            self.port_range,
            self.policy,
            self.priority,
            self.nic_type,
            self.cidr,
            self.ipv6_cidr,
            self.group_id,
            self.prefix_list_id,
            self.source_port_range,
        )


@dataclass(frozen=True, kw_only=True)
class SecurityGroup(Resource):
    """A security group with its rules."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "vpc": lambda g: (g.vpc_id,),
            "refers": lambda g: {r.group_id for r in g.rules if r.group_id},
        }
    )

    vpc_id: str
    kind: str
    inner_policy: str
    resource_group_id: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NetworkInterface(Resource):
    """An ENI with its addresses. `primary` is true only for the first ENI of an instance."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "instance": lambda e: (e.instance_id,) if e.instance_id else (),
            "vswitch": lambda e: (e.vswitch_id,),
            "vpc": lambda e: (e.vpc_id,),
            "group": lambda e: e.security_group_ids,
            "mac": lambda e: (e.mac,),
            "address": lambda e: (e.address, *e.secondary),
            LEAVING: leaving,
        }
    )

    vpc_id: str
    vswitch_id: str
    zone: str
    address: str
    secondary: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    mac: str
    security_group_ids: tuple[str, ...]
    instance_id: str | None = None
    primary: bool = False
    device_index: int = 0
    card_index: int = 0
    delete_on_release: bool = True
    source_dest_check: bool = False
    traffic_mode: str = "Standard"
    queue_number: int = 1
    queue_pairs: int | None = None
    trunk: bool = False
    resource_group_id: str = ""
    life: Lifecycle

    @property
    def kind(self) -> str:
        """Primary, Trunk or Secondary."""
        if self.primary:
            return "Primary"
        return "Trunk" if self.trunk else "Secondary"


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """The CPU of an instance as the API shows it: cores, threads of each core, topology."""

    cores: int
    threads_per_core: int
    topology: str = ""


@dataclass(frozen=True, kw_only=True)
class Instance(Resource):
    """An ECS instance. `boot` counts its starts."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "role": lambda i: (i.ram_role,) if i.ram_role else (),
            "vpc": lambda i: (i.vpc_id,),
            "key_pair": lambda i: (i.key_pair,) if i.key_pair else (),
            "public_ip": lambda i: (i.public_ip,) if i.public_ip else (),
            "released": lambda i: ("by time",) if i.auto_release_time else (),
            LEAVING: leaving,
        }
    )

    hostname: str
    image_id: str
    instance_type: str
    vpc_id: str
    zone: str
    user_data: str
    ram_role: str | None = None
    key_pair: str = ""
    http_tokens: str
    http_endpoint: str
    http_hop_limit: int
    deletion_protection: bool
    internet_charge_type: str
    internet_bandwidth_out: int
    internet_bandwidth_in: int
    charge_type: str
    credit_specification: str
    spot_strategy: str
    resource_group_id: str
    jumbo_frame: bool = False
    serial_number: str
    public_ip: str = ""
    """The instance's static public address. An EIP is a resource of its own."""
    auto_release_time: str = ""
    spot_price_limit: float = 0.0
    spot_duration: int = 0
    spot_interruption: str = ""
    cpu: Cpu | None = None
    """The CPU options that a request has set, or None for those of the instance type."""
    high_density: bool = False
    private_pool_criteria: str = "None"
    stopped_mode: str = "StopCharging"
    renewal_status: str = "Normal"
    renewal_duration: int = 1
    renewal_unit: str = "Month"
    maintenance_action: str = "AutoRecover"
    maintenance_windows: tuple[tuple[str, str], ...] = ()
    notify_on_maintenance: bool = False
    boot: int = 1
    started: float
    life: Lifecycle

    def status(self, now: float) -> str:
        """Pending, Starting, Running, Stopping or Stopped."""
        return self.life.at(now)


@dataclass(frozen=True, kw_only=True)
class Disk(Resource):
    """A cloud disk. `instance_id` and `device` are empty while it is on no instance.

    `attached` and `detached` are the times of the last attachment and detachment; 0.0 before the
    first. The defaults are those of a disk that an instance was created with.
    """

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "instance": lambda d: (d.instance_id,) if d.instance_id else (),
            "policy": lambda d: (d.snapshot_policy_id,) if d.snapshot_policy_id else (),
            "source": lambda d: (d.source_snapshot_id,) if d.source_snapshot_id else (),
        }
    )

    instance_id: str
    zone: str
    kind: str
    category: str
    performance_level: str
    size: int
    encrypted: bool
    kms_key_id: str
    image_id: str
    device: str
    snapshot_policy_id: str
    delete_with_instance: bool
    delete_auto_snapshot: bool = False
    """Whether the automatic snapshots go with the disk. The page of CreateDisk says that a new disk
    has true. The provider's acceptance test of 1.285.0 (`TestAccAliCloudECSDisk_basic8017`) creates
    one without the attribute, whose default is false, and demands that no difference is left."""
    enable_auto_snapshot: bool = True
    source_snapshot_id: str = ""
    resource_group_id: str = ""
    charge_type: str = "PostPaid"
    provisioned_iops: int | None = None
    bursting_enabled: bool = False
    multi_attach: str = "Disabled"
    attached: float = 0.0
    detached: float = 0.0
    reset: float = 0.0
    reset_snapshot_id: str = ""
    """When ResetDisk last replaced the disk's content, and by the content of which snapshot."""
    life: Lifecycle = _IN_USE

    @property
    def portable(self) -> bool:
        """Whether the disk can be detached and live on without an instance."""
        return self.kind == "data" and self.charge_type == "PostPaid"

    @property
    def serial_number(self) -> str:
        """The disk's serial number as the guest sees it: the disk's id after `d-`."""
        return self.id.removeprefix("d-")


@dataclass(frozen=True, kw_only=True)
class Snapshot(Resource):
    """A snapshot of a disk. `automatic` ones are a policy's."""

    INDEXES: ClassVar[Indexes] = MappingProxyType(
        {
            "disk": lambda s: (s.disk_id,),
            "kept": lambda s: () if s.retention_days is None else ("for a time",),
        }
    )

    disk_id: str
    disk_kind: str
    disk_size: int
    encrypted: bool
    kms_key_id: str
    automatic: bool
    retention_days: int | None
    """Days after its creation until it is deleted; None without an end."""
    resource_group_id: str
    modified: float
    life: Lifecycle

    @property
    def ends(self) -> float | None:
        """When its retention ends, in seconds since the epoch."""
        days = self.retention_days
        return None if days is None else self.created + days * 86_400


@dataclass(frozen=True, kw_only=True)
class AutoSnapshotPolicy(Resource):
    """An automatic snapshot policy: hours of the day in UTC+8, days of the week from 1 = Monday."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    hours: tuple[int, ...]
    weekdays: tuple[int, ...]
    retention_days: int
    """-1 without an end."""
    resource_group_id: str
    copies_to: str = ""
    """The region that snapshots are copied to; empty without copies, which nobody makes here."""
    copy_retention_days: int = -1
    copy_encrypted: bool | None = None
    copy_kms_key_id: str = ""
    checked: float
    """Until when its snapshots have been taken."""


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """An SSH key pair. The cloud stores the public half."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    name: str
    public_key: str
    fingerprint: str
    resource_group_id: str
    created: float
    tags: Tags = ()

    @property
    def id(self) -> str:
        """The key pair's name, which is its id."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class Console:
    """The end of an instance's console output."""

    INDEXES: ClassVar[Indexes] = MappingProxyType({})

    instance_id: str
    text: str
    updated: float

    @property
    def id(self) -> str:
        """The id of the instance."""
        return self.instance_id


KINDS: tuple[type[object], ...] = (
    SecurityGroup,
    NetworkInterface,
    Instance,
    Disk,
    Snapshot,
    AutoSnapshotPolicy,
    KeyPair,
    Console,
)
