"""Restarts that no edit announced: somebody changed a machine by hand."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pulumi
import pytest

from tests.components.machines.rollout.rolling import (
    FIRST,
    PLANES,
    RESTART,
    Rolling,
    Silent,
    args,
    changes,
    run,
    serving,
)
from tests.fake_cluster import FakeCluster, a_node

pytestmark = pytest.mark.unit


def unplanned(
    roll: Rolling, node: str, *, status: str = "Running", instance_type: str = "ecs.by-hand"
) -> Coroutine[Any, Any, None]:
    """The hook of an update of an instance whose generation does not change."""
    return roll.changes.prepare_unplanned_restart(
        args(
            node,
            old_outputs={"status": status, "instanceType": instance_type},
            new_inputs={"status": "Running", "instanceType": "ecs.planned"},
        )
    )


@pytest.mark.parametrize("node", [PLANES[0], FIRST])
def test_a_machine_whose_type_was_changed_by_hand_is_emptied_first(
    three: Rolling, node: str
) -> None:
    cluster = serving(3)
    run(cluster, unplanned(three, node))
    assert cluster.done == [f"cordon {node}"]
    assert three.progress.changed == {node}


def test_no_control_plane_is_restarted_while_another_does_not_serve(three: Rolling) -> None:
    cluster = serving(3, planes={**dict.fromkeys(PLANES, True), PLANES[2]: False})
    with pytest.raises(pulumi.RunError, match=f"{PLANES[2]} .*because its instance type"):
        run(cluster, unplanned(three, PLANES[0]))
    assert cluster.done == []


@pytest.mark.parametrize("status", ["Starting", "Stopping", "Stopped"])
def test_a_machine_that_serves_again_is_emptied_before_the_provider_stops_it(
    three: Rolling, status: str
) -> None:
    cluster = serving(3)
    run(cluster, unplanned(three, FIRST, status=status, instance_type="ecs.planned"))
    assert cluster.done == [f"cordon {FIRST}"]


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(serving(3, objects={}), id="no Node"),
        pytest.param(serving(3, objects={FIRST: a_node(FIRST, ready=False)}), id="not ready"),
    ],
)
def test_a_stopped_machine_is_started_at_once(three: Rolling, cluster: FakeCluster) -> None:
    run(cluster, unplanned(three, FIRST, status="Stopped"))
    assert cluster.done == []
    assert three.progress.changed == set()


def test_a_machine_that_changes_in_its_turn_is_prepared_once(three: Rolling) -> None:
    cluster = serving(3)
    run(cluster, changes(three, FIRST, RESTART))
    run(cluster, unplanned(three, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]


def test_another_update_of_an_instance_sends_no_request(three: Rolling) -> None:
    cluster = serving(3)
    run(cluster, unplanned(three, FIRST, instance_type="ecs.planned"))
    assert cluster.done == []


def test_a_stopped_machine_is_started_although_no_api_server_answers(three: Rolling) -> None:
    run(Silent(), unplanned(three, PLANES[0], status="Stopped"))
    assert three.progress.changed == set()


def test_a_running_machine_is_kept_while_no_api_server_answers(three: Rolling) -> None:
    with pytest.raises(pulumi.RunError, match="its machine has not been touched"):
        run(Silent(), unplanned(three, PLANES[0]))


def test_a_worker_waits_for_a_control_plane_that_was_started_a_moment_ago(roll: Rolling) -> None:
    cluster = serving(failures=3)
    run(cluster, unplanned(roll, PLANES[0], status="Stopped"))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]


def test_a_control_plane_that_does_not_answer_after_its_start_keeps_the_workers(
    roll: Rolling,
) -> None:
    cluster = serving(failures=10**6)
    run(cluster, unplanned(roll, PLANES[0], status="Stopped"))
    with pytest.raises(pulumi.RunError, match="not touched while no control plane serves"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []
