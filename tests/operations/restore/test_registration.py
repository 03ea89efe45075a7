"""Nodes from the time of the snapshot, and machines that run now."""

from __future__ import annotations

from typing import Any

import pytest

from operations.restore.registration import UnregisteredNodes, silent_nodes, unregistered_nodes

pytestmark = pytest.mark.unit

IDS = {"first": "cn-hangzhou.i-1", "second": "cn-hangzhou.i-2"}


def node(provider_id: str, *, ready: str = "True") -> dict[str, Any]:
    return {
        "spec": {"providerID": provider_id},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_machines_that_came_after_the_snapshot_have_to_register() -> None:
    nodes = {"first": node("cn-hangzhou.i-0"), "third": node("cn-hangzhou.i-3")}
    assert unregistered_nodes(nodes, IDS) == UnregisteredNodes(
        missing=("second",), replaced=("first",)
    )


def test_nodes_of_their_own_machines_stay_as_they_are() -> None:
    nodes = {name: node(id_) for name, id_ in IDS.items()}
    assert unregistered_nodes(nodes, IDS) == UnregisteredNodes(missing=(), replaced=())


def test_a_node_is_back_once_it_has_renewed_its_lease() -> None:
    nodes = {name: node(id_) for name, id_ in IDS.items()}
    before = {"first": "10:00", "second": "10:00"}
    assert silent_nodes(nodes, IDS, before, before) == ["first", "second"]
    assert silent_nodes(nodes, IDS, {**before, "first": "12:00"}, before) == ["second"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({}, id="absent"),
        pytest.param({"first": node("cn-hangzhou.i-0")}, id="another machine's"),
        pytest.param({"first": node(IDS["first"], ready="Unknown")}, id="not ready"),
    ],
)
def test_a_lease_alone_does_not_bring_a_node_back(other: dict[str, Any]) -> None:
    ids = {"first": IDS["first"]}
    assert silent_nodes(other, ids, {"first": "12:00"}, {"first": "10:00"}) == ["first"]
    assert silent_nodes(other, ids, {"first": "12:00"}, {}) == ["first"]
