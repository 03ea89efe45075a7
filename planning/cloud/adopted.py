"""Compares what a stack file declares about adopted resources with what the cloud reports.

The whole plan follows from these facts: a vSwitch with another range would give its pools another
gateway, and their packets would be dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from config.report import Problem
from planning.model import ClusterPlan, VSwitchPlan


@dataclass(frozen=True, kw_only=True)
class VpcFacts:
    """A VPC as DescribeVpcs shows it; ranges are texts such as 10.0.0.0/16."""

    cidr: str
    secondary_cidrs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VSwitchFacts:
    """A vSwitch as DescribeVSwitches shows it."""

    vpc_id: str
    zone: str
    cidr: str


@dataclass(frozen=True, kw_only=True)
class SnatFacts:
    """An SNAT entry as DescribeSnatTableEntries shows it; `vswitch_id` may be empty."""

    entry_id: str
    name: str
    vswitch_id: str
    cidr: str


@dataclass(frozen=True, kw_only=True)
class NatFacts:
    """A NAT gateway as DescribeNatGateways shows it, with the entries of its SNAT table."""

    vpc_id: str
    addresses: tuple[str, ...]
    snat_tables: tuple[str, ...]
    entries: tuple[SnatFacts, ...]


@dataclass(frozen=True, kw_only=True)
class EipFacts:
    """An EIP as DescribeEipAddresses shows it; `instance_type` is empty while it is free."""

    address: str
    instance_type: str


@dataclass(frozen=True, kw_only=True)
class AdoptedFacts:
    """The adopted resources that exist, by id."""

    vpcs: Mapping[str, VpcFacts]
    vswitches: Mapping[str, VSwitchFacts]
    nat_gateways: Mapping[str, NatFacts]
    eips: Mapping[str, EipFacts]


def adopts(plan: ClusterPlan) -> bool:
    """Whether the stack adopts any resource."""
    network = plan.network
    ids = (network.vpc.id, network.nat.id, network.nat.eip_id)
    return any(ids) or any(v.vswitch_id for v in network.vswitches.values())


def mismatches(plan: ClusterPlan, facts: AdoptedFacts) -> tuple[Problem, ...]:
    """Every declaration that differs from the cloud, and every resource that does not exist."""
    return (
        *_vpc(plan, facts),
        *(
            problem
            for vswitch in plan.network.vswitches.values()
            if vswitch.vswitch_id is not None
            for problem in _vswitch(plan, vswitch, vswitch.vswitch_id, facts)
        ),
        *_nat(plan, facts),
        *_eip(plan, facts),
    )


def _vpc(plan: ClusterPlan, facts: AdoptedFacts) -> Iterator[Problem]:
    vpc = plan.network.vpc
    if vpc.id is None:
        return
    actual = facts.vpcs.get(vpc.id)
    if actual is None:
        yield _missing("network.vpc.id", vpc.id, "VPC")
        return
    if actual.cidr != str(vpc.cidr):
        yield _differs("network.vpc.cidr", vpc.cidr, vpc.id, actual.cidr)
    for place, cidr in enumerate(vpc.secondary_cidrs):
        if str(cidr) not in actual.secondary_cidrs:
            others = ", ".join(actual.secondary_cidrs) or "none"
            yield Problem(
                path=f"network.vpc.secondaryCidrs[{place}]",
                value=str(cidr),
                rule=f"{vpc.id} does not have this secondary range (it has: {others}), and this "
                "program does not change an adopted VPC.",
                remedy="Take it out, or add the range to the VPC yourself.",
            )


def _vswitch(
    plan: ClusterPlan, vswitch: VSwitchPlan, vswitch_id: str, facts: AdoptedFacts
) -> Iterator[Problem]:
    path = f"network.subnets.{vswitch.subnet}.zones.{vswitch.zone}"
    actual = facts.vswitches.get(vswitch_id)
    if actual is None:
        yield _missing(f"{path}.vswitchId", vswitch_id, "vSwitch")
        return
    if actual.cidr != str(vswitch.cidr):
        yield _differs(f"{path}.cidr", vswitch.cidr, vswitch_id, actual.cidr)
    if actual.zone != vswitch.zone:
        yield _differs(path, vswitch.zone, vswitch_id, actual.zone)
    if plan.network.vpc.id is not None and actual.vpc_id != plan.network.vpc.id:
        yield Problem(
            path=f"{path}.vswitchId",
            value=vswitch_id,
            rule=f"This vSwitch is in {actual.vpc_id}, but the cluster is in "
            f"{plan.network.vpc.id}.",
            remedy="Write a vSwitch of that VPC.",
        )


def _nat(plan: ClusterPlan, facts: AdoptedFacts) -> Iterator[Problem]:
    nat = plan.network.nat
    if not nat.enabled or nat.id is None:
        return
    actual = facts.nat_gateways.get(nat.id)
    if actual is None or not actual.snat_tables:
        yield Problem(
            path="network.nat.id",
            value=nat.id,
            rule="This account does not have this NAT gateway in this region, or it has no SNAT "
            "table.",
            remedy="Write the id of an enhanced internet NAT gateway of this region, or leave it "
            "out to get one.",
        )
        return
    if plan.network.vpc.id is not None and actual.vpc_id != plan.network.vpc.id:
        yield _differs("network.vpc.id", plan.network.vpc.id, nat.id, actual.vpc_id)
    if str(nat.eip_address) not in actual.addresses:
        yield _differs(
            "network.nat.eipAddress",
            nat.eip_address,
            nat.id,
            ", ".join(actual.addresses) or "no EIP",
        )
    for key, vswitch in plan.network.vswitches.items():
        if vswitch.snat and vswitch.vswitch_id is not None:
            yield from _snat(plan, key, vswitch, actual.entries)


def _snat(
    plan: ClusterPlan, key: str, vswitch: VSwitchPlan, entries: tuple[SnatFacts, ...]
) -> Iterator[Problem]:
    """A vSwitch has one entry in a table; one with the program's own name counts as its own."""
    own = f"{plan.name}-{key}"
    for entry in entries:
        same = entry.vswitch_id == vswitch.vswitch_id or (
            not entry.vswitch_id and entry.cidr == str(vswitch.cidr)
        )
        if same and entry.name != own:
            yield Problem(
                path=f"network.subnets.{vswitch.subnet}.egress",
                value="true",
                rule="The NAT gateway has an SNAT entry for this vSwitch already: "
                f"{entry.entry_id} ({entry.name or 'without a name'}). The cloud refuses a second "
                "one.",
                remedy="Write egress: false to use that entry as it is, or make it this stack's: "
                f"name it {own}, and `pulumi import` it (docs/operations.md, existing networks).",
            )


