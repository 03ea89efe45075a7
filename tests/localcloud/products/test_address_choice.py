"""The cloud's own choice of addresses: all of them, each once, after a few steps."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.products.vpc import claims

pytestmark = pytest.mark.unit


@given(length=st.integers(20, 29), claimed=st.integers(0, 5000))
def test_every_assignable_address_comes_up(length: int, claimed: int) -> None:
    network = IPv4Network(f"10.0.0.0/{length}")
    choices = list(claims._from_the_top(network, claimed))
    assert set(choices) == set(list(network)[1:-3])


@given(claimed=st.integers(0, 60_000))
def test_half_of_a_block_in_use_is_not_searched_through(claimed: int) -> None:
    """Wherever the used half is, a free address is among the first hundred."""
    network = IPv4Network("10.0.0.0/16")
    first = list(islice(claims._from_the_top(network, claimed), 100))
    upper = [ip for ip in first if ip > network[32768]]
    assert upper
    assert len(upper) < 100


def test_without_gaps_addresses_come_from_the_top_down() -> None:
    network = IPv4Network("10.0.0.0/24")
    first = list(islice(claims._from_the_top(network, 2), 3))
    assert [str(ip) for ip in first] == ["10.0.0.250", "10.0.0.249", "10.0.0.248"]
