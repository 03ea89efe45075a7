"""The only control plane is lost with its disk, and `restore` makes the cluster again."""

from __future__ import annotations

import json

import pytest

from tests.engine.clouds.rolling_cloud import RollingCloud
from tests.engine.control_planes.lost_planes import (
    addresses_of_pods,
    lose,
    restore,
    snapshot_now,
    uids,
)

JUDGED = (
    "nodes-ready",
    "provider-ids",
    "pod-addresses-in-pools",
    "addresses-once",
    "pool-status",
    "snapshots",
)
"""What `verify` judges after a restore."""

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]


def test_a_cluster_whose_only_control_plane_is_lost_with_its_disk_is_restored(
    rolling: RollingCloud,
) -> None:
    cloud = rolling.cloud
    cloud.run("kubectl", "create", "configmap", "kept", "--from-literal=key=value", check=True)
    snapshot = snapshot_now(cloud)
    cloud.run("kubectl", "create", "configmap", "younger", check=True)
    namespaces, nodes = uids(cloud, "namespaces"), uids(cloud, "nodes")
    revision = int(cloud.kubectl("get", "configmap", "younger")["metadata"]["resourceVersion"])
    machines = rolling.instances()

    refused = restore(cloud, snapshot, "--yes")
    assert refused.status == 2
    assert "the cluster is alive" in refused.err

    lose(cloud, "master")
    done = restore(cloud, snapshot, "--yes")
    assert done.status == 0, cloud.explain(done)
    # That of kube-system is the cluster's own.
    assert uids(cloud, "namespaces") == namespaces
    kept = cloud.kubectl("get", "configmap", "kept")
    assert kept["data"] == {"key": "value"}
    names = {item["metadata"]["name"] for item in cloud.kubectl("get", "configmaps")["items"]}
    assert "younger" not in names
    # Informers list again: nothing that they remember is newer than what the cluster has.
    cloud.run("kubectl", "annotate", "configmap", "kept", "later=yes", check=True)
    changed = cloud.kubectl("get", "configmap", "kept")["metadata"]["resourceVersion"]
    assert int(changed) > revision
    assert rolling.instances() == machines
    assert {name: uid for name, uid in uids(cloud, "nodes").items() if name in machines} == {
        name: nodes[name] for name in machines
    }
    assert set(machines) <= rolling.look().open_workers
    addresses = addresses_of_pods(cloud)
    assert sorted(set(addresses)) == sorted(addresses)
    verdicts = json.loads(
        cloud.on_stack_file("verify", "--stack", "local", "--json", deadline=300).out
    )
    checks = {check["name"]: check["verdict"] for check in verdicts["checks"]}
    assert {name: checks[name] for name in JUDGED} == dict.fromkeys(JUDGED, "passed")
    shown = rolling.preview()
    assert shown.status == 0, shown.transcript
    assert " to replace" not in shown.out
    assert " to create" not in shown.out
    assert " to update" not in shown.out
