"""Instance limits, regions and zones, members of pools: the data behind the rules."""

from __future__ import annotations

import pytest

from config.facts.instance_limits import (
    FAMILIES,
    SOURCES,
    limits_of,
    listed_types,
    without_second_eni,
)
from config.facts.regions import ZONE_LETTERS, is_zone_of, zone_in, zones_of
from config.load import load
from config.members import members_of, ordinal_from
from config.model import InstanceTypeConfig
from config.schema_walk import keys_at, nearest

pytestmark = pytest.mark.unit


def test_the_guides_instance_type_takes_its_five_pod_addresses() -> None:
    limits = limits_of("ecs.g7.large", {})
    assert limits is not None
    assert (limits.enis, limits.ipv4_per_eni, limits.ipv6_per_eni) == (3, 6, 6)


def test_a_stack_may_correct_the_table() -> None:
    own = InstanceTypeConfig.model_validate({"enis": 9, "ipv4PerEni": 42})
    limits = limits_of("ecs.g7.large", {"ecs.g7.large": own})
    assert limits is not None
    assert (limits.enis, limits.ipv4_per_eni, limits.ipv6_per_eni) == (9, 42, 0)


@pytest.mark.parametrize("kind", ["g7.large", "ecs.g7", "ecs.g7.large.x", "ecs.g99.large", "", "x"])
def test_an_unlisted_type_has_no_limits(kind: str) -> None:
    assert limits_of(kind, {}) is None


def test_every_family_says_what_its_figures_rest_on() -> None:
    assert set(SOURCES) == set(FAMILIES)


def test_every_listed_type_has_room_for_a_second_eni_and_a_pod() -> None:
    for kind in listed_types():
        limits = limits_of(kind, {})
        assert limits is not None
        assert limits.enis >= 2
        assert limits.ipv4_per_eni >= 2


@pytest.mark.parametrize("kind", ["ecs.t5-lc1m1.small", "ecs.e-c1m2.large", "ecs.s6-c1m2.xlarge"])
def test_entry_level_types_take_no_second_eni(kind: str) -> None:
    assert without_second_eni(kind)


def test_a_family_that_only_begins_alike_is_another_one() -> None:
    assert not without_second_eni("ecs.ebmg7.32xlarge")
    assert not without_second_eni("ecs.g7.large")


@pytest.mark.parametrize("region", ZONE_LETTERS)
def test_a_regions_zones_belong_to_it_and_to_no_other(region: str) -> None:
    for zone in zones_of(region):
        assert [r for r in ZONE_LETTERS if is_zone_of(zone, r)] == [region]


def test_zones_are_named_as_the_cloud_names_them() -> None:
    assert zone_in("cn-hangzhou", "i") == "cn-hangzhou-i"
    assert zone_in("eu-central-1", "a") == "eu-central-1a"


@pytest.mark.parametrize("zone", ["cn-hangzhou", "cn-hangzhou-", "cn-hangzhou-I", "cn-hangzhou-ij"])
def test_a_text_that_is_not_a_zone_is_not_taken_for_one(zone: str) -> None:
    assert not is_zone_of(zone, "cn-hangzhou")


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [("worker-3", 3), ("worker-0", 0), ("worker-03", None), ("worker3", None), ("worker", None)],
)
def test_a_name_that_ends_in_a_number_says_its_ordinal(name: str, ordinal: int | None) -> None:
    assert ordinal_from(name) == ordinal


def test_zones_take_turns_by_ordinal_whatever_their_order() -> None:
    def spread(zones: list[str]) -> list[str | None]:
        document = {
            "profile": "dev",
            "name": "one",
            "region": "cn-hangzhou",
            "network": {
                "vpc": {"cidr": "10.0.0.0/16"},
                "subnets": {
                    "primary": {
                        "zones": {z: {"cidr": f"10.0.{16 * n}.0/20"} for n, z in enumerate(zones)}
                    }
                },
            },
            "nodePools": {
                "masters": {
                    "role": "control-plane",
                    "count": 5,
                    "zones": zones,
                    "instanceType": "ecs.g7.xlarge",
                    "interfaces": {"eth0": {"subnet": "primary"}},
                }
            },
            "kubernetes": {"endpoint": {"public": False}},
        }
        return [member.zone for member in members_of(load(document)).values()]

    zones = ["cn-hangzhou-i", "cn-hangzhou-j", "cn-hangzhou-k"]
    expected = [zones[0], zones[1], zones[2], zones[0], zones[1]]
    assert spread(zones) == expected
    assert spread(zones[::-1]) == expected


def test_the_nearest_key_is_suggested_for_any_spelling() -> None:
    keys = keys_at(("nodePools", "workers"))
    assert nearest("instance_type", keys) == "instanceType"
    assert nearest("first-block", keys) == "firstBlock"
    assert nearest("zone", keys) == "zones"
    assert nearest("qqqq", keys) is None


def test_keys_are_listed_below_maps_and_lists() -> None:
    assert "effect" in keys_at(("nodePools", "workers", "taints", 0))
    assert "ipv6Index" in keys_at(("network", "subnets", "any", "zones", "cn-hangzhou-i"))
    assert keys_at(("spiderpool", "values", "anything")) == ()
