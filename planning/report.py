"""The plan as one plain document: what machines read, and what golden files hold."""

from __future__ import annotations

from config.model import EtcdDiskConfig
from planning.addresses.canonical import canonical_ranges
from planning.addresses.capacity import advertised_addresses, pod_capacity
from planning.cloud.notices import notices
from planning.cloud.quotas import quotas
from planning.cloud.security import SecurityRule, inner_access_policy, security_rules
from planning.cloud.vswitch_room import free_addresses, free_prefixes, usable_addresses
from planning.model import ClusterPlan, InterfacePlan, IPPoolPlan, NodePlan, VSwitchPlan


def plan_document(plan: ClusterPlan) -> dict[str, object]:
    """JSON-ready, keys in camelCase, every map sorted by name, no secret in it.

    `nodes.<name>.interfaces.<nic>.podAddresses` lists single addresses; it is empty in mode
    `count`, where only `podAddressCount` is known. `pools.<name>.{subnet,gateway}` are null and
    `ips` empty where only the cloud knows them. `subnet` of a NIC is the subnet's name, `subnet`
    of a pool its CIDR.
    """
    free = free_addresses(plan)
    return {
        "name": plan.name,
        "profile": plan.profile.value,
        "region": plan.region,
        "tags": dict(plan.tags),
        "network": {
            "vpc": {
                "id": plan.network.vpc.id,
                "cidr": str(plan.network.vpc.cidr),
                "secondaryCidrs": [str(c) for c in plan.network.vpc.secondary_cidrs],
            },
            "natVSwitch": plan.network.nat_vswitch,
            "apiVSwitch": plan.network.api_vswitch,
            "ipv6": plan.network.ipv6.enabled,
        },
        "vswitches": {
            key: _vswitch(vswitch, free[key]) for key, vswitch in plan.network.vswitches.items()
        },
        "security": {
            "type": plan.network.security_group.type,
            "innerAccessPolicy": inner_access_policy(plan),
            "rules": {name: _rule(rule) for name, rule in security_rules(plan).items()},
        },
        "notices": list(notices(plan)),
        "nodes": {name: _node(plan, node) for name, node in plan.nodes.items()},
        "pools": {name: _pool(pool) for name, pool in plan.ip_pools.items()},
        "capacity": {
            "nodes": len(plan.nodes),
            "pods": sum(pod_capacity(plan, node) for node in plan.nodes.values()),
            "podAddresses": sum(
                nic.pods.count for node in plan.nodes.values() for nic in node.interfaces.values()
            ),
        },
        "defaultNetworks": None if plan.counting is None else dict(plan.counting.shares),
        "freeAddresses": free,
        "freePrefixes": free_prefixes(plan),
        "quotas": {
            name: {"needed": q.needed, "default": q.default, "per": q.per}
            for name, q in quotas(plan).items()
        },
    }


def _rule(rule: SecurityRule) -> dict[str, object]:
    return {
        "direction": rule.direction,
        "protocol": rule.protocol,
        "ports": rule.port_range,
        "cidr": str(rule.cidr),
        "description": rule.description,
        "path": rule.path,
    }


def _vswitch(vswitch: VSwitchPlan, free: int) -> dict[str, object]:
    reservation = vswitch.prefix_reservation
    return {
        "subnet": vswitch.subnet,
        "zone": vswitch.zone,
        "cidr": str(vswitch.cidr),
        "gateway": str(vswitch.gateway),
        "id": vswitch.vswitch_id,
        "ipv6Index": vswitch.ipv6_index,
        "snat": vswitch.snat,
        "prefixReservation": None if reservation is None else str(reservation),
        "usableAddresses": usable_addresses(vswitch.cidr),
        "freeAddresses": free,
    }


def _node(plan: ClusterPlan, node: NodePlan) -> dict[str, object]:
    return {
        "pool": node.pool,
        "role": node.role.value,
        "zone": node.zone,
        "instanceType": node.instance_type,
        **({} if node.etcd_disk is None else {"etcdDisk": _etcd_disk(node.etcd_disk)}),
        "maxPods": node.max_pods,
        "hostNetworkPods": node.max_pods - pod_capacity(plan, node),
        "podCapacity": pod_capacity(plan, node),
        "advertised": advertised_addresses(plan, node),
        "interfaces": {name: _interface(plan, nic) for name, nic in node.interfaces.items()},
    }


def _etcd_disk(disk: EtcdDiskConfig) -> dict[str, object]:
    return {"category": disk.category, "size": disk.size}


def _interface(plan: ClusterPlan, nic: InterfacePlan) -> dict[str, object]:
    return {
        "subnet": plan.network.vswitches[nic.vswitch].subnet,
        "vswitch": nic.vswitch,
        "mode": nic.pods.mode.value,
        "primary": str(nic.primary),
        "podAddresses": [str(a) for a in nic.pods.planned],
        "podAddressCount": nic.pods.count,
        "prefixes": [str(p) for p in nic.pods.blocks],
    }


def _pool(pool: IPPoolPlan) -> dict[str, object]:
    document: dict[str, object] = {
        "node": pool.node,
        "interface": pool.interface,
        "ipVersion": pool.ip_version,
        "vswitch": pool.vswitch,
        "subnet": None if pool.subnet is None else str(pool.subnet),
        "gateway": None if pool.gateway is None else str(pool.gateway),
        "ips": list(pool.ips),
        "nodeName": [pool.node_name],
        "multusName": [pool.multus_name],
        "default": pool.default,
        "namespaces": list(pool.namespaces),
        "podLabels": dict(pool.pod_labels or {}),
    }
    if pool.twins:
        document["twinsOf"] = list(canonical_ranges(pool.twins))
    return document