def _eip(plan: ClusterPlan, facts: AdoptedFacts) -> Iterator[Problem]:
    nat = plan.network.nat
    if not nat.enabled or nat.eip_id is None:
        return
    actual = facts.eips.get(nat.eip_id)
    if actual is None:
        yield _missing("network.nat.eipId", nat.eip_id, "EIP")
        return
    if actual.address != str(nat.eip_address):
        yield _differs("network.nat.eipAddress", nat.eip_address, nat.eip_id, actual.address)
    if nat.id is None and actual.instance_type not in {"", "Nat"}:
        yield Problem(
            path="network.nat.eipId",
            value=nat.eip_id,
            rule=f"This EIP is already bound to another resource ({actual.instance_type}).",
            remedy="Write a free EIP, or leave it out to get one.",
        )


def _missing(path: str, value: str, kind: str) -> Problem:
    return Problem(
        path=path,
        value=value,
        rule=f"This account does not have this {kind} in this region.",
        remedy="Write the id that the console shows in this region, or leave it out to get one.",
    )


def _differs(path: str, value: IPv4Address | object, thing: str, actual: str) -> Problem:
    return Problem(
        path=path,
        value=str(value),
        rule=f"In the cloud {thing} has {actual}. Addresses and gateways would be planned wrongly.",
        remedy=f"Write {actual}, or the id of another one.",
    )
