"""The order of turns, and which nodes each of them waits for."""

from __future__ import annotations

import pytest

from components.machines.rollout.turns import awaited_at_load_balancer, turns_before
from tests.components.machines.rollout.rolling import FIRST, PLANES, Rolling

pytestmark = pytest.mark.unit


def test_behind_a_new_load_balancer_everybody_waits_for_the_control_plane_that_was_there(
    three: Rolling,
) -> None:
    def awaited() -> dict[str, list[str]]:
        return {
            node: awaited_at_load_balancer(three.progress, node, PLANES)
            for node in (*PLANES, FIRST)
        }

    three.progress.new.update(PLANES[1:])
    assert not any(awaited().values())
    three.progress.earlier_planes = frozenset(PLANES[:1])
    three.progress.endpoint_moves = True
    later = (*PLANES[1:], FIRST)
    assert awaited() == {PLANES[0]: []} | {name: [PLANES[0]] for name in later}


def test_control_planes_that_were_there_have_the_first_turns_whatever_their_names(
    three: Rolling,
) -> None:
    def turns() -> dict[str, list[str]]:
        return {n: turns_before(three.progress, n) for n in (*PLANES, FIRST)}

    first, second, last = PLANES
    assert turns() == {first: [], second: [first], last: [first, second], FIRST: [*PLANES]}
    three.progress.earlier_planes = frozenset({last})
    three.progress.endpoint_moves = True
    assert turns() == {
        last: [],
        first: [last],
        second: [last, first],
        FIRST: [last, first, second],
    }
    three.progress.new.update((first, second))
    assert [
        awaited_at_load_balancer(three.progress, node, PLANES)
        for node in (last, first, second, FIRST)
    ] == [[], *([[last]] * 3)]
