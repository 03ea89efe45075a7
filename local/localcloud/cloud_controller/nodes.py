"""The node controller: initialises tainted Nodes and deletes stale ones, as v2.14.0 does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.kubelet.client import ApiError

from .desired import instance_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .cloud import Cloud
    from .cluster import Cluster
    from .flags import Flags

UNINITIALIZED: Final = "node.cloudprovider.kubernetes.io/uninitialized"
_EXCLUDED: Final = "service.alibabacloud.com/exclude-node"
_PROVIDED: Final = "alpha.kubernetes.io/provided-node-ip"
_POOL_TAG: Final = "ack.alibabacloud.com/nodepool-id"
_GONE_EVERY: Final = 10.0
_AT_ONCE: Final = 100


def addresses(
    instance: Mapping[str, Any], node: Mapping[str, Any], *, ipv6: bool
) -> list[dict[str, str]]:
    """A Node's addresses, taken from the instance; empty when --node-ip is not among them."""
    public = list(instance["PublicIpAddress"]["IpAddress"])
    if eip := instance["EipAddress"].get("IpAddress"):
        public.append(eip)
    private = list(instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"])
    if ipv6:
        for nic in instance["NetworkInterfaces"]["NetworkInterface"]:
            if nic["Type"] == "Primary":
                private += [entry["Ipv6Address"] for entry in nic["Ipv6Sets"]["Ipv6Set"]]
    reported = [{"type": "ExternalIP", "address": ip} for ip in public]
    reported += [{"type": "InternalIP", "address": ip} for ip in private]
    provided = ((node["metadata"].get("annotations")) or {}).get(_PROVIDED)
    if provided:
        return [entry for entry in reported if entry["address"] == provided]
    names = [
        entry
        for entry in (node.get("status") or {}).get("addresses") or ()
        if entry["type"] == "Hostname"
    ]
    return [*reported, *names]


def labels(instance: Mapping[str, Any]) -> dict[str, str]:
    """Labels from the instance, under their stable and their beta names."""
    kind, zone, region = instance["InstanceType"], instance["ZoneId"], instance["RegionId"]
    values = {
        "node.kubernetes.io/instance-type": kind,
        "beta.kubernetes.io/instance-type": kind,
        "topology.kubernetes.io/zone": zone,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "topology.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/region": region,
        "node.alibabacloud.com/instance-charge-type": instance["InstanceChargeType"],
        "node.alibabacloud.com/spot-strategy": instance["SpotStrategy"],
    }
    tags = {tag["TagKey"]: tag["TagValue"] for tag in instance["Tags"]["Tag"]}
    if _POOL_TAG in tags:
        values["node.alibabacloud.com/nodepool-id"] = tags[_POOL_TAG]
    return {key: value for key, value in values.items() if value}


class Nodes:
    """Initialises Nodes, updates their addresses, deletes those whose instance no longer exists."""

    def __init__(
        self, cluster: Cluster, cloud: Cloud, flags: Flags, say: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._cloud = cloud
        self._monitor_seconds = flags.monitor_seconds
        self._ipv6 = "IPv6DualStack" in flags.config.gates
        self._say = say
        self._next_look = 0.0
        self._next_sync = time.monotonic() + flags.monitor_seconds
        self._nameless: set[str] = set()

    def sync(self, nodes: Sequence[dict[str, Any]]) -> None:
        """One round. Raises ApiError and CloudError."""
        ours = [n for n in nodes if _EXCLUDED not in (n["metadata"].get("labels") or {})]
        tainted = [n for n in ours if _taint(n)]
        for node in tainted:
            uid = node["metadata"]["uid"]
            if not instance_of(node) and uid not in self._nameless:
                self._nameless.add(uid)
                self._say(f"Node {node['metadata']['name']} has no providerID and stays as it is.")
        self._initialize([n for n in tainted if instance_of(n)])
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _GONE_EVERY
            self._delete_gone([n for n in ours if instance_of(n) and _silent(n)])
        if time.monotonic() >= self._next_sync:
            self._next_sync = time.monotonic() + self._monitor_seconds
            settled = [n for n in ours if instance_of(n) and not _taint(n)]
            instances = self._instances(settled)
            for node in settled:
                if instance := instances.get(instance_of(node)):
                    self._write_addresses(node, instance)

    def _instances(self, nodes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        instances: dict[str, dict[str, Any]] = {}
        for first in range(0, len(nodes), _AT_ONCE):
            ids = [instance_of(n) for n in nodes[first : first + _AT_ONCE]]
            answer = self._cloud(
                "ecs", "DescribeInstances", InstanceIds=json.dumps(ids), PageSize=_AT_ONCE
            )
            instances |= {entry["InstanceId"]: entry for entry in answer["Instances"]["Instance"]}
        return instances

    def _initialize(self, nodes: Sequence[dict[str, Any]]) -> None:
        if not nodes:
            return
        instances = self._instances(nodes)
        for node in nodes:
            name, instance = node["metadata"]["name"], instances.get(instance_of(node))
            if instance is None:
                self._cluster.event(
                    {"kind": "Node", **node},
                    "Warning",
                    "FailedAddNode",
                    f"there is no instance {instance_of(node)}",
                )
                continue
            if not self._write_addresses(node, instance):
                continue
            left = [t for t in node["spec"]["taints"] if t["key"] != UNINITIALIZED]
            try:
                self._cluster.patch(
                    f"/api/v1/nodes/{name}",
                    {
                        "metadata": {"labels": labels(instance)},
                        "spec": {"taints": left or None},
                    },
                )
            except ApiError as error:
                self._say(f"Node {name}: {error}")
                continue
            self._say(f"Node {name} is initialised: {instance['InstanceId']}.")
            self._cluster.event(
                {"kind": "Node", **node},
                "Normal",
                "InitializedNode",
                "Initialize node successfully",
            )

    def _write_addresses(self, node: Mapping[str, Any], instance: Mapping[str, Any]) -> bool:
        name = node["metadata"]["name"]
        reported = addresses(instance, node, ipv6=self._ipv6)
        if not any(entry["type"] == "InternalIP" for entry in reported):
            self._cluster.event(
                {"kind": "Node", **node},
                "Warning",
                "FailedAddNode",
                f"the kubelet's --node-ip is not an address of {instance['InstanceId']}",
            )
            return False
        if reported == ((node.get("status") or {}).get("addresses") or []):
            return True
        try:
            self._cluster.patch(f"/api/v1/nodes/{name}/status", {"status": {"addresses": reported}})
        except ApiError as error:
            self._say(f"Node {name}: {error}")
            return False
        return True

    def _delete_gone(self, nodes: Sequence[dict[str, Any]]) -> None:
        if not nodes:
            return
        instances = self._instances(nodes)
        for node in nodes:
            if instance_of(node) in instances:
                continue
            name = node["metadata"]["name"]
            self._say(f"Node {name} is deleted: its instance {instance_of(node)} is gone.")
            self._cluster.client.request("DELETE", f"/api/v1/nodes/{name}")
            self._cluster.event(
                {"kind": "Node", **node},
                "Normal",
                "DeletingNode",
                f"Deleting Node {name} because its instance is gone",
            )


def _taint(node: Mapping[str, Any]) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    return any(taint["key"] == UNINITIALIZED for taint in taints)


def _silent(node: Mapping[str, Any]) -> bool:
    """Whether the kubelet has been silent for so long that the Node's state is unknown."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "Unknown" for c in conditions)
