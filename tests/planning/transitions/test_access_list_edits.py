"""Edits of the networks that the API server's load balancer admits."""

from __future__ import annotations

import pytest

from config.facts.load_balancers import ENTRIES_OF_A_LIST
from planning.transitions.steps import Accepted, Refused
from tests.clusters import Document, three_control_planes
from tests.planning.documents import planned
from tests.planning.edited import at, edited, refused, transition

pytestmark = pytest.mark.unit

PATH = "kubernetes.endpoint.allowedCidrs"
ROOM = ENTRIES_OF_A_LIST - len(planned(three_control_planes()).network.vswitches)
"""The list has the vSwitches, too."""


def allowing(*networks: str) -> Document:
    return edited(three_control_planes(), at(PATH.replace(".", "/"), list(networks)))


def networks(count: int, start: int = 0) -> tuple[str, ...]:
    return tuple(f"198.51.{n}.0/24" for n in range(start, start + count))


def test_networks_that_do_not_fit_beside_those_that_go_are_refused() -> None:
    before, after = allowing(*networks(6)), allowing(*networks(6, 3))
    outcome = transition(before, after)
    assert refused(outcome) == (PATH,)
    assert isinstance(outcome, Refused)
    assert "198.51.0.0/24" in outcome.refusals[0].remedy


def test_the_remedy_is_a_run_with_both() -> None:
    before, after = allowing(*networks(6)), allowing(*networks(6, 3))
    both = allowing(*networks(9))
    assert isinstance(transition(before, both), Accepted)
    assert isinstance(transition(both, after), Accepted)


def test_every_network_of_a_full_list_can_be_exchanged_by_a_run_with_both() -> None:
    before, after = allowing(*networks(ROOM)), allowing(*networks(ROOM, 100))
    both = allowing(*networks(ROOM), *networks(ROOM, 100))
    assert refused(transition(before, after)) == (PATH,)
    assert isinstance(transition(before, both), Accepted)
    assert isinstance(transition(both, after), Accepted)


def test_networks_that_fit_in_the_list_together_are_exchanged_at_once() -> None:
    before, after = allowing(*networks(3)), allowing(*networks(3, 3))
    assert isinstance(transition(before, after), Accepted)


def test_lists_of_more_than_ten_networks_are_replaced_at_once() -> None:
    before, after = allowing(*networks(20)), allowing(*networks(20, 10))
    assert isinstance(transition(before, after), Accepted)


def test_one_control_plane_has_no_list() -> None:
    masters = at("nodePools/masters/count", 1)
    before, after = (
        edited(document, masters)
        for document in (allowing(*networks(ROOM)), allowing(*networks(ROOM, 100)))
    )
    assert isinstance(transition(before, after), Accepted)
