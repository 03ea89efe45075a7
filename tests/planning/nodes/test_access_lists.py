"""What each access control list of the API server's load balancer admits."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.facts.load_balancers import (
    ENTRIES_OF_A_LIST,
    ENTRIES_OF_A_LISTENER,
    LISTS_OF_A_LISTENER,
)
from config.report import ConfigError
from planning.names import is_access_list_name
from planning.nodes.access_lists import access_lists
from planning.nodes.endpoint import admitted
from planning.read import plan_from
from tests.clusters import small, three_control_planes

pytestmark = pytest.mark.unit

VSWITCHES = len(plan_from(three_control_planes()).network.vswitches)


def lists_for(allowed: list[str]) -> dict[str, frozenset[str]]:
    document = three_control_planes()
    document["kubernetes"]["endpoint"]["allowedCidrs"] = allowed
    lists = access_lists(plan_from(document))
    return {name: frozenset(map(str, networks.values())) for name, networks in lists.items()}


def networks(count: int, start: int = 0) -> list[str]:
    return [f"198.51.{n}.0/24" for n in range(start, start + count)]


@given(count=st.integers(1, ENTRIES_OF_A_LISTENER - VSWITCHES))
def test_every_network_is_in_one_list_and_no_list_is_longer_than_the_provider_sees(
    count: int,
) -> None:
    document = three_control_planes()
    document["kubernetes"]["endpoint"]["allowedCidrs"] = networks(count)
    expected = sorted(map(str, admitted(plan_from(document)).values()))
    lists = lists_for(networks(count))
    assert sorted(block for blocks in lists.values() for block in blocks) == expected
    assert all(len(blocks) <= ENTRIES_OF_A_LIST for blocks in lists.values())
    assert len(lists) <= LISTS_OF_A_LISTENER


def test_up_to_ten_networks_are_in_the_list_that_earlier_releases_made() -> None:
    assert set(lists_for(networks(ENTRIES_OF_A_LIST - VSWITCHES))) == {"small-api"}


def test_the_order_of_the_networks_does_not_matter() -> None:
    assert lists_for(networks(15)) == lists_for(networks(15)[::-1])


@given(
    one=st.integers(1, 27),
    other=st.integers(1, 27),
    start=st.integers(0, 20),
)
def test_a_list_of_two_plans_with_more_than_ten_networks_has_the_same_entries(
    one: int, other: int, start: int
) -> None:
    before, after = lists_for(networks(one)), lists_for(networks(other, start))
    for name in (before.keys() & after.keys()) - {"small-api"}:
        assert before[name] == after[name]


def test_lists_with_different_entries_have_different_names() -> None:
    names = [name for count in range(9, 28) for name in lists_for(networks(count))]
    contents = [blocks for count in range(9, 28) for blocks in lists_for(networks(count)).values()]
    pairs = list(zip(names, contents, strict=True))
    assert all((a[0] == b[0]) == (a[1] == b[1]) for a, b in combinations(pairs, 2))


def test_the_names_of_lists_are_recognised() -> None:
    assert all(is_access_list_name("small", name) for name in lists_for(networks(20)))
    assert is_access_list_name("small", "small-api")
    assert not is_access_list_name("small", "small-api-api")
    assert not is_access_list_name("small", "small-api-api-0123abcd")


def test_more_networks_than_three_lists_admit_are_refused() -> None:
    room = ENTRIES_OF_A_LISTENER - VSWITCHES
    assert len(lists_for(networks(room))) == LISTS_OF_A_LISTENER
    with pytest.raises(ConfigError, match=f"Write at most {room} networks"):
        lists_for(networks(room + 1))


def test_one_control_plane_has_no_list() -> None:
    assert access_lists(plan_from(small())) == {}
