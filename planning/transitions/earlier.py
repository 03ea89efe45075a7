"""The machines of a stack, read from its state: what no recorded plan has.

Earlier releases recorded the workers' names and what workers are made from, and nothing of control
planes. Their instances and ENIs are in the state nevertheless, with their current values. A plan
that an interrupted run recorded at its beginning does not describe the machines either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from config.facts.nics import PRIMARY_NIC
from config.facts.resource_types import DISK, INSTANCE, SERVER_ATTACHMENT
from planning.names import etcd_disk_name

_CLUSTER: Final = "spiderpool-alicloud:cluster:Cluster"
_INTERFACE: Final = "alicloud:ecs/ecsNetworkInterface:EcsNetworkInterface"
_NODE: Final = "spiderpool-alicloud:nodes:Node"
_GENERATION: Final = "spiderpool-alicloud:machine_generation:MachineGeneration"
_KUBERNETES_PROVIDER: Final = "pulumi:providers:kubernetes"
_DISK_SUFFIX: Final = etcd_disk_name("")

ETCD_DISK: Final = "etcd_disk"
"""Output of a node: the id of its disk for etcd."""
_STASH: Final = "pulumi:index:Stash"
_FIRST_IDENTITY: Final = "-first-identity"

MachineSettings = Mapping[str, object]
"""Settings whose edit replaces or restarts a machine: `image`, `instanceType`, `keyPair`, `disk`,
`spot`, and `addresses` (NIC name → primary address)."""


@dataclass(frozen=True, kw_only=True)
class StateResource:
    """A resource in the state."""

    urn: str
    outputs: Mapping[str, Any] = field(repr=False)
    """May hold secrets."""

    @property
    def name(self) -> str:
        """The resource's own name, the last part of its URN."""
        return self.urn.rpartition("::")[2]

    @property
    def types(self) -> tuple[str, ...]:
        """Type tokens, from the outermost parent to the resource's own."""
        return tuple(self.urn.split("::")[2].split("$"))


@dataclass(frozen=True, kw_only=True)
class DiskInState:
    """A disk for etcd, by what an edit cannot change without a new disk, and by its origin."""

    id: str
    zone: str
    is_encrypted: bool
    kms_key_id: str
    snapshot: str
    """The snapshot that it was created from; empty for none."""


@dataclass(frozen=True, kw_only=True)
class ClusterInState:
    """What the state has of a cluster that this program builds."""

    has_served: bool = False
    """Whether its API server has ever answered: only then is the provider registered that all of
    its Kubernetes resources have."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Node → primary address of its first NIC."""
    lost_machines: frozenset[str] = frozenset()
    """Nodes that an earlier run has registered and that have no instance: it was deleted outside of
    this program, and a refresh has noticed that, or its creation was cut off."""
    disks: frozenset[str] = frozenset()
    """Nodes that had a disk for etcd at the end of the last run that completed them."""
    present_disks: Mapping[str, DiskInState] = field(default_factory=dict)
    """Node → its disk for etcd that is in the state. A refresh removes a disk that is lost; the
    state before the next write, and in a preview, still has it."""
    is_balanced: bool = False
    """Whether the API servers' load balancer has a control plane."""
    first_identities: Mapping[str, str] = field(default_factory=dict)
    """Node → the digest of its first identity, as earlier programs kept it: in a Stash for each
    node."""


