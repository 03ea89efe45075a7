"""Rules about node pools and their nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from config.facts.images import architecture_of
from config.facts.instance_limits import (
    family_of,
    limits_of,
    listed_types,
    without_second_eni,
)
from config.members import common_zones, pool_members
from config.model import ClusterConfig, NodePoolConfig, Role
from config.report import Problem
from config.rules.nodes.interfaces import types_of
from config.schema_walk import nearest

MAX_NAME = 63
"""A node's name is its host name and a label value in Kubernetes: one DNS label."""

_LOOPBACK_NAME = "localhost"
MIN_NAME = 2
"""Characters of a host name (ECS, RunInstances: 2 to 64 on Linux, no two hyphens in a row)."""

PRICE_DECIMALS = 3
MAX_NODES = 5000
"""Nodes that Kubernetes supports in a cluster
(https://kubernetes.io/docs/setup/best-practices/cluster-large/)."""


def count_or_names(config: ClusterConfig) -> Iterator[Problem]:
    """A pool has a count or named nodes; with a count, `nodes` has exceptions only."""
    for name, pool in sorted(config.node_pools.items()):
        path = f"nodePools.{name}"
        if pool.count is None:
            if not pool.nodes:
                yield Problem(
                    path=path,
                    value=None,
                    rule="A pool needs a count or named nodes.",
                    remedy="Write count: 3, or nodes with their names; count: 0 for an empty pool.",
                )
            continue
        for node, own in sorted(pool.nodes.items()):
            ordinal = _ordinal_in(name, node)
            if ordinal is None or ordinal >= pool.count:
                yield Problem(
                    path=f"{path}.nodes.{node}",
                    value=None,
                    rule=f"With count, a pool's nodes are called {name}-0 to "
                    f"{name}-{max(pool.count - 1, 0)}, and `nodes` can only have settings of "
                    "those.",
                    remedy="Name one of them, or leave count out and name all nodes.",
                )
            elif own.ordinal is not None:
                yield Problem(
                    path=f"{path}.nodes.{node}.ordinal",
                    value=str(own.ordinal),
                    rule=f"With count, the node's name sets its ordinal: {ordinal}.",
                    remedy="Leave ordinal out.",
                )


def there_are_nodes(config: ClusterConfig) -> Iterator[Problem]:
    """There is a pool, and Kubernetes supports the number of nodes."""
    if not config.node_pools:
        yield Problem(
            path="nodePools",
            value=None,
            rule="A cluster needs nodes.",
            remedy="Write at least one pool with role: control-plane.",
        )
    total = sum(_size(pool) for pool in config.node_pools.values())
    if total > MAX_NODES:
        yield Problem(
            path="nodePools",
            value=f"{total} nodes",
            rule=f"Kubernetes supports {MAX_NODES} nodes in a cluster.",
            remedy="Spread them over several stacks.",
        )


def control_planes_are_odd(config: ClusterConfig) -> Iterator[Problem]:
    """The number of control planes is odd: etcd needs a majority of its members."""
    if config.kubernetes.mode != "kubeadm" or not config.node_pools:
        return
    pools = {n: p for n, p in config.node_pools.items() if p.role is Role.CONTROL_PLANE}
    total = sum(_size(pool) for pool in pools.values())
    if total % 2 == 1:
        return
    where = "nodePools"
    if pools:
        first = min(pools)
        where += f".{first}.{'nodes' if pools[first].count is None else 'count'}"
    yield Problem(
        path=where,
        value=f"{total} control planes",
        rule="etcd needs a majority; an even member count tolerates no more failures than the next "
        "lower odd one."
        if total
        else "A cluster needs a control plane.",
        remedy=f"Write {total + 1} control planes, or {total - 1}."
        if total
        else "Write a pool with role: control-plane and count: 1, or 3.",
    )


def names_are_host_names(config: ClusterConfig) -> Iterator[Problem]:
    """A node's name is the instance's host name (RunInstances, HostName), and a DNS label."""
    for name, pool in sorted(config.node_pools.items()):
        named = [(f"nodePools.{name}.nodes.{node}", node) for node in sorted(pool.nodes)]
        if pool.count is not None:
            named = [(f"nodePools.{name}", name)]
        for path, text in named:
            if "--" in text:
                yield Problem(
                    path=path,
                    value=text,
                    rule="A node's name is its host name, and ECS refuses two hyphens in a row.",
                    remedy=f"Call it {re.sub('-+', '-', text)}.",
                )
            if pool.count is None and text == _LOOPBACK_NAME:
                yield Problem(
                    path=path,
                    value=text,
                    rule="A node's name is its host name, and every machine takes this one for its "
                    "own loopback address.",
                    remedy=f"Call it node-{text}.",
                )
            if pool.count is None and len(text) < MIN_NAME:
                yield Problem(
                    path=path,
                    value=text,
                    rule="A node's name is its host name, and ECS requires at least two "
                    "characters.",
                    remedy=f"Call it node-{text}.",
                )
        if pool.count is None:
            continue
        longest = f"{name}-{max(pool.count - 1, 0)}"
        if len(longest) > MAX_NAME:
            yield Problem(
                path=f"nodePools.{name}",
                value=longest,
                rule=f"A node's name is its host name of at most {MAX_NAME} characters; this one "
                f"has {len(longest)}.",
                remedy=f"Call the pool by a name of {MAX_NAME - 6} characters at most.",
            )


