"""Rules about a pool's NICs: how many, where, and how many addresses each can take."""

from __future__ import annotations

from collections.abc import Iterator

from config.facts.instance_limits import Limits, limits_of, without_second_eni
from config.facts.nics import PRIMARY_NIC, SECOND_NIC
from config.facts.reserved import PREFIX_SIZE
from config.model import AddressMode, ClusterConfig, InterfaceConfig, NodePoolConfig
from config.report import Problem
from config.rules.network.vpc import unknown_subnet

MAX_PINNED = 10
"""Explicit addresses of an ENI at creation (CreateNetworkInterface, PrivateIpAddress.N)."""
MAX_COUNT = 49
"""SecondaryPrivateIpAddressCount of CreateNetworkInterface."""
MAX_PREFIXES = 10
"""Ipv4Prefix.N of CreateNetworkInterface."""
MAX_IPV6 = 10
"""Ipv6Address.N and Ipv6AddressCount of CreateNetworkInterface."""


def types_of(name: str, pool: NodePoolConfig) -> list[tuple[str, str]]:
    """Instance types of a pool and of its nodes, each with the path of its key."""
    own = [
        (f"nodePools.{name}.nodes.{node}.instanceType", settings.instance_type)
        for node, settings in sorted(pool.nodes.items())
        if settings.instance_type is not None
    ]
    return [(f"nodePools.{name}.instanceType", pool.instance_type), *own]


def nics_are_whole(config: ClusterConfig) -> Iterator[Problem]:
    """Each pool has eth0, and each of its NICs is in an existing subnet of its own."""
    for name, pool in sorted(config.node_pools.items()):
        path = f"nodePools.{name}.interfaces"
        if PRIMARY_NIC not in pool.interfaces:
            yield Problem(
                path=f"{path}.{PRIMARY_NIC}",
                value=None,
                rule="eth0 is an instance's primary ENI, and pods use it unless they ask for "
                "another NIC.",
                remedy="Write eth0 with its subnet.",
            )
        for nic, interface in sorted(pool.interfaces.items()):
            if interface.subnet not in config.network.subnets:
                yield unknown_subnet(f"{path}.{nic}.subnet", interface.subnet, config)
        subnets = {nic: i.subnet for nic, i in pool.interfaces.items()}
        second = subnets.get(SECOND_NIC)
        if second is not None and second == subnets.get(PRIMARY_NIC):
            yield Problem(
                path=f"{path}.{SECOND_NIC}.subnet",
                value=second,
                rule="eth0 is already in this subnet. A node has one block in a subnet, and two "
                "NICs in one network answer ARP requests for each other.",
                remedy="Give eth1 a subnet of its own.",
            )
        eth0, eth1 = pool.interfaces.get(PRIMARY_NIC), pool.interfaces.get(SECOND_NIC)
        if eth0 and eth1 and eth0.pod_addresses == 0 and eth1.pod_addresses > 0:
            yield Problem(
                path=f"{path}.{PRIMARY_NIC}.podAddresses",
                value="0",
                rule="A pod that chooses no NIC uses eth0 until the admission policies exist. "
                "CoreDNS is created before them and would never start.",
                remedy="Write at least 1, or 0 for eth1 too.",
            )


def types_take_two_enis(config: ClusterConfig) -> Iterator[Problem]:
    """The instance type can be created with all ENIs of the pool."""
    for name, pool in sorted(config.node_pools.items()):
        for path, kind in types_of(name, pool):
            limits = limits_of(kind, config.instance_types)
            refused = (
                not limits.second_eni or limits.enis < len(pool.interfaces)
                if limits is not None
                else without_second_eni(kind)
            )
            if refused and len(pool.interfaces) > 1:
                yield Problem(
                    path=path,
                    value=kind,
                    rule="This type cannot be created with a second ENI, but this pool's nodes "
                    "have eth1.",
                    remedy="Use a type of g7, c7, r7, g8i, c8i or r8i, or take eth1 out.",
                )


def mode_limits(config: ClusterConfig) -> Iterator[Problem]:
    """Limits of CreateNetworkInterface for every instance type."""
    for name, pool in sorted(config.node_pools.items()):
        for nic, interface in sorted(pool.interfaces.items()):
            path = f"nodePools.{name}.interfaces.{nic}.podAddresses"
            requested = interface.pod_addresses
            if interface.mode is AddressMode.PINNED and requested > MAX_PINNED:
                yield Problem(
                    path=path,
                    value=str(requested),
                    rule=f"An ENI is created with {MAX_PINNED} explicit addresses at most "
                    "(CreateNetworkInterface).",
                    remedy=f"Write {MAX_PINNED} or less, mode: prefix for dense nodes, or mode: "
                    f"count for up to {MAX_COUNT} that the cloud chooses.",
                )
            if interface.mode is AddressMode.COUNT and requested > MAX_COUNT:
                yield Problem(
                    path=path,
                    value=str(requested),
                    rule=f"An ENI is created with {MAX_COUNT} counted addresses at most "
                    "(CreateNetworkInterface).",
                    remedy=f"Write {MAX_COUNT} or less, or mode: prefix.",
                )


