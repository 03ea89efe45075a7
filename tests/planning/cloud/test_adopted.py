"""What exists already is compared with what the stack says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planning.cloud.adopted import (
    AdoptedFacts,
    EipFacts,
    NatFacts,
    SnatFacts,
    VpcFacts,
    VSwitchFacts,
    adopts,
    mismatches,
)
from tests.clusters import adopted, small
from tests.planning.documents import planned

pytestmark = pytest.mark.unit

VPC = VpcFacts(cidr="10.0.0.0/16", secondary_cidrs=("10.1.0.0/16",))
VSWITCH = VSwitchFacts(vpc_id="vpc-theirs", zone="cn-hangzhou-i", cidr="10.0.0.0/20")
NAT = NatFacts(
    vpc_id="vpc-theirs", addresses=("47.98.1.2",), snat_tables=("stb-theirs",), entries=()
)
FACTS = AdoptedFacts(
    vpcs={"vpc-theirs": VPC},
    vswitches={"vsw-theirs": VSWITCH},
    nat_gateways={"ngw-theirs": NAT},
    eips={},
)


def _paths(facts: AdoptedFacts) -> list[str]:
    return [problem.path for problem in mismatches(planned(adopted()), facts)]


def test_what_is_as_the_stack_says_is_taken() -> None:
    assert _paths(FACTS) == []


def test_a_stack_that_adopts_nothing_asks_nothing() -> None:
    assert not adopts(planned(small()))
    assert adopts(planned(adopted()))


@pytest.mark.parametrize(
    ("vswitch", "path"),
    [
        ({"cidr": "10.0.0.0/21"}, "network.subnets.primary.zones.cn-hangzhou-i.cidr"),
        ({"zone": "cn-hangzhou-k"}, "network.subnets.primary.zones.cn-hangzhou-i"),
        ({"vpc_id": "vpc-other"}, "network.subnets.primary.zones.cn-hangzhou-i.vswitchId"),
    ],
)
def test_a_vswitch_that_is_another_one_is_named(vswitch: dict[str, str], path: str) -> None:
    facts = replace(FACTS, vswitches={"vsw-theirs": replace(VSWITCH, **vswitch)})
    assert _paths(facts) == [path]


def test_the_remedy_of_a_wrong_range_is_the_right_one() -> None:
    facts = replace(FACTS, vswitches={"vsw-theirs": replace(VSWITCH, cidr="10.0.0.0/21")})
    (problem,) = mismatches(planned(adopted()), facts)
    assert "10.0.0.0/21" in problem.remedy


def test_all_that_is_missing_is_named_at_once() -> None:
    nothing = AdoptedFacts(vpcs={}, vswitches={}, nat_gateways={}, eips={})
    assert _paths(nothing) == [
        "network.vpc.id",
        "network.subnets.primary.zones.cn-hangzhou-i.vswitchId",
        "network.nat.id",
    ]


@pytest.mark.parametrize(
    ("vpc", "path"),
    [
        ({"cidr": "10.0.0.0/12"}, "network.vpc.cidr"),
        ({"secondary_cidrs": ()}, "network.vpc.secondaryCidrs[0]"),
    ],
)
def test_ranges_of_the_vpc_are_compared(vpc: dict[str, object], path: str) -> None:
    assert _paths(replace(FACTS, vpcs={"vpc-theirs": replace(VPC, **vpc)})) == [path]  # type: ignore[arg-type]


def test_the_nat_gateways_address_and_vpc_are_compared() -> None:
    other = replace(NAT, addresses=("47.98.9.9",), vpc_id="vpc-other")
    facts = replace(FACTS, nat_gateways={"ngw-theirs": other})
    assert _paths(facts) == ["network.vpc.id", "network.nat.eipAddress"]


@pytest.mark.parametrize(
    ("entry", "paths"),
    [
        ({"vswitch_id": "vsw-theirs"}, ["network.subnets.primary.egress"]),
        ({"cidr": "10.0.0.0/20"}, ["network.subnets.primary.egress"]),
        ({"vswitch_id": "vsw-other", "cidr": "10.0.0.0/20"}, []),
        ({"vswitch_id": "vsw-theirs", "name": "small-primary-cn-hangzhou-i"}, []),
    ],
)
def test_an_existing_snat_entry_is_reported_before_another_one_is_created(
    entry: dict[str, str], paths: list[str]
) -> None:
    facts = {"entry_id": "snat-1", "name": "", "vswitch_id": "", "cidr": ""} | entry
    gateway = replace(NAT, entries=(SnatFacts(**facts),))
    assert _paths(replace(FACTS, nat_gateways={"ngw-theirs": gateway})) == paths


def test_an_eip_is_compared_and_free_or_a_nat_gateways() -> None:
    nat = {"eipId": "eip-theirs", "eipAddress": "47.98.1.2"}
    plan = planned(small({"network": {"nat": nat}}))
    for eip, paths in (
        (EipFacts(address="47.98.1.2", instance_type=""), []),
        (EipFacts(address="47.98.1.2", instance_type="Nat"), []),
        (EipFacts(address="47.98.1.2", instance_type="SlbInstance"), ["network.nat.eipId"]),
        (EipFacts(address="47.98.1.3", instance_type=""), ["network.nat.eipAddress"]),
    ):
        facts = AdoptedFacts(vpcs={}, vswitches={}, nat_gateways={}, eips={"eip-theirs": eip})
        assert [problem.path for problem in mismatches(plan, facts)] == paths
