"""SpiderIPPools from the plan: one for each node and NIC, for each IP version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from config.model import ClusterConfig
from planning.addresses.canonical import canonical_ranges, expand
from planning.model import InterfacePlan, IPPoolPlan, NetworkPlan, NodePlan
from planning.names import IPV6, multus_name, pool_name

IPV4 = 4


def ip_pools(
    config: ClusterConfig, network: NetworkPlan, nodes: Mapping[str, NodePlan]
) -> dict[str, IPPoolPlan]:
    """All pools by name, sorted. A NIC without pod addresses has none."""
    taken = _taken_out(config)
    pools: dict[str, IPPoolPlan] = {}
    for node in nodes.values():
        for nic, interface in node.interfaces.items():
            if interface.pods.count == 0:
                continue
            extra = taken.get((node.name, nic), frozenset())
            addresses = tuple(a for a in interface.pods.planned if a not in extra)
            name = pool_name(node.name, nic)
            pool = _pool(config, network, node, interface, name=name, addresses=addresses)
            for each in _with_ipv6(pool, network, addresses, pool_name(node.name, nic, IPV6)):
                pools[each.name] = each
    for name, extra_pool in config.spiderpool.extra_pools.items():
        owner = nodes.get(extra_pool.node)
        pool_nic = owner.interfaces.get(extra_pool.interface) if owner is not None else None
        if owner is None or pool_nic is None:
            continue  # only in a plan that is refused
        addresses = expand(extra_pool.addresses)
        pool = _pool(config, network, owner, pool_nic, name=name, addresses=addresses)
        pool = replace(
            pool,
            namespaces=tuple(sorted(extra_pool.namespaces)),
            pod_labels=dict(sorted(extra_pool.pod_labels.items())) or None,
        )
        for each in _with_ipv6(pool, network, addresses, f"{name}-v6"):
            pools[each.name] = each
    return dict(sorted(pools.items()))


def _pool(  # noqa: PLR0913 - each is another part of the same pool
    config: ClusterConfig,
    network: NetworkPlan,
    node: NodePlan,
    interface: InterfacePlan,
    *,
    name: str,
    addresses: tuple[IPv4Address, ...],
) -> IPPoolPlan:
    vswitch = network.vswitches[interface.vswitch]
    return IPPoolPlan(
        name=name,
        node=node.name,
        interface=interface.name,
        ip_version=IPV4,
        vswitch=vswitch.key,
        subnet=vswitch.cidr,
        gateway=vswitch.gateway,
        ips=canonical_ranges(addresses),
        node_name=config.kubernetes.node_names.get(node.name, node.name),
        multus_name=multus_name(interface.name),
        default=True,
    )


def _with_ipv6(
    pool: IPPoolPlan, network: NetworkPlan, addresses: tuple[IPv4Address, ...], name: str
) -> Iterator[IPPoolPlan]:
    yield pool
    if network.ipv6.enabled:
        yield replace(
            pool,
            name=name,
            ip_version=IPV6,
            subnet=None,
            gateway=None,
            ips=(),
            twins=tuple(sorted(addresses)),
        )


def _taken_out(config: ClusterConfig) -> dict[tuple[str, str], frozenset[IPv4Address]]:
    """Addresses of extra pools by node and NIC."""
    taken: dict[tuple[str, str], frozenset[IPv4Address]] = {}
    for pool in config.spiderpool.extra_pools.values():
        where = (pool.node, pool.interface)
        taken[where] = taken.get(where, frozenset()) | frozenset(expand(pool.addresses))
    return taken
