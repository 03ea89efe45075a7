"""The nodes that a configuration names: each pool's members, with their place and their zone.

A member's ordinal comes from its own name or its own entry, never from its neighbours, so that no
node moves when another one comes or goes (docs/decisions/stable-ordinals.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from config.model import ClusterConfig, NodeConfig, NodePoolConfig, Role

_TRAILING_NUMBER = re.compile(r"-(0|[1-9][0-9]{0,4})$")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One node of a pool. `ordinal` and `zone` are None if nothing determines them."""

    name: str
    pool: str
    ordinal: int | None
    zone: str | None
    own: NodeConfig
    named: bool
    """Whether it has an entry under `nodes`. Otherwise `own` is empty."""

    @property
    def path(self) -> str:
        """The path at which the user sets something for this node alone."""
        return f"nodePools.{self.pool}.nodes.{self.name}"


_NOTHING = NodeConfig()


def members_of(config: ClusterConfig) -> dict[str, Member]:
    """All nodes by name, sorted. If two pools have a node of one name, the first pool's counts.

    A node that two pools claim is a problem of its own (`config.rules`).
    """
    members: dict[str, Member] = {}
    for name, pool in sorted(config.node_pools.items()):
        for member in pool_members(config, name, pool):
            members.setdefault(member.name, member)
    return dict(sorted(members.items()))


def home_zone(config: ClusterConfig) -> str | None:
    """The zone of the first control plane, or else of the first node; None without nodes.

    Resources that need one of several zones use it, because zones and subnets that are added later
    do not change it.
    """
    return next((m.zone for m in (*_planes(config), *members_of(config).values())), None)


def has_balancer(config: ClusterConfig) -> bool:
    """Whether the stack has a load balancer in front of several API servers."""
    return config.kubernetes.mode == "kubeadm" and len(_planes(config)) > 1


def _planes(config: ClusterConfig) -> list[Member]:
    members = members_of(config).values()
    return [m for m in members if config.node_pools[m.pool].role is Role.CONTROL_PLANE]


def pool_members(config: ClusterConfig, name: str, pool: NodePoolConfig) -> Iterator[Member]:
    """One pool's members, by ordinal for counted pools and by name for named ones."""
    zones = spread_zones(config, pool)
    if pool.count is not None:
        for ordinal in range(pool.count):
            node = f"{name}-{ordinal}"
            own = pool.nodes.get(node, _NOTHING)
            yield Member(
                name=node,
                pool=name,
                ordinal=ordinal,
                zone=own.zone or _zone(zones, ordinal),
                own=own,
                named=node in pool.nodes,
            )
        return
    for node, own in sorted(pool.nodes.items()):
        ordinal_ = own.ordinal if own.ordinal is not None else ordinal_from(node)
        yield Member(
            name=node,
            pool=name,
            ordinal=ordinal_,
            zone=own.zone or _zone(zones, ordinal_),
            own=own,
            named=True,
        )


def ordinal_from(name: str) -> int | None:
    """The number at the end of a name (`worker-3` → 3); None if there is none."""
    match = _TRAILING_NUMBER.search(name)
    return int(match[1]) if match else None


def spread_zones(config: ClusterConfig, pool: NodePoolConfig) -> tuple[str, ...]:
    """The zones that a pool's nodes are spread over, sorted: the pool's own, or the only one.

    Empty when there are several and the pool names none: a zone that a subnet gains later must not
    move a node (`config.rules` asks for the zones then).
    """
    if pool.zones:
        return tuple(sorted(set(pool.zones)))
    common = common_zones(config, pool)
    return common if len(common) == 1 else ()


def common_zones(config: ClusterConfig, pool: NodePoolConfig) -> tuple[str, ...]:
    """Zones in which every subnet of the pool has a vSwitch, sorted."""
    subnets = [config.network.subnets.get(nic.subnet) for nic in pool.interfaces.values()]
    spans = [set(subnet.zones) for subnet in subnets if subnet is not None]
    return tuple(sorted(set.intersection(*spans))) if spans else ()


def _zone(zones: tuple[str, ...], ordinal: int | None) -> str | None:
    if len(zones) == 1:
        return zones[0]
    if not zones or ordinal is None:
        return None
    return zones[ordinal % len(zones)]
