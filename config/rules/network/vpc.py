"""Rules about the VPC, its vSwitches, NAT and ingress."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from itertools import combinations

from config.facts.ports import API_SERVER, HIGHEST_PORT, SSH
from config.facts.ranges import CLOUD_SERVICES, EVERYWHERE, NOT_IN_A_VPC
from config.facts.regions import is_region, is_zone_of, zones_of
from config.facts.reserved import PREFIX_LENGTH, RESERVED_AT_END, RESERVED_AT_START
from config.members import has_balancer
from config.model import ClusterConfig, ZoneSubnetConfig
from config.report import Problem

PRIVATE = tuple(IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))

DEFAULT_GATEWAY_SUBNET = "gateways"
"""The subnet of the gateways by default (`planning.cloud.gateway_places`)."""

MAX_SECONDARY_CIDRS = 5
"""Secondary ranges of a VPC (VPC documentation, "Limits and quotas")."""

VPC_PREFIX = range(8, 29)
VSWITCH_PREFIX = range(16, 30)
RESERVATION_PREFIX = range(16, PREFIX_LENGTH + 1)

_ID = {
    "vpc": re.compile(r"vpc-[a-z0-9]+"),
    "vswitch": re.compile(r"vsw-[a-z0-9]+"),
    "nat": re.compile(r"ngw-[a-z0-9]+"),
    "eip": re.compile(r"eip-[a-z0-9]+"),
}


def vpc_cidrs(config: ClusterConfig) -> list[tuple[str, IPv4Network]]:
    """Every IPv4 range of the VPC with its path."""
    vpc = config.network.vpc
    return [
        ("network.vpc.cidr", vpc.cidr),
        *(
            (f"network.vpc.secondaryCidrs[{place}]", cidr)
            for place, cidr in enumerate(vpc.secondary_cidrs)
        ),
    ]


def vswitches(config: ClusterConfig) -> list[tuple[str, str, str, ZoneSubnetConfig]]:
    """Every vSwitch: path, subnet, zone, settings."""
    return [
        (f"network.subnets.{name}.zones.{zone}", name, zone, vswitch)
        for name, subnet in sorted(config.network.subnets.items())
        for zone, vswitch in sorted(subnet.zones.items())
    ]


def vpc_ranges_are_allowed(config: ClusterConfig) -> Iterator[Problem]:
    """Which ranges a VPC may have (VPC documentation, "Plan a VPC")."""
    for path, cidr in vpc_cidrs(config):
        if cidr.prefixlen not in VPC_PREFIX:
            yield Problem(
                path=path,
                value=str(cidr),
                rule="A VPC's range is a /8 at the largest and a /28 at the smallest.",
                remedy="Write a range between the two, for example 172.31.0.0/16.",
            )
        elif any(cidr.overlaps(other) for other in NOT_IN_A_VPC):
            yield Problem(
                path=path,
                value=str(cidr),
                rule=f"Alibaba Cloud does not route this range in a VPC. It uses {CLOUD_SERVICES} "
                "itself; loopback, link-local and multicast addresses are reserved.",
                remedy=f"Write a range of {', '.join(map(str, PRIVATE))}.",
            )
    count = len(config.network.vpc.secondary_cidrs)
    if count > MAX_SECONDARY_CIDRS:
        yield Problem(
            path="network.vpc.secondaryCidrs",
            value=f"{count} ranges",
            rule=f"A VPC takes {MAX_SECONDARY_CIDRS} secondary ranges.",
            remedy="Use fewer and larger ones.",
        )


def vpc_ranges_do_not_overlap(config: ClusterConfig) -> Iterator[Problem]:
    """Two ranges of one VPC never share an address."""
    yield from _overlaps(vpc_cidrs(config), "The ranges of a VPC must not overlap")


def vswitch_sizes(config: ClusterConfig) -> Iterator[Problem]:
    """Sizes of a vSwitch (VPC documentation, "Create and manage a vSwitch")."""
    for path, _, _, vswitch in vswitches(config):
        if vswitch.cidr.prefixlen not in VSWITCH_PREFIX:
            yield Problem(
                path=f"{path}.cidr",
                value=str(vswitch.cidr),
                rule="A vSwitch's range is a /16 at the largest and a /29 at the smallest.",
                remedy="Write a range between the two.",
            )


def vswitches_lie_in_the_vpc(config: ClusterConfig) -> Iterator[Problem]:
    """A vSwitch lies wholly in one range of the VPC."""
    ranges = [cidr for _, cidr in vpc_cidrs(config)]
    for path, _, _, vswitch in vswitches(config):
        if not lies_in_the_vpc(config, vswitch):
            yield Problem(
                path=f"{path}.cidr",
                value=str(vswitch.cidr),
                rule=f"It is outside of the VPC's ranges ({', '.join(map(str, ranges))}).",
                remedy="Write a part of one of these ranges, or add its range to "
                "network.vpc.secondaryCidrs.",
            )


def lies_in_the_vpc(config: ClusterConfig, vswitch: ZoneSubnetConfig) -> bool:
    """Whether one of the VPC's ranges holds all of the vSwitch's."""
    return any(vswitch.cidr.subnet_of(cidr) for _, cidr in vpc_cidrs(config))


def vswitches_do_not_overlap(config: ClusterConfig) -> Iterator[Problem]:
    """Two vSwitches never share an address."""
    named = [(f"{path}.cidr", vswitch.cidr) for path, _, _, vswitch in vswitches(config)]
    yield from _overlaps(named, "The vSwitches of a VPC must not overlap")


def zones_belong_to_the_region(config: ClusterConfig) -> Iterator[Problem]:
    """A zone's name begins with its region's."""
    named = [(path, zone) for path, _, zone, _ in vswitches(config)]
    for name, pool in sorted(config.node_pools.items()):
        named += [(f"nodePools.{name}.zones", zone) for zone in sorted(set(pool.zones))]
        named += [
            (f"nodePools.{name}.nodes.{node}.zone", own.zone)
            for node, own in sorted(pool.nodes.items())
            if own.zone is not None
        ]
    zones = zones_of(config.region)
    if not zones and not (config.cloud.unlisted_region and is_region(config.region)):
        return  # the region itself is refused
    for path, zone in named:
        if not is_zone_of(zone, config.region):
            yield Problem(
                path=path,
                value=zone,
                rule=f"Not a zone of {config.region}; a cluster is in one region.",
                remedy=f"Write one of {', '.join(zones)}."
                if zones
                else f"Write {config.region}- and a letter.",
            )


def subnets_have_zones(config: ClusterConfig) -> Iterator[Problem]:
    """Every subnet has a zone: it has one vSwitch in each."""
    for name, subnet in sorted(config.network.subnets.items()):
        if not subnet.zones:
            yield Problem(
                path=f"network.subnets.{name}.zones",
                value=None,
                rule="A subnet has one vSwitch in each of its zones, and this one has no zone.",
                remedy="Write at least one zone with its cidr, or take the subnet out.",
            )


def reservations_fit(config: ClusterConfig) -> Iterator[Problem]:
    """CreateVSwitchCidrReservation: a proper part of the vSwitch, without reserved addresses."""
    for path, _, _, vswitch in vswitches(config):
        reservation = vswitch.prefix_reservation
        if reservation is None:
            continue
        reason = None
        if reservation.prefixlen not in RESERVATION_PREFIX:
            reason = "A reservation is a /28 at the smallest: one prefix."
        elif not reservation.subnet_of(vswitch.cidr) or reservation == vswitch.cidr:
            reason = f"A reservation must be a part of its vSwitch ({vswitch.cidr}), not all of it."
        elif _holds_reserved(reservation, vswitch.cidr):
            reason = (
                "A reservation must not contain the vSwitch's network address or its last three "
                "addresses, which Alibaba Cloud reserves."
            )
        if reason is not None:
            yield Problem(
                path=f"{path}.prefixReservation",
                value=str(reservation),
                rule=reason,
                remedy="Write a range in the middle of the vSwitch: its second quarter, for "
                f"example {_second_quarter(vswitch.cidr)}.",
            )


def adopted_network(config: ClusterConfig) -> Iterator[Problem]:
    """Adopted resources have ids of the right kind, and adopted vSwitches are in an adopted VPC."""
    network = config.network
    yield from _id("network.vpc.id", network.vpc.id, "vpc")
    yield from _id("network.nat.id", network.nat.id, "nat")
    yield from _id("network.nat.eipId", network.nat.eip_id, "eip")
    seen: dict[str, str] = {}
    for path, _, _, vswitch in vswitches(config):
        if vswitch.vswitch_id is None:
            continue
        yield from _id(f"{path}.vswitchId", vswitch.vswitch_id, "vswitch")
        if network.vpc.id is None:
            yield Problem(
                path=f"{path}.vswitchId",
                value=vswitch.vswitch_id,
                rule="An existing vSwitch is in an existing VPC, but this stack creates its VPC.",
                remedy="Write network.vpc.id as well, or leave vswitchId out.",
            )
        if vswitch.vswitch_id in seen:
            yield Problem(
                path=f"{path}.vswitchId",
                value=vswitch.vswitch_id,
                rule=f"{seen[vswitch.vswitch_id]} already has this vSwitch; a vSwitch has one "
                "role.",
                remedy="Write another vSwitch's id.",
            )
        seen.setdefault(vswitch.vswitch_id, path)


def nat_is_complete(config: ClusterConfig) -> Iterator[Problem]:
    """An adopted NAT gateway or EIP needs its public address: SNAT entries name it."""
    nat = config.network.nat
    adopted = nat.id or nat.eip_id
    if not nat.enabled:
        if adopted is not None:
            yield Problem(
                path="network.nat.enabled",
                value="false",
                rule="A NAT gateway or EIP is adopted, but NAT is off.",
                remedy="Write enabled: true, or take id and eipId out.",
            )
        return
    if adopted is not None and nat.eip_address is None:
        yield Problem(
            path="network.nat.eipAddress",
            value=None,
            rule="SNAT entries need the public address, and this program does not look up that "
            f"of {adopted}.",
            remedy="Write the public address of the EIP.",
        )
    if adopted is None and nat.eip_address is not None:
        yield Problem(
            path="network.nat.eipAddress",
            value=str(nat.eip_address),
            rule="The cloud chooses the address of an EIP that this program creates.",
            remedy="Leave it out, or name the EIP that has it by eipId.",
        )
    if nat.eip_address is not None and not _is_public(nat.eip_address, config):
        yield Problem(
            path="network.nat.eipAddress",
            value=str(nat.eip_address),
            rule="This is a private or a reserved address, and an EIP has a public one.",
            remedy="Write the public address of the EIP.",
        )


def _is_public(address: IPv4Address, config: ClusterConfig) -> bool:
    """Whether an EIP may have the address. Those of the local cloud are loopback addresses."""
    if config.cloud.endpoint is not None and address.is_loopback:
        return True
    return not any(address in block for block in (*PRIVATE, *NOT_IN_A_VPC))


def nat_subnet_exists(config: ClusterConfig) -> Iterator[Problem]:
    """The subnet of the NAT gateway and of the API servers' load balancer exists."""
    subnet = config.network.nat.subnet
    if subnet is not None and subnet not in {*config.network.subnets, DEFAULT_GATEWAY_SUBNET}:
        yield unknown_subnet("network.nat.subnet", subnet, config)


