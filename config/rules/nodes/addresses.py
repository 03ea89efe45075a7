"""Rules about explicit addresses of single nodes that can be checked without the layout."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from config.facts.instance_limits import limits_of
from config.facts.reserved import PREFIX_LENGTH, PREFIX_SIZE
from config.model import (
    AddressMode,
    ClusterConfig,
    InterfaceConfig,
    NodeConfig,
    NodeInterfaceConfig,
    NodePoolConfig,
)
from config.ranges import numbers
from config.report import Problem
from config.rules.nodes.interfaces import MAX_PINNED, MAX_PREFIXES


def explicit_addresses_are_whole(config: ClusterConfig) -> Iterator[Problem]:
    """A NIC's addresses are all explicit or all from the node's block."""
    for name, pool in sorted(config.node_pools.items()):
        for node, own in sorted(pool.nodes.items()):
            path = f"nodePools.{name}.nodes.{node}"
            for nic, addresses in sorted(own.interfaces.items()):
                interface = next((i for n, i in pool.interfaces.items() if n == nic), None)
                if interface is None:
                    yield Problem(
                        path=f"{path}.interfaces.{nic}",
                        value=None,
                        rule="The pool's nodes have no such NIC (they have "
                        f"{', '.join(sorted(pool.interfaces))}).",
                        remedy="Add the NIC to the pool's interfaces, or take it out here.",
                    )
                    continue
                yield from _whole(f"{path}.interfaces.{nic}", interface, addresses)
            yield from _both(path, pool, own)


def _whole(path: str, interface: InterfaceConfig, own: NodeInterfaceConfig) -> Iterator[Problem]:
    if own.address is None and own.pod_ranges is None:
        yield Problem(
            path=path,
            value=None,
            rule="The entry is empty.",
            remedy="Write address and podAddresses, or take it out to use the node's block.",
        )
        return
    if own.address is None:
        yield Problem(
            path=f"{path}.address",
            value=None,
            rule="The pod addresses are explicit, so the ENI's own address must be explicit too.",
            remedy="Write address too, or take podAddresses out to use the block for both.",
        )
    needs_pods = interface.pod_addresses > 0 and interface.mode is not AddressMode.COUNT
    if own.pod_ranges is None and needs_pods:
        yield Problem(
            path=f"{path}.podAddresses",
            value=None,
            rule="The ENI's own address is explicit, so the pod addresses must be explicit too.",
            remedy="Write podAddresses too ([] for none), or take address out to use the block "
            "for both.",
        )
    if own.pod_ranges and interface.mode is AddressMode.COUNT:
        yield Problem(
            path=f"{path}.podAddresses",
            value=", ".join(own.pod_ranges),
            rule="In mode: count the cloud chooses the pods' addresses.",
            remedy="Leave podAddresses out, or write mode: pinned for the pool's NIC.",
        )


def _both(path: str, pool: NodePoolConfig, own: NodeConfig) -> Iterator[Problem]:
    explicit = {nic for nic, i in own.interfaces.items() if i.address is not None}
    if own.ordinal is not None and explicit >= set(pool.interfaces):
        yield Problem(
            path=f"{path}.ordinal",
            value=str(own.ordinal),
            rule="An ordinal chooses the node's block, but all its NICs have explicit addresses.",
            remedy="Leave ordinal out, or the addresses.",
        )


def explicit_ranges_are_ranges(config: ClusterConfig) -> Iterator[Problem]:
    """Each entry of podAddresses is valid and unique, and fits the ENI."""
    for name, pool in sorted(config.node_pools.items()):
        for node, own in sorted(pool.nodes.items()):
            for nic, addresses in sorted(own.interfaces.items()):
                interface = next((i for n, i in pool.interfaces.items() if n == nic), None)
                if interface is None or not addresses.pod_ranges:
                    continue
                path = f"nodePools.{name}.nodes.{node}.interfaces.{nic}.podAddresses"
                kind = own.instance_type or pool.instance_type
                if interface.mode is AddressMode.PREFIX:
                    yield from _prefixes(path, addresses.pod_ranges)
                elif interface.mode is AddressMode.PINNED:
                    yield from _addresses(config, path, kind, addresses.pod_ranges)


def _addresses(
    config: ClusterConfig, path: str, kind: str, texts: tuple[str, ...]
) -> Iterator[Problem]:
    seen: set[int] = set()
    readable = True
    for place, text in enumerate(texts):
        try:
            addresses = numbers(text)
        except ValueError as error:
            readable = False
            yield Problem(
                path=f"{path}[{place}]",
                value=text,
                rule=f"{error}.",
                remedy="Write an address, or the first and the last one with a hyphen: "
                "172.31.199.185-172.31.199.189.",
            )
            continue
        if not seen.isdisjoint(addresses):
            yield Problem(
                path=f"{path}[{place}]",
                value=text,
                rule="An address of this range is in the list already.",
                remedy="Write each address once.",
            )
        seen.update(addresses)
    limits = limits_of(kind, config.instance_types)
    room = min(MAX_PINNED, limits.ipv4_per_eni - 1) if limits is not None else MAX_PINNED
    if readable and len(seen) > room:
        yield Problem(
            path=path,
            value=f"{len(seen)} addresses",
            rule=f"An ENI is created with {MAX_PINNED} explicit addresses at most, and one of "
            f"{kind} takes {room} in addition to its primary one.",
            remedy=f"Write {room} or less.",
        )


def _prefixes(path: str, texts: tuple[str, ...]) -> Iterator[Problem]:
    for place, text in enumerate(texts):
        reason, remedy = _prefix_problem(text)
        if reason is not None:
            yield Problem(path=f"{path}[{place}]", value=text, rule=reason, remedy=remedy)
    if len(texts) > MAX_PREFIXES:
        yield Problem(
            path=path,
            value=f"{len(texts)} prefixes",
            rule=f"An ENI is created with {MAX_PREFIXES} prefixes at most.",
            remedy=f"Write {MAX_PREFIXES} or less.",
        )


def _prefix_problem(text: str) -> tuple[str | None, str]:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return "In mode: prefix, pod addresses are /28 prefixes.", "Write it as 172.31.200.16/28."
    aligned = IPv4Network((int(network.network_address) & ~(PREFIX_SIZE - 1), PREFIX_LENGTH))
    if network.prefixlen != PREFIX_LENGTH:
        return "An ENI's IPv4 prefix is a /28.", f"Write {aligned}."
    if str(network) != text:
        return (
            "It is misaligned: a /28 begins at a multiple of its 16 addresses.",
            f"Write {aligned}, the prefix that holds this address.",
        )
    return None, ""


RULES = (explicit_addresses_are_whole, explicit_ranges_are_ranges)