def names_are_unique(config: ClusterConfig) -> Iterator[Problem]:
    """Node names are unique in the cluster."""
    owners: dict[str, str] = {}
    for name, pool in sorted(config.node_pools.items()):
        for member in pool_members(config, name, pool):
            other = owners.setdefault(member.name, name)
            if other != name:
                yield Problem(
                    path=f"nodePools.{name}",
                    value=member.name,
                    rule=f"nodePools.{other} already has a node of this name, and node names are "
                    "unique in a cluster.",
                    remedy="Call the node, or its pool, by another name.",
                )


def zones_are_chosen(config: ClusterConfig) -> Iterator[Problem]:
    """Each node's zone is fixed, and every subnet of its pool has a vSwitch there."""
    for name, pool in sorted(config.node_pools.items()):
        common = common_zones(config, pool)
        path = f"nodePools.{name}.zones"
        if not common:
            if any(i.subnet in config.network.subnets for i in pool.interfaces.values()):
                subnets = ", ".join(sorted({i.subnet for i in pool.interfaces.values()}))
                yield Problem(
                    path=path,
                    value=None,
                    rule=f"No zone has a vSwitch of each of this pool's subnets ({subnets}). An "
                    "instance and its ENIs are in one zone.",
                    remedy="Give these subnets a zone in common.",
                )
            continue
        if len(set(pool.zones)) < len(pool.zones):
            yield Problem(
                path=path,
                value=", ".join(pool.zones),
                rule="A zone is named twice.",
                remedy=f"Write [{', '.join(dict.fromkeys(pool.zones))}].",
            )
        for zone in sorted(set(pool.zones) - set(common)):
            yield Problem(
                path=path,
                value=zone,
                rule="Not all of this pool's subnets have a vSwitch in this zone. They all have "
                f"one in {', '.join(common)}.",
                remedy="Add the zone to the subnets, or take it out here.",
            )
        unplaced = [m.name for m in pool_members(config, name, pool) if m.zone is None]
        if unplaced:
            yield Problem(
                path=path,
                value=None,
                rule=f"The pool's subnets share {len(common)} zones, and {_some(unplaced)} could "
                "be in any of them. There is no default, because a zone that is added later would "
                "move nodes.",
                remedy=f"Write zones: [{', '.join(common)}], or those that this pool should use; "
                "for named nodes also zone on the node.",
            )
        for member in pool_members(config, name, pool):
            own = member.own.zone
            if own is not None and own not in common:
                yield Problem(
                    path=f"{member.path}.zone",
                    value=own,
                    rule="Not all of this pool's subnets have a vSwitch in this zone.",
                    remedy=f"Write one of {', '.join(common)}.",
                )


def types_have_limits(config: ClusterConfig) -> Iterator[Problem]:
    """The limits of each instance type are known: the other rules need them."""
    in_use = [
        (path, kind, len(pool.interfaces))
        for name, pool in sorted(config.node_pools.items())
        for path, kind in types_of(name, pool)
    ]
    for path, kind, nics in in_use:
        if limits_of(kind, config.instance_types) is not None:
            continue
        if nics > 1 and without_second_eni(kind):
            continue  # `interfaces.types_take_two_enis` reports it.
        source = f"see {kind} in DescribeInstanceTypes"
        needed = architecture_of(family_of(kind))
        meant = nearest(
            kind, [t for t in listed_types() if architecture_of(family_of(t)) == needed]
        )
        yield Problem(
            path=path,
            value=kind,
            rule="This program has no limits of this type, so it cannot check ENIs and addresses "
            "before the cloud refuses them.",
            remedy=(f"Did you mean {meant}? Otherwise write " if meant else "Write ")
            + f"instanceTypes.{kind} with enis, ipv4PerEni, ipv6PerEni and secondEni "
            f"({source}: EniQuantity, EniPrivateIpAddressQuantity, "
            "EniIpv6AddressQuantity).",
        )


