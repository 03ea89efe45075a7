"""Canonical ranges, a vSwitch's reserved addresses, and IPv6 twins."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning.addresses import ipv6
from planning.addresses.blocks import gateway, last_block, prefixes_for, usable
from planning.addresses.canonical import canonical_ranges, expand, holds, without

pytestmark = pytest.mark.unit

VSWITCH6 = IPv6Network("2408:4005:3a0:1201::/64")


def test_neighbours_are_merged_and_a_single_address_stays_itself() -> None:
    texts = ["10.0.0.9", "10.0.0.2", "10.0.0.1", "10.0.0.3", "10.0.0.2"]
    assert canonical_ranges(texts) == ("10.0.0.1-10.0.0.3", "10.0.0.9")


def test_nothing_has_no_ranges() -> None:
    assert canonical_ranges([]) == ()
    assert expand([]) == ()


def test_ipv6_ranges_are_written_short_and_small() -> None:
    texts = ["2408:4005:3A0:0::2", "2408:4005:3a0::1", "2408:4005:3a0::ff"]
    assert canonical_ranges(texts) == ("2408:4005:3a0::1-2408:4005:3a0::2", "2408:4005:3a0::ff")


def test_both_ip_versions_do_not_mix() -> None:
    with pytest.raises(ValueError, match="do not mix"):
        canonical_ranges(["10.0.0.1", "2408::1"])


LAST_BYTES = st.sets(st.integers(min_value=0, max_value=40))


@given(LAST_BYTES, LAST_BYTES, st.sampled_from(["10.0.0.{}", "2408:4005:3a0::{:x}"]))
def test_ranges_without_some_addresses_are_the_ranges_of_the_rest(
    present: set[int], removed: set[int], family: str
) -> None:
    ranges = canonical_ranges(family.format(n) for n in present)
    gone = [ip_address(family.format(n)) for n in removed]
    assert without(ranges, gone) == canonical_ranges(family.format(n) for n in present - removed)
    for n in present | removed:
        assert holds(ranges, ip_address(family.format(n))) is (n in present)


def test_an_ipv6_range_of_any_size_loses_an_address_at_once() -> None:
    assert without(["2408::-2408::ffff:ffff:ffff:ffff"], [ip_address("2408::1")]) == (
        "2408::",
        "2408::2-2408::ffff:ffff:ffff:ffff",
    )


def test_an_address_of_the_other_family_is_in_no_range() -> None:
    assert not holds(["0.0.0.1-0.0.0.9"], ip_address("::5"))
    assert without(["0.0.0.1-0.0.0.9"], [ip_address("::5")]) == ("0.0.0.1-0.0.0.9",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.9-10.0.0.1", "reversed"),
        ("10.0.0.0/24", "neither"),
        ("10.0.0.01", "neither"),
        ("0.0.0.0-255.255.255.255", "more than"),
        ("", "neither"),
    ],
)
def test_what_is_not_a_range_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        expand([text])


def test_the_gateway_is_the_third_address_from_the_end() -> None:
    assert gateway(IPv4Network("172.31.192.0/20")) == IPv4Address("172.31.207.253")
    assert gateway(IPv4Network("192.168.0.0/24")) == IPv4Address("192.168.0.253")


def test_network_address_and_last_three_are_never_usable() -> None:
    assert str(usable(IPv4Network("192.168.0.0/24"))) == "192.168.0.1-192.168.0.252"


def test_the_last_block_of_a_vswitch_is_not_its_last_sixteen_addresses() -> None:
    assert last_block(IPv4Network("192.168.0.0/24"), 16) == 14


@pytest.mark.parametrize(("addresses", "prefixes"), [(0, 0), (1, 1), (16, 1), (17, 2), (160, 10)])
def test_pod_addresses_round_up_to_prefixes(addresses: int, prefixes: int) -> None:
    assert prefixes_for(addresses) == prefixes


def test_an_ipv6_address_ends_in_its_ipv4_twin() -> None:
    twin = ipv6.twin(VSWITCH6, IPv4Address("172.31.199.185"))
    assert str(twin) == "2408:4005:3a0:1201::ac1f:c7b9"


def test_only_a_64_has_ipv6_twins() -> None:
    with pytest.raises(ValueError, match="is not a /64"):
        ipv6.twin(IPv6Network("2408:4005:3a0:1200::/56"), IPv4Address("172.31.199.185"))


def test_the_ipv6_gateway_is_the_third_address_from_the_end() -> None:
    assert str(ipv6.gateway(VSWITCH6)) == "2408:4005:3a0:1201:ffff:ffff:ffff:fffd"
