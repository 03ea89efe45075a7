"""Edits by which the scheduler begins to count addresses, or a NIC loses those that pods draw."""

from __future__ import annotations

from typing import Any

import pytest

from planning.transitions.edits import check_edit
from planning.transitions.holders import Cluster, Holders, NotAsked
from planning.transitions.reading import EarlierRelease, read_record
from planning.transitions.record import record
from planning.transitions.steps import Accepted, ChangeInPlace, Refused, ReplaceWorker, Transition
from planning.transitions.upgrades import version_of
from tests.planning.documents import planned
from tests.planning.edited import Edit, at, clustered, edited

pytestmark = pytest.mark.unit
OLDER = at("kubernetes/version", "1.35.4")
UNCOUNTED = at("pods/countAddresses", value=False)
ON_ETH0 = at("pods/defaultNetwork", "eth0")
WITHOUT_ETH1 = at("nodePools/workers/interfaces/eth1/podAddresses", 0)
UNITS = {"masters-0": 2, "workers-0": 2, "workers-1": 2}
ONE_PLANE = clustered(planes=1, workers=2)


def recorded(document: Any) -> Any:  # noqa: ANN401 - a document, a record
    return read_record(record(planned(document)))


def transition(before: Any, after: Any, units: dict[str, int] | None) -> Transition:  # noqa: ANN401
    cluster: Cluster = Holders(units=units, control_planes=("masters-0",))
    return check_edit(recorded(before), recorded(after), cluster)


def refused(outcome: Transition) -> list[str]:
    assert isinstance(outcome, Refused)
    return [refusal.path for refusal in outcome.refusals]


@pytest.mark.parametrize("unit", [0, 1])
def test_a_node_that_cannot_advertise_is_named_before_pods_ask_for_addresses(unit: int) -> None:
    before = edited(ONE_PLANE, UNCOUNTED)
    outcome = transition(before, ONE_PLANE, UNITS | {"masters-0": unit})
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert (refusal.path, refusal.value) == ("pods.countAddresses", "true")
    assert "masters-0 cannot" in refusal.rule


def test_the_remedy_is_accepted() -> None:
    before = edited(ONE_PLANE, UNCOUNTED)
    units = UNITS | {"masters-0": 1}
    assert isinstance(transition(before, edited(ONE_PLANE, UNCOUNTED), units), Accepted)


def test_nodes_that_can_advertise_begin_to_count_in_place() -> None:
    outcome = transition(edited(ONE_PLANE, UNCOUNTED), ONE_PLANE, UNITS)
    assert isinstance(outcome, Accepted)
    assert [step.target for step in outcome.steps if isinstance(step, ChangeInPlace)] == ["pods"]


def test_a_node_without_pod_addresses_need_not_advertise() -> None:
    none = [at(f"nodePools/masters/interfaces/{nic}/podAddresses", 0) for nic in ("eth0", "eth1")]
    before = edited(ONE_PLANE, UNCOUNTED, *none)
    outcome = transition(before, edited(ONE_PLANE, *none), UNITS | {"masters-0": 0})
    assert isinstance(outcome, Accepted)


def test_a_cluster_that_counts_already_is_not_asked_again() -> None:
    more = at("nodePools/workers/count", 3)
    outcome = transition(ONE_PLANE, edited(ONE_PLANE, more), UNITS | {"masters-0": 1})
    assert isinstance(outcome, Accepted)


def test_an_upgrade_of_the_only_control_plane_on_an_old_unit_is_refused() -> None:
    outcome = check_edit(
        recorded(edited(ONE_PLANE, OLDER)),
        recorded(ONE_PLANE),
        Holders(units=UNITS | {"masters-0": 1}, api_server=version_of("1.36.3")),
    )
    assert "pods.countAddresses" in refused(outcome)


def test_workers_that_the_same_edit_replaces_may_have_an_old_unit() -> None:
    image = at("nodePools/workers/image", "ubuntu_24_04_x64_20G_alibase_20260101.vhd")
    before = edited(ONE_PLANE, UNCOUNTED)
    units = UNITS | {"workers-0": 1, "workers-1": 1}
    assert refused(transition(before, ONE_PLANE, units)) == ["pods.countAddresses"]
    assert isinstance(transition(before, edited(ONE_PLANE, image), units), Accepted)


def test_a_preview_that_cannot_ask_does_not_refuse() -> None:
    before = recorded(edited(ONE_PLANE, UNCOUNTED))
    outcome = check_edit(before, recorded(ONE_PLANE), NotAsked(reason="no run is complete yet"))
    assert isinstance(outcome, Accepted)


def test_the_first_run_over_an_earlier_release_does_not_begin_to_count_on_its_machines() -> None:
    before = EarlierRelease(workers=("workers-0", "workers-1"), kubernetes="1.36.3")
    units = dict.fromkeys(UNITS, 1)
    cluster = Holders(units=units, control_planes=("masters-0",))
    assert "pods.countAddresses" in refused(check_edit(before, recorded(ONE_PLANE), cluster))
    without = recorded(edited(ONE_PLANE, UNCOUNTED))
    assert isinstance(check_edit(before, without, cluster), Accepted)


@pytest.mark.parametrize("edit", [WITHOUT_ETH1, at("nodePools/workers/interfaces/eth1", None)])
def test_a_network_that_pods_are_spread_over_does_not_lose_its_last_addresses(edit: Edit) -> None:
    outcome = transition(ONE_PLANE, edited(ONE_PLANE, edit), UNITS)
    assert "pods.defaultNetwork" in refused(outcome)
    first = edited(ONE_PLANE, ON_ETH0)
    assert isinstance(transition(ONE_PLANE, first, UNITS), Accepted)
    assert isinstance(transition(first, edited(first, edit), UNITS), Accepted)


def test_a_network_keeps_its_pods_if_an_untainted_control_plane_has_it() -> None:
    before = edited(ONE_PLANE, at("nodePools/masters/taints", []))
    assert isinstance(transition(before, edited(before, WITHOUT_ETH1), UNITS), Accepted)


def test_a_network_loses_its_last_open_nodes_by_a_taint_too() -> None:
    more = {**ONE_PLANE["nodePools"]["workers"], "firstBlock": 65, "count": 1}
    more["interfaces"] = {"eth0": {"subnet": "primary"}}
    before = edited(ONE_PLANE, at("nodePools/more", more))
    taint = [{"key": "a.io/b", "effect": "NoSchedule"}]
    outcome = transition(before, edited(before, at("nodePools/workers/taints", taint)), UNITS)
    assert refused(outcome) == ["pods.defaultNetwork"]


def test_nodes_without_a_network_that_every_node_had_are_named() -> None:
    more = {**ONE_PLANE["nodePools"]["workers"], "firstBlock": 65, "count": 1}
    more["interfaces"] = {"eth0": {"subnet": "primary"}}
    outcome = transition(ONE_PLANE, edited(ONE_PLANE, at("nodePools/more", more)), UNITS)
    assert isinstance(outcome, Accepted)
    (note,) = outcome.notes
    assert "pods of DaemonSets on more-0 may ask for an address of eth1" in note


def test_policies_change_after_the_nodes() -> None:
    image = at("nodePools/workers/image", "ubuntu_24_04_x64_20G_alibase_20260101.vhd")
    outcome = transition(ONE_PLANE, edited(ONE_PLANE, image, ON_ETH0), UNITS)
    assert isinstance(outcome, Accepted)
    order = [type(step) for step in outcome.steps]
    assert order.index(ChangeInPlace) > order.index(ReplaceWorker)