def spot_is_whole(config: ClusterConfig) -> Iterator[Problem]:
    """A price limit has its strategy, and control planes are not preemptible."""
    for name, pool in sorted(config.node_pools.items()):
        path = f"nodePools.{name}.spot"
        limited = pool.spot.strategy == "SpotWithPriceLimit"
        if limited != (pool.spot.price_limit is not None):
            yield Problem(
                path=f"{path}.priceLimit",
                value=None if pool.spot.price_limit is None else str(pool.spot.price_limit),
                rule="A price limit is required with strategy: SpotWithPriceLimit and allowed "
                "only with it.",
                remedy="Write the highest price an hour, or another strategy.",
            )
        if pool.spot.price_limit is not None and pool.spot.price_limit <= 0:
            yield Problem(
                path=f"{path}.priceLimit",
                value=str(pool.spot.price_limit),
                rule="A price limit must be above zero.",
                remedy="Write the highest price an hour.",
            )
        if pool.spot.price_limit is not None and pool.spot.price_limit > 0:
            yield from _decimals(f"{path}.priceLimit", pool.spot.price_limit)
        if pool.spot.strategy == "NoSpot":
            continue
        if pool.role is Role.CONTROL_PLANE:
            yield Problem(
                path=f"{path}.strategy",
                value=pool.spot.strategy,
                rule="The cloud releases a preemptible instance at five minutes' notice, and a "
                "control plane's etcd member with it.",
                remedy="Write strategy: NoSpot, or leave spot out.",
            )
        if pool.charge_type == "PrePaid":
            yield Problem(
                path=f"nodePools.{name}.chargeType",
                value=pool.charge_type,
                rule="A preemptible instance is pay-as-you-go.",
                remedy="Write chargeType: PostPaid, or leave spot out.",
            )


def _decimals(path: str, price: float) -> Iterator[Problem]:
    """RunInstances, `SpotPriceLimit`: three decimal places at most."""
    rounded = max(round(price, PRICE_DECIMALS), 10**-PRICE_DECIMALS)
    if rounded != price:
        yield Problem(
            path=path,
            value=str(price),
            rule=f"A price limit has {PRICE_DECIMALS} decimal places at most.",
            remedy=f"Write priceLimit: {rounded:g}.",
        )


def deletion_protection_lets_machines_change(config: ClusterConfig) -> Iterator[Problem]:
    """Deletion protection does not block what the program itself does with the machine.

    ECS refuses DeleteInstance for an instance with DeletionProtection, which it accepts only for
    pay-as-you-go instances that are not preemptible (ECS, ModifyInstanceAttribute).
    """
    planes = sum(_size(p) for p in config.node_pools.values() if p.role is Role.CONTROL_PLANE)
    for name, pool in sorted(config.node_pools.items()):
        if not pool.deletion_protection:
            continue
        if pool.spot.strategy != "NoSpot":
            reason = "The cloud itself releases preemptible instances."
        elif pool.charge_type == "PrePaid":
            reason = "A subscription machine cannot have the cloud's deletion protection."
        elif config.kubernetes.mode != "kubeadm":
            continue
        elif pool.role is Role.WORKER:
            reason = "An edit replaces or removes workers, and the cloud would refuse that."
        elif planes > 1:
            reason = (
                f"An edit replaces {planes} control planes one at a time, and the cloud would "
                "refuse that."
            )
        else:
            continue
        yield Problem(
            path=f"nodePools.{name}.deletionProtection",
            value="true",
            rule=reason,
            remedy="Leave deletionProtection out. protect: true keeps an edit from removing "
            "control planes.",
        )


def force_delete_is_for_subscriptions(config: ClusterConfig) -> Iterator[Problem]:
    """A pay-as-you-go machine is deleted without force."""
    for name, pool in sorted(config.node_pools.items()):
        if pool.force_delete and pool.charge_type != "PrePaid":
            yield Problem(
                path=f"nodePools.{name}.forceDelete",
                value="true",
                rule="Only subscription machines need forceDelete, and this pool is pay-as-you-go.",
                remedy="Leave forceDelete out, or write chargeType: PrePaid.",
            )


def _ordinal_in(pool: str, node: str) -> int | None:
    match = re.fullmatch(rf"{re.escape(pool)}-(0|[1-9][0-9]{{0,4}})", node)
    return int(match[1]) if match else None


def _size(pool: NodePoolConfig) -> int:
    return pool.count if pool.count is not None else len(pool.nodes)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"  # noqa: PLR2004 - a few


RULES = (
    count_or_names,
    there_are_nodes,
    control_planes_are_odd,
    names_are_host_names,
    names_are_unique,
    zones_are_chosen,
    types_have_limits,
    spot_is_whole,
    deletion_protection_lets_machines_change,
    force_delete_is_for_subscriptions,
)
