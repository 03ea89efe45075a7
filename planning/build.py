"""From a configuration to the whole plan."""

from __future__ import annotations

from collections.abc import Mapping

from config.facts.address_counting import counts_addresses, spreads_pods
from config.facts.nics import DEFAULT_POD_NIC
from config.members import Member, home_zone, members_of
from config.model import ClusterConfig, NodePoolConfig, Role, TaintConfig
from config.profiles import DEFAULT_IMAGE
from config.report import ConfigError
from planning.addresses.blocks import gateway
from planning.addresses.capacity import max_pods
from planning.addresses.extra_pools import extra_pools_lie_in_their_node
from planning.addresses.layout import Layout, lay_out
from planning.cloud.gateway_places import gateway_places
from planning.cloud.network_checks import network_problems
from planning.model import (
    AddressCounting,
    ClusterPlan,
    InterfacePlan,
    NetworkPlan,
    NodePlan,
    VSwitchPlan,
)
from planning.names import CONTROL_PLANE, own_tags, vswitch_key
from planning.spiderpool.pools import ip_pools

CONTROL_PLANE_TAINT = TaintConfig(key=CONTROL_PLANE, effect="NoSchedule")


def build_plan(config: ClusterConfig) -> ClusterPlan:
    """Plan the cluster. Raises `ConfigError` with every problem of its layout."""
    layout = lay_out(config)
    plan = assemble(config, layout)
    problems = (
        *layout.problems,
        *extra_pools_lie_in_their_node(config, layout),
        *network_problems(config, plan),
    )
    if problems:
        raise ConfigError(problems)
    return plan


def assemble(config: ClusterConfig, layout: Layout) -> ClusterPlan:
    """The plan for a layout, without the nodes that the layout could not place completely."""
    network = _network(config)
    nodes = {
        member.name: _node(config, member, layout.nodes[member.name])
        for member in members_of(config).values()
        if len(layout.nodes[member.name]) == len(config.node_pools[member.pool].interfaces)
    }
    return ClusterPlan(
        name=config.name,
        profile=config.profile,
        region=config.region,
        account_type=config.cloud.account_type,
        account_id=config.cloud.account_id,
        cloud_endpoint=config.cloud.endpoint,
        resource_group=config.resource_group,
        tags=dict(sorted({**config.tags, **own_tags(config.name, config.profile)}.items())),
        protect=config.protect,
        network=network,
        nodes=nodes,
        ip_pools=ip_pools(config, network, nodes),
        counting=_counting(config, nodes),
        kubernetes=config.kubernetes,
        spiderpool=config.spiderpool,
        cloud_controller=config.cloud_controller,
        namespaces=dict(sorted(config.namespaces.items())),
        services=dict(sorted(config.services.items())),
        sample_apps=config.sample_apps,
        public_endpoint=bool(config.kubernetes.endpoint.public)
        and config.kubernetes.mode == "kubeadm",
    )


def _network(config: ClusterConfig) -> NetworkPlan:
    vswitches = {
        vswitch_key(name, zone): VSwitchPlan(
            key=vswitch_key(name, zone),
            subnet=name,
            zone=zone,
            cidr=vswitch.cidr,
            gateway=gateway(vswitch.cidr),
            vswitch_id=vswitch.vswitch_id,
            ipv6_index=vswitch.ipv6_index if config.network.ipv6.enabled else None,
            snat=config.network.nat.enabled and subnet.egress,
            prefix_reservation=vswitch.prefix_reservation,
        )
        for name, subnet in config.network.subnets.items()
        for zone, vswitch in subnet.zones.items()
    }
    places = gateway_places(config)
    if places.added is not None:
        vswitches[places.added.key] = places.added
    return NetworkPlan(
        vpc=config.network.vpc,
        vswitches=dict(sorted(vswitches.items())),
        nat=config.network.nat,
        ipv6=config.network.ipv6,
        ingress=dict(sorted(config.network.ingress.items())),
        security_group=config.network.security_group,
        home_zone=home_zone(config),
        nat_vswitch=places.nat,
        api_vswitch=places.api,
    )


def _node(
    config: ClusterConfig, member: Member, interfaces: Mapping[str, InterfacePlan]
) -> NodePlan:
    pool = config.node_pools[member.pool]
    own = member.own
    return NodePlan(
        name=member.name,
        pool=member.pool,
        role=pool.role,
        zone=member.zone or "",
        instance_type=own.instance_type or pool.instance_type,
        image=own.image or pool.image or DEFAULT_IMAGE,
        disk=own.disk or pool.disk,
        etcd_disk=pool.etcd_disk,
        key_pair=pool.key_pair,
        spot=pool.spot,
        charge_type=pool.charge_type,
        force_delete=pool.force_delete,
        deletion_protection=_has_deletion_protection(config, pool),
        ram_role=pool.ram_role,
        labels=dict(sorted({**pool.labels, **own.labels}.items())),
        taints=_taints(pool),
        max_pods=max_pods(
            pool.role,
            interfaces.values(),
            counted=counts_addresses(config),
            cloud_controller=config.cloud_controller.enabled,
        ),
        interfaces=interfaces,
    )


def _counting(config: ClusterConfig, nodes: Mapping[str, NodePlan]) -> AddressCounting | None:
    if not counts_addresses(config):
        return None
    if not spreads_pods(config):
        only = {DEFAULT_POD_NIC: 1}
        return AddressCounting(shares=only, shares_everywhere=only)
    # If every node is tainted, all of them count, because the pods that run tolerate a taint.
    open_nodes = [node for node in nodes.values() if not _repels(node)] or list(nodes.values())
    shares: dict[str, int] = {}
    for node in open_nodes:
        for name, interface in sorted(node.interfaces.items()):
            shares[name] = shares.get(name, 0) + interface.pods.count
    shares = {name: n for name, n in sorted(shares.items()) if n}
    everywhere = set(shares)
    for node in nodes.values():
        with_addresses = {name for name, nic in node.interfaces.items() if nic.pods.count}
        everywhere &= with_addresses or everywhere
    return AddressCounting(
        shares=shares,
        shares_everywhere={name: n for name, n in shares.items() if name in everywhere},
    )


def _repels(node: NodePlan) -> bool:
    return any(taint.effect != "PreferNoSchedule" for taint in node.taints)


def _has_deletion_protection(config: ClusterConfig, pool: NodePoolConfig) -> bool:
    """Whether a machine has deletion protection; by default only if it is never replaced.

    The cloud refuses to delete an instance with deletion protection (ECS, DeleteInstance).
    """
    if pool.deletion_protection is not None:
        return pool.deletion_protection
    if not config.protect or pool.role is not Role.CONTROL_PLANE:
        return False
    planes = [
        member
        for member in members_of(config).values()
        if config.node_pools[member.pool].role is Role.CONTROL_PLANE
    ]
    return len(planes) == 1


def _taints(pool: NodePoolConfig) -> tuple[TaintConfig, ...]:
    if pool.taints is not None:
        return pool.taints
    return (CONTROL_PLANE_TAINT,) if pool.role is Role.CONTROL_PLANE else ()