def cluster_in_state(cluster: str, resources: Iterable[StateResource]) -> ClusterInState:
    """What the state has of `cluster`."""
    state = tuple(resources)
    return ClusterInState(
        has_served=any(resource.types[-1] == _KUBERNETES_PROVIDER for resource in state),
        addresses={
            node: nics[PRIMARY_NIC]
            for node, nics in _addresses(cluster, state).items()
            if PRIMARY_NIC in nics
        },
        lost_machines=frozenset(
            dict(_of_nodes(cluster, state, _GENERATION)).keys()
            - dict(_of_nodes(cluster, state, INSTANCE)).keys()
        ),
        disks=frozenset(
            resource.name.removeprefix(f"{cluster}-")
            for resource in state
            if resource.types[-1] == _NODE and resource.outputs.get(ETCD_DISK)
        ),
        present_disks={
            name.removesuffix(_DISK_SUFFIX): DiskInState(
                id=str(outputs.get("id") or ""),
                zone=str(outputs.get("zoneId") or ""),
                is_encrypted=bool(outputs.get("encrypted")),
                kms_key_id=str(outputs.get("kmsKeyId") or ""),
                snapshot=str(outputs.get("snapshotId") or ""),
            )
            for name, outputs in _of_nodes(cluster, state, DISK)
        },
        is_balanced=any(resource.types[-1] == SERVER_ATTACHMENT for resource in state),
        first_identities={
            name.removesuffix(_FIRST_IDENTITY): str(outputs["output"])
            for name, outputs in _of_nodes(cluster, state, _STASH)
            if name.endswith(_FIRST_IDENTITY) and "output" in outputs
        },
    )


def earlier_machines(
    cluster: str, resources: Iterable[StateResource]
) -> dict[str, MachineSettings]:
    """What each node of `cluster` is made from, by node name."""
    state = tuple(resources)
    addresses = _addresses(cluster, state)
    return {
        name: _settings_in_state(outputs, addresses.get(name, {}))
        for name, outputs in sorted(dict(_of_nodes(cluster, state, INSTANCE)).items())
    }


def _addresses(cluster: str, resources: Iterable[StateResource]) -> dict[str, dict[str, str]]:
    """Node → NIC → its primary address."""
    addresses: dict[str, dict[str, str]] = {}
    for name, outputs in _of_nodes(cluster, resources, _INTERFACE):
        node, _, nic = name.rpartition("-")
        address = outputs.get("primaryIpAddress")
        if isinstance(address, str):
            addresses.setdefault(node, {})[nic] = address
    return addresses


def _of_nodes(
    cluster: str, resources: Iterable[StateResource], type_: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name without the cluster's, and outputs, of each node's resources of a type."""
    prefix = f"{cluster}-"
    for resource in resources:
        if resource.types[-2:] == (_NODE, type_) and resource.name.startswith(prefix):
            yield resource.name.removeprefix(prefix), resource.outputs


def clusters(resources: Iterable[StateResource]) -> set[str]:
    """Names of the clusters in the state."""
    return {resource.name for resource in resources if resource.types[-1] == _CLUSTER}


def has_machines(resources: Iterable[StateResource]) -> bool:
    """Whether a node of any cluster is in the state."""
    return any(resource.types[-2:] == (_NODE, INSTANCE) for resource in resources)


def planned_settings(identity: Mapping[str, Any], restart: Mapping[str, Any]) -> MachineSettings:
    """The `MachineSettings` of a planned machine (`planning.nodes.machine`)."""
    spot, disk = identity.get("spot") or {}, identity.get("disk") or {}
    return {
        "image": identity.get("image"),
        "instanceType": restart.get("instanceType"),
        "keyPair": identity.get("keyPair") or "",
        "disk": (disk.get("category"), bool(disk.get("encrypted")), disk.get("kmsKeyId") or ""),
        "spot": (spot.get("strategy"), float(spot.get("priceLimit") or 0)),
        "addresses": {
            nic: interface["address"] for nic, interface in identity.get("interfaces", {}).items()
        },
    }


def _settings_in_state(outputs: Mapping[str, Any], addresses: Mapping[str, str]) -> MachineSettings:
    return {
        "image": outputs.get("imageId"),
        "instanceType": outputs.get("instanceType"),
        "keyPair": outputs.get("keyName") or "",
        "disk": (
            outputs.get("systemDiskCategory"),
            bool(outputs.get("systemDiskEncrypted")),
            outputs.get("systemDiskKmsKeyId") or "",
        ),
        "spot": (
            outputs.get("spotStrategy") or "NoSpot",
            float(outputs.get("spotPriceLimit") or 0),
        ),
        "addresses": dict(addresses),
    }
