"""Which addresses an edit of an ENI takes away."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.output import Unknown

from components.machines.addresses.leaving_addresses import leaving

pytestmark = pytest.mark.unit

LAST_BYTES = st.sets(st.integers(min_value=0, max_value=255), max_size=12)


def pinned(numbers: set[int]) -> dict[str, Any]:
    return {"privateIpAddresses": [f"10.0.0.{n}" for n in sorted(numbers)]}


@given(LAST_BYTES, LAST_BYTES)
def test_pinned_addresses_leave_when_the_new_list_has_them_no_more(
    before: set[int], after: set[int]
) -> None:
    change = leaving(pinned(before), pinned(before), pinned(after))
    assert change.addresses == {ip_address(f"10.0.0.{n}") for n in before - after}
    assert not change.cloud_chooses


@given(LAST_BYTES, st.integers(min_value=0, max_value=20))
def test_a_lower_count_may_take_any_address_and_a_higher_one_takes_none(
    before: set[int], count: int
) -> None:
    old = {"secondaryPrivateIpAddressCount": len(before)}
    change = leaving(old, pinned(before) | old, {"secondaryPrivateIpAddressCount": float(count)})
    expected = {ip_address(f"10.0.0.{n}") for n in before} if count < len(before) else set()
    assert change.addresses == expected
    assert change.cloud_chooses is (0 < count < len(before))


def test_a_prefix_leaves_with_its_sixteen_addresses() -> None:
    old = {"ipv4Prefixes": ["10.0.0.16/28", "10.0.0.32/28"]}
    change = leaving(old, old, {"ipv4Prefixes": ["10.0.0.16/28"]})
    assert change.addresses == {IPv4Address("10.0.0.32") + n for n in range(16)}


def test_an_ipv6_twin_leaves_with_its_ipv4_address() -> None:
    old = pinned({1, 2}) | {"ipv6Addresses": ["2001:db8::1", "2001:db8::2"]}
    change = leaving(old, old, pinned({1}) | {"ipv6Addresses": ["2001:db8::1"]})
    assert change.addresses == {ip_address("10.0.0.2"), ip_address("2001:db8::2")}


def test_the_last_addresses_leave_with_an_empty_list() -> None:
    assert len(leaving(pinned({1, 2}), pinned({1, 2}), pinned(set())).addresses) == 2


def test_an_address_that_only_the_cloud_has_leaves_too() -> None:
    change = leaving(pinned({1}), pinned({1, 9}), pinned({1}))
    assert change.addresses == {ip_address("10.0.0.9")}


def test_an_unknown_list_removes_nothing() -> None:
    old = pinned({1}) | {"ipv6Addresses": ["2001:db8::1"]}
    unknown = Unknown()  # type: ignore[no-untyped-call]  # Pulumi's own
    new = pinned({1}) | {"ipv6Addresses": unknown}
    assert leaving(old, old, new).addresses == frozenset()
