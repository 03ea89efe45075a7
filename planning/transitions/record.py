"""A plan as the state keeps it: small, canonical JSON, with every default resolved, no secret.

It has what the check of an edit needs, and nothing else. The user's free text (chart values) is
kept as a digest, because the check only needs to know whether it changed. Addresses are ranges.
Settings that the nodes of a pool share are written once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from pydantic import BaseModel

from config.model import ServiceConfig
from planning.addresses.canonical import canonical_ranges
from planning.cloud.services import placement
from planning.model import ClusterPlan, InterfacePlan, NodePlan
from planning.nodes.endpoint import balanced, endpoint_name, private_address
from planning.nodes.kubeadm import own_kubelet_settings
from planning.nodes.machine import identity, node_settings, restart_settings

SCHEMA: Final = 1
"""Version of the record. Raised when an older record lacks what the check needs."""

METADATA: Final = "metadataForPods"
"""Key in a machine's running settings. An earlier release did not record it, and the unit of its
machines does not apply it."""
_BALANCER: Final = "the load balancer"

Json = dict[str, Any]


def record(plan: ClusterPlan) -> Json:
    """The record of a plan: `{schema, cluster, chosen, pools, nodes}`, without nulls.

    * `cluster`: the effective configuration without node pools, nested by the stack file's keys.
    * `chosen`: vSwitch keys that the program chose where the stack file left the choice open.
    * `pools`: by pool, what most of its nodes are; see `_machine`.
    * `nodes`: by node, its pool, zone and NICs (`"<primary> <ranges of pod addresses>"`), and under
      `own` what differs from its pool.
    """
    machines = {name: _machine(plan, node) for name, node in plan.nodes.items()}
    common = _common(plan, machines)
    document: Json = _canonical(
        {
            "schema": SCHEMA,
            "cluster": _cluster(plan),
            "chosen": _chosen(plan),
            "pools": common,
            "nodes": {
                name: {
                    "pool": node.pool,
                    "zone": node.zone,
                    "nics": {nic: _addresses(i) for nic, i in node.interfaces.items()},
                    "own": _differing(machines[name], common[node.pool]),
                }
                for name, node in plan.nodes.items()
            },
        }
    )
    return document


def _default_network(plan: ClusterPlan) -> str | None:
    """The network of pods that choose none; None if no policy gives them one."""
    if plan.counting is None:
        return None
    return "spread" if len(plan.counting.shares) > 1 else "eth0"


def record_text(document: Json) -> str:
    """A record as canonical JSON text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _cluster(plan: ClusterPlan) -> Json:
    network = plan.network
    subnets: dict[str, Json] = {}
    for vswitch in network.vswitches.values():
        subnet = subnets.setdefault(vswitch.subnet, {"egress": vswitch.snat, "zones": {}})
        subnet["zones"][vswitch.zone] = {
            "cidr": str(vswitch.cidr),
            "vswitchId": vswitch.vswitch_id,
            "ipv6Index": vswitch.ipv6_index,
            "prefixReservation": _text(vswitch.prefix_reservation),
        }
    nat = _dump(network.nat)
    if network.nat.deletion_protection is None:
        nat["deletionProtection"] = plan.protect
    if network.nat_vswitch is not None:
        nat["subnet"] = network.vswitches[network.nat_vswitch].subnet
        nat["zone"] = network.vswitches[network.nat_vswitch].zone
    spiderpool = _dump(plan.spiderpool)
    spiderpool["values"] = digest(spiderpool["values"])
    return {
        "name": plan.name,
        "profile": plan.profile.value,
        "region": plan.region,
        "cloud": {
            "accountType": plan.account_type,
            "accountId": plan.account_id,
            "endpoint": plan.cloud_endpoint,
        },
        "resourceGroup": plan.resource_group,
        "tags": dict(plan.tags),
        "protect": plan.protect,
        "network": {
            "vpc": _dump(network.vpc),
            "subnets": subnets,
            "nat": nat,
            "ipv6": _dump(network.ipv6),
            "securityGroup": _dump(network.security_group),
            "ingress": {name: _dump(rule) for name, rule in network.ingress.items()},
        },
        "kubernetes": _dump(plan.kubernetes),
        "pods": {"defaultNetwork": _default_network(plan)},
        "spiderpool": spiderpool,
        "cloudController": _dump(plan.cloud_controller),
        "namespaces": {name: _dump(namespace) for name, namespace in plan.namespaces.items()},
        "services": {name: _service(plan, service) for name, service in plan.services.items()},
        "sampleApps": _dump(plan.sample_apps),
    }


