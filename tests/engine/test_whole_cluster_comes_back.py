"""The machine of the only control plane is deleted, and `up` brings the same cluster back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.clouds.rolling_cloud import RollingCloud
from tests.engine.lifecycle.official_sdk import client, models

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def by_name(rolling: RollingCloud, kind: str) -> dict[str, Any]:
    """Cluster-scoped objects by name."""
    items = rolling.cloud.kubectl("get", kind)["items"]
    return {item["metadata"]["name"]: item for item in items}


def uids(objects: dict[str, Any]) -> dict[str, str]:
    return {name: item["metadata"]["uid"] for name, item in objects.items()}


def test_the_cluster_of_a_lost_control_plane_comes_back_with_everything(
    rolling: RollingCloud,
) -> None:
    cloud = rolling.cloud
    cloud.run("kubectl", "create", "configmap", "kept", "--from-literal=key=value", check=True)
    namespaces, pools = (uids(by_name(rolling, kind)) for kind in ("namespaces", "spiderippools"))
    nodes, machines = by_name(rolling, "nodes"), rolling.instances()
    lost = cloud.outputs()["nodes"]["master"]["instanceId"]
    ecs = models("ecs")
    client("ecs", cloud).delete_instance(ecs.DeleteInstanceRequest(instance_id=lost, force=True))

    done = rolling.up()
    assert done.status == 0, cloud.explain(done)
    # That of kube-system is the cluster's own.
    assert uids(by_name(rolling, "namespaces")) == namespaces
    assert cloud.kubectl("get", "configmap", "kept")["data"] == {"key": "value"}
    assert uids(by_name(rolling, "spiderippools")) == pools
    after = by_name(rolling, "nodes")
    machine = cloud.outputs()["nodes"]["master"]["instanceId"]
    assert machine != lost
    assert after["master"]["spec"]["providerID"].endswith(machine)
    # Its boot marks it once it is there.
    rolling.until(
        lambda: (
            "node-role.kubernetes.io/control-plane"
            in by_name(rolling, "nodes")["master"]["metadata"]["labels"]
        )
    )
    assert rolling.instances() == machines
    for worker in machines:
        assert after[worker]["metadata"]["uid"] == nodes[worker]["metadata"]["uid"]
        assert not after[worker]["spec"].get("unschedulable")
    # A kubelet needs some seconds until it has found the API server again.
    rolling.until(lambda: set(machines) <= rolling.look().open_workers)
    shown = rolling.preview()
    assert shown.status == 0, shown.transcript
    assert " to replace" not in shown.out
    assert " to create" not in shown.out
