"""A control plane changes only while all others serve, and the only one is never replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from tests.components.machines.rollout.rolling import (
    FIRST,
    IMAGE,
    PLANES,
    RESTART,
    SECOND,
    Rolling,
    changes,
    run,
    serving,
)
from tests.fake_cluster import a_node

pytestmark = pytest.mark.unit


def test_a_control_plane_goes_when_all_others_serve(three: Rolling) -> None:
    cluster = serving(3)
    run(cluster, changes(three, PLANES[0]))
    assert cluster.done == [f"cordon {PLANES[0]}"]
    assert three.progress.changed == {PLANES[0]}


@pytest.mark.parametrize("before", [IMAGE, RESTART], ids=["replaced", "restarted"])
@pytest.mark.parametrize(
    "unwell",
    [
        pytest.param({"planes": {**dict.fromkeys(PLANES, True), PLANES[2]: False}}, id="etcd"),
        pytest.param(
            {"objects": {n: a_node(n, ready=n != PLANES[2]) for n in (*PLANES, FIRST, SECOND)}},
            id="Node",
        ),
        pytest.param({"planes": dict.fromkeys(PLANES[:2], True)}, id="no member"),
    ],
)
def test_no_control_plane_goes_while_another_does_not_serve(
    three: Rolling, unwell: dict[str, Any], before: Mapping[str, Any]
) -> None:
    cluster = serving(3, **unwell)
    with pytest.raises(pulumi.RunError, match=f"does not serve: {PLANES[2]}"):
        run(cluster, changes(three, PLANES[0], before))
    assert cluster.done == []


def test_the_only_control_plane_is_never_replaced(roll: Rolling) -> None:
    cluster = serving()
    with pytest.raises(pulumi.RunError, match="its machine is never replaced, and image cannot"):
        run(cluster, changes(roll, PLANES[0]))
    assert cluster.done == []


def test_the_only_etcd_member_is_never_replaced_whatever_the_plan_says(three: Rolling) -> None:
    cluster = serving(1)
    three.progress.new.update(PLANES[1:])
    with pytest.raises(pulumi.RunError, match="has the only etcd member"):
        run(cluster, changes(three, PLANES[0]))
    assert cluster.done == []


def test_the_only_control_plane_is_restarted(roll: Rolling) -> None:
    cluster = serving()
    run(cluster, changes(roll, PLANES[0], RESTART))
    assert cluster.done == [f"cordon {PLANES[0]}"]


def test_a_version_is_no_new_machine_for_the_only_control_plane_that_runs_it(
    roll: Rolling,
) -> None:
    cluster = serving()
    run(cluster, changes(roll, PLANES[0], {"identity": {"kubernetes": "1.35.9"}}))
    assert cluster.done == []


@pytest.mark.parametrize(
    "older",
    [
        pytest.param({"runs": "v1.35.9"}, id="API server"),
        pytest.param({"objects": {PLANES[0]: a_node(PLANES[0], kubelet="v1.35.9")}}, id="kubelet"),
    ],
)
def test_a_version_that_the_only_control_plane_does_not_run_is_refused(
    roll: Rolling, older: dict[str, Any]
) -> None:
    with pytest.raises(pulumi.RunError, match=r"Upgrade masters-0 on the machine"):
        run(
            serving(**older),
            changes(roll, PLANES[0], {"identity": {"kubernetes": "1.35.9"}}),
        )


def test_the_clusters_version_is_written_before_the_first_control_plane_goes(
    three: Rolling,
) -> None:
    cluster = serving(3, configuration="clusterName: x\nkubernetesVersion: v1.36.2\n")
    before = {"identity": {"kubernetes": "1.36.2"}}
    run(cluster, changes(three, PLANES[0], before))
    run(cluster, changes(three, PLANES[1], before))
    assert cluster.done == [
        "write the cluster's version",
        f"cordon {PLANES[0]}",
        f"cordon {PLANES[1]}",
    ]
    assert "v1.36.3" in cluster.configuration
