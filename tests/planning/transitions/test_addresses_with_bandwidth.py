"""Edits of pod addresses whose IPv6 twins have public bandwidth."""

from __future__ import annotations

from itertools import pairwise

import pytest

from planning.transitions.steps import Accepted, Refused
from tests.clusters import Document, small
from tests.planning.edited import at, edited, refused, transition

pytestmark = pytest.mark.unit

PATH = "nodePools.workers.interfaces.eth0.podAddresses"


def dual_stack(*, addresses: int, egress: bool) -> Document:
    document = edited(
        small({"network": {"ipv6": {"enabled": True, "egress": egress}}}),
        at(PATH.replace(".", "/"), addresses),
    )
    for index, subnet in enumerate(document["network"]["subnets"].values()):
        subnet["zones"]["cn-hangzhou-i"]["ipv6Index"] = index
    return document


def test_addresses_with_bandwidth_do_not_leave() -> None:
    before, after = dual_stack(addresses=4, egress=True), dual_stack(addresses=3, egress=True)
    assert refused(transition(before, after)) == (PATH,)


def test_nor_do_they_leave_together_with_their_bandwidth() -> None:
    before, after = dual_stack(addresses=4, egress=True), dual_stack(addresses=3, egress=False)
    assert refused(transition(before, after)) == (PATH,)


def test_addresses_with_bandwidth_arrive_at_once() -> None:
    before, after = dual_stack(addresses=3, egress=True), dual_stack(addresses=4, egress=True)
    assert isinstance(transition(before, after), Accepted)


def test_the_remedy_is_three_runs() -> None:
    before, after = dual_stack(addresses=4, egress=True), dual_stack(addresses=3, egress=True)
    outcome = transition(before, after)
    assert isinstance(outcome, Refused)
    assert "podAddresses: 4" in outcome.refusals[0].remedy
    runs = (
        before,
        dual_stack(addresses=4, egress=False),
        dual_stack(addresses=3, egress=False),
        after,
    )
    assert all(isinstance(transition(*pair), Accepted) for pair in pairwise(runs))