def nat_zone_is_one_of_its_subnet(config: ClusterConfig) -> Iterator[Problem]:
    """The gateway's subnet has the zone; a subnet that the program adds itself can have any."""
    nat = config.network.nat
    if nat.zone is None:
        return
    if (not nat.enabled or nat.id is not None) and not has_balancer(config):
        yield Problem(
            path="network.nat.zone",
            value=nat.zone,
            rule="This stack creates neither a NAT gateway nor a load balancer for its API "
            "servers, so the zone has no effect.",
            remedy="Take it out.",
        )
        return
    subnet = nat.subnet or DEFAULT_GATEWAY_SUBNET
    if subnet in config.network.subnets:
        zones = sorted(config.network.subnets[subnet].zones)
    elif subnet == DEFAULT_GATEWAY_SUBNET:
        zones = sorted({z for s in config.network.subnets.values() for z in s.zones})
    else:
        return
    if nat.zone not in zones:
        yield Problem(
            path="network.nat.zone",
            value=nat.zone,
            rule="The NAT gateway's subnet has no vSwitch in this zone.",
            remedy=f"Write one of {', '.join(zones)}.",
        )


def unknown_subnet(path: str, subnet: str, config: ClusterConfig) -> Problem:
    """The problem of a key that names an unknown subnet."""
    subnets = ", ".join(sorted(config.network.subnets)) or "none"
    return Problem(
        path=path,
        value=subnet,
        rule=f"Unknown subnet. network.subnets has: {subnets}.",
        remedy="Write one of them, or add this one.",
    )