def _service(plan: ClusterPlan, service: ServiceConfig) -> Json:
    document = _dump(service)
    if service.deletion_protection is None:
        document["deletionProtection"] = plan.protect
    if service.backend_type is None:
        document["backendType"] = plan.cloud_controller.backend_type
    place = placement(plan, service)
    if place is not None and place.vswitches:
        keys = [key for _, key in place.vswitches]
        document["subnet"] = plan.network.vswitches[keys[0]].subnet
        if service.load_balancer == "nlb":
            document["zones"] = [zone for zone, _ in place.vswitches]
    return document


def _chosen(plan: ClusterPlan) -> Json:
    kubeadm = plan.kubernetes.mode == "kubeadm"
    chosen: Json = {
        "nat": plan.network.nat_vswitch,
        "balancer": plan.network.api_vswitch,
        "endpoint": endpoint_name(plan) if kubeadm else None,
        "services": {},
    }
    for name, service in plan.services.items():
        place = placement(plan, service)
        if place is not None and service.load_balancer == "clb" and place.vswitches:
            chosen["services"][name] = place.vswitches[0][1]
    return chosen


def _machine(plan: ClusterPlan, node: NodePlan) -> Json:
    """What a node is, apart from its name, zone and addresses."""
    fixed = identity(plan, node)
    del fixed["interfaces"]
    return {
        "role": node.role.value,
        "identity": fixed,
        "restart": restart_settings(node),
        "running": _running(plan, node),
        "inPlace": {
            "disk": {"size": node.disk.size, "performanceLevel": node.disk.performance_level},
            "etcdDisk": None if node.etcd_disk is None else _dump(node.etcd_disk),
            "chargeType": node.charge_type,
            "forceDelete": node.force_delete,
            "deletionProtection": node.deletion_protection,
            "ramRole": node.ram_role,
        },
        "interfaces": {
            nic: {
                "subnet": plan.network.vswitches[i.vswitch].subnet,
                "mode": i.pods.mode.value,
                # In the other modes the ranges show the number.
                "count": None if i.pods.planned else i.pods.count,
            }
            for nic, i in node.interfaces.items()
        },
    }


def _running(plan: ClusterPlan, node: NodePlan) -> Json:
    """What changes while the node runs: labels, taints, and the settings of its own unit."""
    if plan.kubernetes.mode != "kubeadm":
        return {}
    # The cloud chooses the load balancer's address, so only the use of one is recorded.
    address = _BALANCER if balanced(plan) else private_address(plan.control_planes[0])
    settings = json.loads(node_settings(plan, node, address))
    return {
        "labels": dict(node.labels),
        "taints": [_dump(taint) for taint in node.taints],
        "endpoint": settings["endpoint"],
        "kubelet": own_kubelet_settings(settings["kubelet"]),
        "sysctls": digest(settings["sysctls"]),
        METADATA: plan.kubernetes.metadata_for_pods,
    }


def _common(plan: ClusterPlan, machines: Mapping[str, Json]) -> dict[str, Json]:
    """The settings of most nodes, by pool; of equally frequent ones the first by text."""
    common: dict[str, Json] = {}
    for pool in sorted({node.pool for node in plan.nodes.values()}):
        texts = Counter(
            record_text(machines[node.name]) for node in plan.nodes.values() if node.pool == pool
        )
        most = max(texts.values())
        common[pool] = json.loads(min(text for text, n in texts.items() if n == most))
    return common


def _differing(machine: Json, common: Json) -> Json:
    return {key: value for key, value in machine.items() if value != common.get(key)}


def _addresses(interface: InterfacePlan) -> str:
    return " ".join((str(interface.primary), *canonical_ranges(interface.pods.planned)))


def _dump(model: BaseModel) -> Json:
    return model.model_dump(mode="json", by_alias=True)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def digest(value: object) -> str:
    """A digest of a value in 16 hexadecimal digits; equal values have equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Keys sorted, and neither nulls nor empty containers: absent means the same."""
    if isinstance(value, Mapping):
        kept = {str(key): _canonical(item) for key, item in sorted(value.items())}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        # The engine keeps every number as a floating-point one; text comes back as it was.
        return str(value)
    return value
