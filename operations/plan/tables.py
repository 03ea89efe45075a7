"""The plan as tables: what `pulumi up` would create, without a request to a cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from rich import box
from rich.table import Table

from operations.plan.cluster_report import address_ranges
from planning.addresses.pod_addresses import Counted, Pinned, Prefixes
from planning.cloud.notices import notices
from planning.cloud.quotas import quotas
from planning.cloud.security import inner_access_policy, security_rules
from planning.cloud.vswitch_room import free_addresses, usable_addresses
from planning.model import ClusterPlan, InterfacePlan


def plan_tables(plan: ClusterPlan) -> Iterator[Table]:
    """Yield the tables of nodes, disks, pools, vSwitches, security, quotas, and the notices."""
    yield _nodes(plan)
    if any(node.etcd_disk is not None for node in plan.nodes.values()):
        yield _etcd_disks(plan)
    yield _pools(plan)
    yield _vswitches(plan)
    yield _security(plan)
    yield _quotas(plan)
    if any(notices(plan)):
        yield _notices(plan)


def _nodes(plan: ClusterPlan) -> Table:
    table = _table(
        f"Nodes of {plan.name} ({plan.profile.value}, {plan.region})",
        "node",
        "role",
        "zone",
        "type",
        "max pods",
        "NIC",
        "vSwitch",
        "primary",
        "pod addresses",
    )
    for node in plan.nodes.values():
        shown = (node.name, node.role.value, node.zone, node.instance_type, str(node.max_pods))
        for nic in node.interfaces.values():
            table.add_row(*shown, nic.name, nic.vswitch, str(nic.primary), _pod_addresses(nic))
            shown = ("", "", "", "", "")
    return table


def _etcd_disks(plan: ClusterPlan) -> Table:
    table = _table("Disks for etcd, which outlive their machines", "node", "zone", "kind", "GiB")
    for node in plan.control_planes:
        disk = node.etcd_disk
        if disk is not None:
            level = "" if disk.performance_level is None else f" {disk.performance_level}"
            table.add_row(node.name, node.zone, f"{disk.category}{level}", str(disk.size))
    return table


def _pod_addresses(nic: InterfacePlan) -> str:
    if not nic.pods.count:
        return "none"
    match nic.pods:
        case Pinned(addresses):
            return address_ranges([str(address) for address in addresses])
        case Counted(number):
            return f"{number} of the cloud's choice"
        case Prefixes(blocks):
            return ", ".join(str(block) for block in blocks)
        case _:
            assert_never(nic.pods)


def _pools(plan: ClusterPlan) -> Table:
    table = _table("IP pools", "pool", "node", "multus", "subnet", "gateway", "ips")
    for pool in plan.ip_pools.values():
        table.add_row(
            pool.name,
            pool.node_name,
            pool.multus_name,
            "known after up" if pool.subnet is None else str(pool.subnet),
            "known after up" if pool.gateway is None else str(pool.gateway),
            ", ".join(pool.ips) or "known after up",
        )
    return table


def _vswitches(plan: ClusterPlan) -> Table:
    table = _table("vSwitches", "vSwitch", "zone", "CIDR", "gateway", "taken", "free")
    free = free_addresses(plan)
    for key, vswitch in plan.network.vswitches.items():
        taken = usable_addresses(vswitch.cidr) - free[key]
        table.add_row(
            key, vswitch.zone, str(vswitch.cidr), str(vswitch.gateway), str(taken), str(free[key])
        )
    return table


def _security(plan: ClusterPlan) -> Table:
    policy = inner_access_policy(plan)
    members = "by the rules below" if policy is None else f"inner access policy {policy}"
    table = _table(
        f"Security group ({plan.network.security_group.type}); members among themselves: {members}",
        "rule",
        "direction",
        "protocol",
        "ports",
        "other side",
        "asked for by",
    )
    for name, rule in security_rules(plan).items():
        table.add_row(
            name, rule.direction, rule.protocol, rule.port_range, str(rule.cidr), rule.path
        )
    return table


def _notices(plan: ClusterPlan) -> Table:
    table = _table("Notices", "what to know")
    for notice in notices(plan):
        table.add_row(notice)
    return table


def _quotas(plan: ClusterPlan) -> Table:
    table = _table("Counted by quotas", "resource", "needed", "default quota", "per")
    for name, quota in quotas(plan).items():
        default = "differs" if quota.default is None else str(quota.default)
        over = quota.default is not None and quota.needed > quota.default
        table.add_row(
            name, f"{quota.needed} (over)" if over else str(quota.needed), default, quota.per
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