def type_limits(config: ClusterConfig) -> Iterator[Problem]:
    """Limits of one ENI of the instance type."""
    for name, pool in sorted(config.node_pools.items()):
        for path, kind in types_of(name, pool):
            limits = limits_of(kind, config.instance_types)
            if limits is None:
                continue
            for nic, interface in sorted(pool.interfaces.items()):
                yield from _over_limit(
                    f"nodePools.{name}.interfaces.{nic}", kind, limits, interface, path
                )


def _over_limit(
    path: str, kind: str, limits: Limits, interface: InterfaceConfig, type_path: str
) -> Iterator[Problem]:
    room = limits.ipv4_per_eni - 1
    if interface.mode is AddressMode.PREFIX:
        prefixes = -(-interface.pod_addresses // PREFIX_SIZE)
        room = min(room, MAX_PREFIXES)
        fits = prefixes <= room
        highest = room * PREFIX_SIZE
    else:
        fits = interface.pod_addresses <= room
        highest = room
    if not fits:
        yield Problem(
            path=f"{path}.podAddresses",
            value=str(interface.pod_addresses),
            rule=f"One ENI of {kind} ({type_path}) takes {limits.ipv4_per_eni} IPv4 addresses, the "
            "primary one included; a prefix counts as one.",
            remedy=f"Write {highest} or less, or a larger instance type. If the limit is wrong, "
            f"set it by instanceTypes.{kind} (source: {limits.source}).",
        )


def blocks_are_whole(config: ClusterConfig) -> Iterator[Problem]:
    """Block sizes are powers of two that hold a node's addresses."""
    for name, pool in sorted(config.node_pools.items()):
        path = f"nodePools.{name}"
        for key, size in (
            ("blockSize", pool.block_size),
            ("prefixBlockSize", pool.prefix_block_size),
        ):
            if size & (size - 1):
                yield Problem(
                    path=f"{path}.{key}",
                    value=str(size),
                    rule="A block's size is a power of two, so that blocks align with networks.",
                    remedy=f"Write {1 << size.bit_length()} or {1 << (size.bit_length() - 1)}.",
                )
        yield from _too_small(path, pool)


def _too_small(path: str, pool: NodePoolConfig) -> Iterator[Problem]:
    for nic, interface in sorted(pool.interfaces.items()):
        requested = interface.pod_addresses
        if interface.mode is AddressMode.PINNED and requested + 1 > pool.block_size:
            yield Problem(
                path=f"{path}.blockSize",
                value=str(pool.block_size),
                rule="A node's block holds its ENI's primary address and "
                f"{requested} pod addresses of {nic}.",
                remedy="Leave blockSize out: 16 holds any number of pinned addresses.",
            )
        if interface.mode is AddressMode.PREFIX and requested > pool.prefix_block_size:
            yield Problem(
                path=f"{path}.prefixBlockSize",
                value=str(pool.prefix_block_size),
                rule=f"A node's part of the reservation must hold the {requested} addresses of "
                f"{nic}'s prefixes.",
                remedy="Leave prefixBlockSize out: 256 holds any number of prefixes.",
            )


def modes_do_not_mix(config: ClusterConfig) -> Iterator[Problem]:
    """Counted and planned addresses do not share a subnet.

    The cloud may choose an address for a counted ENI that the plan gives to another node.
    """
    modes: dict[str, dict[AddressMode, str]] = {}
    for name, pool in sorted(config.node_pools.items()):
        for nic, interface in sorted(pool.interfaces.items()):
            if interface.pod_addresses:
                interface_path = f"nodePools.{name}.interfaces.{nic}"
                modes.setdefault(interface.subnet, {}).setdefault(interface.mode, interface_path)
    for subnet, by_mode in sorted(modes.items()):
        counted = by_mode.pop(AddressMode.COUNT, None)
        if counted is not None and by_mode:
            yield Problem(
                path=f"{counted}.mode",
                value="count",
                rule=f"{min(by_mode.values())} pins addresses of subnet {subnet}, and the cloud "
                "may choose one of them for a counted ENI.",
                remedy="Give counted NICs a subnet of their own, or pin all of them.",
            )


def prefixes_have_a_reservation(config: ClusterConfig) -> Iterator[Problem]:
    """The API takes prefixes only from a reserved part of the vSwitch ("IP prefixes")."""
    needed: dict[str, str] = {}
    for name, pool in sorted(config.node_pools.items()):
        for nic, interface in sorted(pool.interfaces.items()):
            if interface.mode is AddressMode.PREFIX and interface.pod_addresses:
                needed.setdefault(interface.subnet, f"nodePools.{name}.interfaces.{nic}")
    for subnet, interface_path in sorted(needed.items()):
        spec = config.network.subnets.get(subnet)
        for zone, vswitch in sorted(spec.zones.items()) if spec is not None else ():
            if vswitch.prefix_reservation is None:
                yield Problem(
                    path=f"network.subnets.{subnet}.zones.{zone}.prefixReservation",
                    value=None,
                    rule=f"{interface_path} has mode: prefix, and prefixes come only from a "
                    "reserved part of the vSwitch.",
                    remedy="Reserve a part that no node's block lies in, for example the upper "
                    "half without the last three addresses' /28. Choose it large: it cannot grow.",
                )


def ipv6_fits(config: ClusterConfig) -> Iterator[Problem]:
    """Dual stack: one IPv6 address for the host and one for each pod address."""
    if not config.network.ipv6.enabled:
        return
    for name, pool in sorted(config.node_pools.items()):
        kinds = [
            (kind, limits)
            for _, kind in types_of(name, pool)
            if (limits := limits_of(kind, config.instance_types)) is not None
        ]
        for nic, interface in sorted(pool.interfaces.items()):
            path = f"nodePools.{name}.interfaces.{nic}"
            if interface.mode is AddressMode.PREFIX and interface.pod_addresses:
                yield Problem(
                    path=f"{path}.mode",
                    value="prefix",
                    rule="Each pod of a dual-stack cluster needs an IPv6 address too. An ENI "
                    f"takes {MAX_IPV6} of them, fewer than the addresses of one prefix.",
                    remedy="Write mode: pinned, or leave IPv6 off.",
                )
                continue
            needed = interface.pod_addresses + 1
            room, limited_by = MAX_IPV6, "CreateNetworkInterface"
            for kind, limits in kinds:
                if limits.ipv6_per_eni < room:
                    room, limited_by = limits.ipv6_per_eni, kind
            if needed > room:
                yield Problem(
                    path=f"{path}.podAddresses",
                    value=str(interface.pod_addresses),
                    rule=f"With IPv6 the ENI needs {needed} IPv6 addresses, one for the host and "
                    f"one for each pod address; {limited_by} allows {room}.",
                    remedy=f"Write {room - 1} or less."
                    if room > 1
                    else "Use an instance type with more IPv6 addresses, or leave IPv6 off.",
                )


def ipv6_is_whole(config: ClusterConfig) -> Iterator[Problem]:
    """IPv6 is on for every NIC of every node or for none.

    One IPv6 pool makes every pod ask for an IPv6 address.
    """
    used = {
        interface.subnet
        for pool in config.node_pools.values()
        for interface in pool.interfaces.values()
    }
    indices: dict[int, str] = {}
    without: list[str] = []
    for subnet, spec in sorted(config.network.subnets.items()):
        for zone, vswitch in sorted(spec.zones.items()):
            path = f"network.subnets.{subnet}.zones.{zone}.ipv6Index"
            index = vswitch.ipv6_index
            if index is None:
                # The program asks an adopted vSwitch for the /64 that it has.
                if subnet in used and vswitch.vswitch_id is None:
                    without.append(path)
                continue
            if index in indices:
                yield Problem(
                    path=path,
                    value=str(index),
                    rule=f"{indices[index]} already has this /64 of the VPC's /56.",
                    remedy="Write an index from 0 to 255 that no other vSwitch has.",
                )
            indices.setdefault(index, path)
    if not config.network.ipv6.enabled:
        for index, path in sorted(indices.items()):
            yield Problem(
                path=path,
                value=str(index),
                rule="IPv6 is off, so this index has no effect. IPv6 is on for every NIC of "
                "every node or for none, because one IPv6 pool makes all pods ask for an IPv6 "
                "address.",
                remedy="Write network.ipv6.enabled: true and an index on every vSwitch that nodes "
                "use, or take ipv6Index out.",
            )
        return
    free = (n for n in range(256) if n not in indices)
    for path in without:
        yield Problem(
            path=path,
            value=None,
            rule="IPv6 is on, and one IPv6 pool makes all pods ask for an IPv6 address. On this "
            "NIC they would not get one.",
            remedy=f"Write ipv6Index: {next(free, 0)}, and never change it.",
        )


RULES = (
    nics_are_whole,
    types_take_two_enis,
    mode_limits,
    type_limits,
    blocks_are_whole,
    modes_do_not_mix,
    prefixes_have_a_reservation,
    ipv6_fits,
    ipv6_is_whole,
)