def ingress_is_narrow(config: ClusterConfig) -> Iterator[Problem]:
    """Port ranges are valid, and SSH and the API server are not open to the whole internet."""
    opened: dict[int, dict[str, IPv4Network]] = {SSH: {}, API_SERVER: {}}
    for name, rule in sorted(config.network.ingress.items()):
        path = f"network.ingress.{name}"
        ports = _ports(rule.ports)
        any_port = rule.protocol in {"icmp", "all"}
        if any_port != (rule.ports == "-1/-1") or (not any_port and ports is None):
            yield Problem(
                path=f"{path}.ports",
                value=rule.ports,
                rule="For tcp and udp, ports are a range from/to between 1 and 65535, the lower "
                "one first. For icmp and all they must be -1/-1.",
                remedy=_ports_remedy(rule.ports, any_port=any_port),
            )
        elif rule.protocol in {"tcp", "all"}:
            touched = [port for port in opened if ports is None or _touches(ports, (port,))]
            for port in touched:
                opened[port][f"{path}.source"] = rule.source
            if touched and rule.source == EVERYWHERE:
                yield Problem(
                    path=f"{path}.source",
                    value=str(rule.source),
                    rule="This opens SSH or the API server of every node to the whole internet.",
                    remedy="Write the networks that need it, or protocol: tcp and ports without "
                    f"{SSH} and {API_SERVER}.",
                )
    yield from _opened_in_parts(opened)


