"""The pod addresses that pools and NICs lose and gain, and the pods that have them.

A pool shrinks before its NIC and grows after it. A pool does not lose an address that a pod has,
and a NIC does not get an address that another NIC has now, because the cloud refuses an address in
use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from config.facts.instance_limits import Limits, limits_of
from config.facts.nics import DEFAULT_POD_NIC
from config.facts.reserved import PREFIX_SIZE
from config.model import AddressMode
from config.ranges import expand
from planning.addresses.canonical import canonical_ranges
from planning.addresses.ipv6 import IPV4_BITS
from planning.addresses.pod_addresses import Counted
from planning.names import IPV6, pool_name
from planning.transitions.holders import Cluster, Holders, NoAnswer, NotAsked
from planning.transitions.part import Part, Phase, abridged
from planning.transitions.reading import Interface, Record
from planning.transitions.steps import (
    GrowInterface,
    GrowPool,
    Refusal,
    ShrinkInterface,
    ShrinkPool,
    Step,
)

_Phased = tuple[Phase, Step]


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """One SpiderIPPool of IPv4; `path` is the key that sets its addresses."""

    name: str
    path: str
    node: str
    interface: str
    addresses: frozenset[int]

    @property
    def place(self) -> tuple[str, str]:
        """Node and NIC."""
        return self.node, self.interface


def check_addresses(before: Record, after: Record, cluster: Cluster) -> Part:
    """Steps and refusals for the addresses of ENIs that stay, and of pools."""
    pools = _pools(before), _pools(after)
    gone = _lost(*pools)
    # A new machine has the ENIs that stay, and a drain leaves the pods of DaemonSets.
    staying = frozenset((name, nic) for name, nic, _, _ in _kept(before, after))
    lost = {name: pool for name, pool in gone.items() if pool.place in staying}
    # Every pod of an ENI that goes leaves before, except in a cluster that this program did not
    # build. Another pool takes addresses before any node is drained, though
    # (`components.machines`).
    exchanged = _between(*pools)
    undrained = {
        name: replace(pool, addresses=early)
        for name, pool in gone.items()
        if pool.place not in staying
        and (early := pool.addresses & exchanged if after.is_kubeadm else pool.addresses)
    }
    steps = [*_shrinking(lost), *_interfaces(before, after), *_growing(*pools, staying)]
    refusals = [
        *_taken_twice(before, after),
        *abridged(_kinds(before, after)),
        *abridged(_with_bandwidth(before, after)),
        *abridged(_room(before, after)),
        *_in_use(lost | undrained, cluster),
    ]
    notes = _unasked(lost | undrained, cluster)
    return Part(steps=tuple(steps), refusals=tuple(refusals), notes=tuple(notes))


def between_pools(before: Record, after: Record) -> frozenset[int]:
    """Addresses that one pool gives up and another one takes, as with `spiderpool.extraPools`."""
    return _between(_pools(before), _pools(after))


def _between(before: Mapping[str, _Pool], after: Mapping[str, _Pool]) -> frozenset[int]:
    lost = (pool.addresses for pool in _lost(before, after).values())
    gained = (pool.addresses for pool in _lost(after, before).values())
    return frozenset[int]().union(*lost) & frozenset[int]().union(*gained)


def _unasked(lost: Mapping[str, _Pool], cluster: Cluster) -> Iterator[str]:
    if lost and isinstance(cluster, NotAsked):
        yield (
            f"Addresses would leave {', '.join(sorted(lost))}. The cluster was not asked which "
            f"pods have them: {cluster.reason}."
        )


def _pools(record: Record) -> Mapping[str, _Pool]:
    """Every IPv4 pool by name; none without Spiderpool."""
    if record.section("spiderpool", "enabled") is False:
        return {}
    pools: dict[str, _Pool] = {}
    taken: dict[tuple[str, str], frozenset[int]] = {}
    for name, extra in (record.section("spiderpool", "extraPools") or {}).items():
        where = (str(extra.get("node")), str(extra.get("interface", DEFAULT_POD_NIC)))
        addresses = frozenset(int(a) for a in expand(extra.get("addresses", ())))
        taken[where] = taken.get(where, frozenset()) | addresses
        pools[name] = _Pool(
            name=name,
            path=f"spiderpool.extraPools.{name}.addresses",
            node=where[0],
            interface=where[1],
            addresses=addresses,
        )
    for node in record.nodes.values():
        for nic, interface in node.interfaces.items():
            if interface.pods.count:
                name = pool_name(node.name, nic)
                pools[name] = _Pool(
                    name=name,
                    path=f"nodePools.{node.pool}.interfaces.{nic}.podAddresses",
                    node=node.name,
                    interface=nic,
                    addresses=interface.addresses - taken.get((node.name, nic), frozenset()),
                )
    return pools


def _lost(before: Mapping[str, _Pool], after: Mapping[str, _Pool]) -> dict[str, _Pool]:
    """The addresses that each pool loses: all when it is deleted or serves another NIC."""
    lost: dict[str, _Pool] = {}
    for name, pool in before.items():
        other = after.get(name)
        same = other is not None and other.place == pool.place
        kept = other.addresses if other is not None and same else frozenset()
        gone = pool.addresses - kept
        if gone:
            lost[name] = _Pool(
                name=name,
                path=pool.path,
                node=pool.node,
                interface=pool.interface,
                addresses=gone,
            )
    return lost


def _shrinking(lost: Mapping[str, _Pool]) -> Iterator[_Phased]:
    for name, pool in sorted(lost.items()):
        yield Phase.ADDRESSES_LEAVE, ShrinkPool(pool=name, addresses=_ranges(pool.addresses))


def _growing(
    before: Mapping[str, _Pool], after: Mapping[str, _Pool], staying: frozenset[tuple[str, str]]
) -> Iterator[_Phased]:
    """`staying` has the NICs whose ENI stays. Addresses of a new ENI have no step of their own."""
    for name, pool in sorted(after.items()):
        if pool.place not in staying:
            continue
        other = before.get(name)
        same = other is not None and other.place == pool.place
        new = pool.addresses - (other.addresses if other is not None and same else frozenset())
        if new:
            yield Phase.ADDRESSES_ARRIVE, GrowPool(pool=name, addresses=_ranges(new))


def _interfaces(before: Record, after: Record) -> Iterator[_Phased]:
    for name, nic, one, other in _kept(before, after):
        gone, new = one.addresses - other.addresses, other.addresses - one.addresses
        if gone:
            yield (
                Phase.ADDRESSES_LEAVE,
                ShrinkInterface(node=name, interface=nic, addresses=_ranges(gone)),
            )
        more = other.pods.count - one.pods.count if isinstance(other.pods, Counted) else len(new)
        if more > 0:
            yield (
                Phase.ADDRESSES_ARRIVE,
                GrowInterface(node=name, interface=nic, addresses=_ranges(new), count=more),
            )


def _kept(before: Record, after: Record) -> Iterator[tuple[str, str, Interface, Interface]]:
    """NICs whose ENI stays, also under a new machine: node, NIC, before, after."""
    for name in sorted(before.nodes.keys() & after.nodes.keys()):
        one, other = before.nodes[name], after.nodes[name]
        for nic in sorted(one.interfaces.keys() & other.interfaces.keys()):
            first, second = one.interfaces[nic], other.interfaces[nic]
            if (first.address, one.zone, first.subnet) == (
                second.address,
                other.zone,
                second.subnet,
            ):
                yield name, nic, first, second


def _taken_twice(before: Record, after: Record) -> Iterator[Refusal]:
    """An ENI gets its addresses before another ENI has released them."""
    owners = {
        address: (node.name, nic)
        for node in before.nodes.values()
        for nic, interface in node.interfaces.items()
        for address in _all(interface)
    }
    groups: dict[tuple[str, bool], list[tuple[str, str, str]]] = {}
    for node in after.nodes.values():
        for nic, interface in node.interfaces.items():
            taken: dict[str, set[int]] = {}
            for address in _all(interface):
                owner = owners.get(address)
                if owner is not None and owner != (node.name, nic):
                    taken.setdefault(owner[0], set()).add(address)
            for owner_name, addresses in sorted(taken.items()):
                shown = f"{node.name} {nic} {', '.join(_ranges(frozenset(addresses)))}"
                group = (node.pool, owner_name not in after.nodes)
                groups.setdefault(group, []).append((node.name, owner_name, shown))
    for (pool, going), conflicts in sorted(groups.items()):
        names = list(dict.fromkeys(name for name, _, _ in conflicts))
        holders = list(dict.fromkeys(holder for _, holder, _ in conflicts))
        _, _, shown = conflicts[0]
        then = (
            "make the rest of this edit"
            if set(names) & before.nodes.keys()
            else f"add {', '.join(names)}"
        )
        more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
        yield Refusal(
            path=f"nodePools.{pool}",
            value=f"{shown}{more}",
            rule=f"{', '.join(holders)} {'has' if len(holders) == 1 else 'have'} these addresses "
            "now.",
            reason="A NIC gets its addresses before another one has released them, and the cloud "
            "refuses an address that is in use (InvalidIp.IPAssigned).",
            remedy=(
                f"Take {', '.join(holders)} out first and run `pulumi up`, then {then}."
                if going
                else f"Give {', '.join(names)} other addresses: another ordinal, or a firstBlock "
                "that no node has now."
            ),
        )


def _all(interface: Interface) -> frozenset[int]:
    return interface.addresses | {int(IPv4Address(interface.address))}


def _kinds(before: Record, after: Record) -> Iterator[Refusal]:
    """Addresses that an ENI cannot lose."""
    for name, nic, one, other in _kept(before, after):
        path = f"nodePools.{after.nodes[name].pool}.interfaces.{nic}"
        mode, new_mode = one.pods.mode, other.pods.mode
        count, new_count = one.pods.count, other.pods.count
        if mode is not new_mode and count:
            yield Refusal(
                path=f"{path}.mode",
                value=new_mode,
                rule=f"{nic} of {name} has addresses by mode: {mode}, and keeps it.",
                reason="A NIC does not give up addresses of one kind for another kind: the "
                "provider leaves what is not named as it is.",
                remedy=f"Write mode: {mode}, or make a pool with mode: {new_mode} and take "
                "this one out afterwards.",
            )
        elif isinstance(other.pods, Counted) and new_count < count:
            yield Refusal(
                path=f"{path}.podAddresses",
                value=str(new_count),
                rule=f"{nic} of {name} has {count} addresses that the cloud chose, and keeps them.",
                reason="The provider would choose the addresses that leave, without checking "
                "which pods have them.",
                remedy=f"Write podAddresses: {count}, or make a smaller pool and take this "
                "one out afterwards.",
            )


def _with_bandwidth(before: Record, after: Record) -> Iterator[Refusal]:
    """Addresses whose IPv6 twins have public bandwidth.

    The engine changes ENIs first and deletes last. The cloud keeps an IPv6 address that has
    bandwidth (VPC, ReleaseIpv6Address: DependencyViolation.Ipv6InternetBandwidth), or takes the
    bandwidth with it; then the deletion fails, because the provider does not accept that the
    bandwidth is gone (resource_alicloud_vpc_ipv6_internet_bandwidth.go of 1.285.0).
    """
    if not before.section("network", "ipv6", "egress"):
        return
    for name, nic, one, other in _kept(before, after):
        if gone := one.addresses - other.addresses:
            yield Refusal(
                path=f"nodePools.{after.nodes[name].pool}.interfaces.{nic}.podAddresses",
                value=str(other.pods.count),
                rule=f"{nic} of {name} keeps {', '.join(_ranges(gone))} while their IPv6 addresses "
                "have public bandwidth (network.ipv6.egress).",
                reason="A NIC gives up its addresses before the run deletes their bandwidth, and "
                "the cloud refuses one of the two.",
                remedy=f"Write podAddresses: {one.pods.count} for {nic} and network.ipv6.egress: "
                "false, and run `pulumi up`. Then write the new number, and egress: true again. "
                "Pods have no IPv6 to the internet in the meantime.",
            )


def _room(before: Record, after: Record) -> Iterator[Refusal]:
    """Addresses that an ENI cannot take before its machine has the new instance type.

    The engine changes ENIs first, because an instance is created with them.
    """
    for name, nic, one, other in _kept(before, after):
        kind, new_kind = (r.nodes[name].restart.get("instanceType") for r in (before, after))
        if kind == new_kind or other.pods.count <= one.pods.count:
            continue
        limits = limits_of(str(kind), {})
        if limits is not None and _fits(other, limits, ipv6=_has_ipv6(after)):
            continue
        yield Refusal(
            path=f"nodePools.{after.nodes[name].pool}.interfaces.{nic}.podAddresses",
            value=str(other.pods.count),
            rule=f"{nic} of {name} keeps {one.pods.count} pod addresses until its machine is a "
            f"{new_kind}.",
            reason="A NIC takes its addresses before its machine is changed, and the cloud refuses "
            "more than the type of before allows (InvalidOperation.Ipv4CountExceeded). Where "
            "podAddresses is left out, it follows the type.",
            remedy=f"Write podAddresses: {one.pods.count} for {nic} and run `pulumi up`. Then take "
            "that out again, or write the new number.",
        )


def _fits(interface: Interface, limits: Limits, *, ipv6: bool) -> bool:
    count = interface.pods.count
    own = count // PREFIX_SIZE if interface.pods.mode is AddressMode.PREFIX else count
    return own < limits.ipv4_per_eni and (not ipv6 or count < limits.ipv6_per_eni)


def _has_ipv6(record: Record) -> bool:
    return record.section("network", "ipv6", "enabled") is True


def _in_use(lost: Mapping[str, _Pool], cluster: Cluster) -> Iterator[Refusal]:
    match cluster:
        case NotAsked():
            return
        case NoAnswer(reason=reason):
            for name, pool in sorted(lost.items()):
                yield Refusal(
                    path=pool.path,
                    value=", ".join(_ranges(pool.addresses)),
                    rule=f"Addresses leave {name} only when no pod has them.",
                    reason=f"The cluster did not answer: {reason}.",
                    remedy="Bring the API server back, or keep the addresses, and run `pulumi up` "
                    "again.",
                )
        case Holders(pods=pods):
            for name, pool in sorted(lost.items()):
                yield from _refused_for(pool, _holding(pods, name, pool.addresses))


def _holding(
    pods: Mapping[str, Mapping[int, str]], pool: str, addresses: frozenset[int]
) -> dict[str, int]:
    """By pod: which of these addresses it has, an IPv6 address as its IPv4 twin."""
    twins = pods.get(f"{pool}-v{IPV6}", {})
    by_twin = {pod: low for twin, pod in twins.items() if (low := twin & IPV4_BITS) in addresses}
    own = pods.get(pool, {})
    return by_twin | {pod: address for address, pod in own.items() if address in addresses}


def _refused_for(pool: _Pool, holders: Mapping[str, int]) -> Iterator[Refusal]:
    if not holders:
        return
    shown = ", ".join(f"{pod} ({IPv4Address(address)})" for pod, address in sorted(holders.items()))
    yield Refusal(
        path=pool.path,
        value=", ".join(_ranges(pool.addresses)),
        rule=f"{pool.name} would lose addresses that pods have: {shown}.",
        reason="Packets to a pod whose address has left its NIC are dropped silently.",
        remedy=f"Delete these pods or move them off {pool.node} (`kubectl cordon {pool.node}`, "
        "then delete them; a DaemonSet's leave with a NoExecute taint), and run `pulumi up` again.",
    )


def _ranges(addresses: frozenset[int]) -> tuple[str, ...]:
    return canonical_ranges(IPv4Address(address) for address in addresses)