def _opened_in_parts(opened: Mapping[int, Mapping[str, IPv4Network]]) -> Iterator[Problem]:
    """Rules that open a port to the whole internet only together."""
    named = {SSH: "SSH", API_SERVER: "the API server"}
    for port, sources in opened.items():
        if EVERYWHERE not in sources.values() and are_everything(sources.values()):
            last = max(sources)
            yield Problem(
                path=last,
                value=str(sources[last]),
                rule=f"Together with {', '.join(sorted(set(sources) - {last}))} this opens "
                f"{named[port]} of every node to the whole internet.",
                remedy="Write the networks that need it.",
            )


def are_everything(networks: Iterable[IPv4Network]) -> bool:
    """Whether these networks have every IPv4 address together."""
    return list(collapse_addresses(networks)) == [EVERYWHERE]


def _ports_remedy(text: str, *, any_port: bool) -> str:
    """What to write instead: the range that the text probably means, if it names ports at all."""
    if any_port:
        return "Write -1/-1."
    named = [min(max(int(digits), 1), HIGHEST_PORT) for digits in re.findall(r"\d{1,9}", text)]
    if len(named) in {1, 2} and "-1/" not in text:
        return f"Write {min(named)}/{max(named)}."
    return "Write 443/443 for one port, 1/65535 for all of tcp."


def _ports(text: str) -> tuple[int, int] | None:
    pair = re.fullmatch(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})", text)
    if pair is None:
        return None
    low, high = int(pair[1]), int(pair[2])
    return (low, high) if low <= high <= HIGHEST_PORT else None


def _touches(ports: tuple[int, int], some: Iterable[int]) -> bool:
    return any(ports[0] <= port <= ports[1] for port in some)


def _id(path: str, value: str | None, kind: str) -> Iterator[Problem]:
    if value is not None and not _ID[kind].fullmatch(value):
        prefix = _ID[kind].pattern[:3]
        yield Problem(
            path=path,
            value=value,
            rule=f"Not an id of this kind: those begin with {prefix}-.",
            remedy="Write the id that the console shows.",
        )


def _overlaps(named: list[tuple[str, IPv4Network]], rule: str) -> Iterator[Problem]:
    ordered = sorted(named, key=lambda n: (int(n[1].network_address), n[1].prefixlen, n[0]))
    for (path, cidr), (other_path, other) in combinations(ordered, 2):
        if cidr.overlaps(other):
            last, first = sorted(((path, cidr), (other_path, other)), reverse=True)
            yield Problem(
                path=last[0],
                value=str(last[1]),
                rule=f"It overlaps {first[0]} ({first[1]}). {rule}.",
                remedy="Write a range that is free.",
            )


def _holds_reserved(reservation: IPv4Network, cidr: IPv4Network) -> bool:
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    return (
        int(reservation.network_address) < first + RESERVED_AT_START
        or int(reservation.broadcast_address) > last - RESERVED_AT_END
    )


def _second_quarter(cidr: IPv4Network) -> IPv4Network:
    length = min(cidr.prefixlen + 2, PREFIX_LENGTH)
    size = 2 ** (32 - length)
    return IPv4Network((int(cidr.network_address) + size, length))


RULES = (
    vpc_ranges_are_allowed,
    vpc_ranges_do_not_overlap,
    vswitch_sizes,
    vswitches_lie_in_the_vpc,
    vswitches_do_not_overlap,
    zones_belong_to_the_region,
    subnets_have_zones,
    reservations_fit,
    adopted_network,
    nat_is_complete,
    nat_subnet_exists,
    nat_zone_is_one_of_its_subnet,
    ingress_is_narrow,
)
