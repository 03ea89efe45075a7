"""The only control plane is lost with its disk, and `restore` makes the cluster again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
import yaml

from tests.engine.lifecycle.official_sdk import client, models
from tests.engine.local_cloud import CLUSTER, Done, SecondCloud
from tests.engine.rolling_cloud import RollingCloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]


def snapshot_now(cloud: SecondCloud) -> str:
    """Take one with `backup`; return its id."""
    done = cloud.on_stack_file("backup", "--stack", "local", "--json", deadline=300)
    assert done.status == 0, cloud.explain(done)
    youngest, *_ = json.loads(done.out)["snapshots"]
    assert youngest["done"]
    return str(youngest["id"])


def restore(cloud: SecondCloud, snapshot: str, *more: str) -> Done:
    words = ("--stack", "local", "--from", snapshot, *more)
    return cloud.on_stack_file("restore", *words, deadline=1100)


def lose(cloud: SecondCloud, *planes: str) -> None:
    """Delete these control planes' machines and their disks."""
    cluster = yaml.safe_load(cloud.config_file.read_text())["config"][CLUSTER]
    ecs, api = models("ecs"), client("ecs", cloud)
    names = {f"{cluster['name']}-{plane}-etcd" for plane in planes}
    request = ecs.DescribeDisksRequest(region_id=cluster["region"], disk_type="data", page_size=100)
    disks = api.describe_disks(request).body.disks.disk
    for plane in planes:
        instance = cloud.outputs()["nodes"][plane]["instanceId"]
        api.delete_instance(ecs.DeleteInstanceRequest(instance_id=instance, force=True))
    for disk in disks:
        if disk.disk_name in names:
            until_it_works(
                lambda id_=disk.disk_id: api.delete_disk(ecs.DeleteDiskRequest(disk_id=id_))
            )


def until_it_works(call: Callable[[], object]) -> None:
    """Repeat a call while the cloud refuses it: a disk is free once its instance is deleted."""
    deadline = time.monotonic() + 60
    while True:
        try:
            call()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def uids(cloud: SecondCloud, kind: str) -> dict[str, str]:
    items = cloud.kubectl("get", kind)["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def addresses_of_pods(cloud: SecondCloud) -> list[str]:
    """Addresses of pods that run and have their own network."""
    return [
        entry["ip"]
        for pod in cloud.kubectl("get", "pods", "-A")["items"]
        if not pod["spec"].get("hostNetwork") and pod["status"].get("phase") == "Running"
        for entry in pod["status"].get("podIPs", ())
    ]


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
    assert "the cluster lives" in refused.err

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
        cloud.module("operations", "verify", "--stack", "local", "--json", deadline=300).out
    )
    assert [v for v in verdicts["checks"] if v["verdict"] == "failed"] == []
    shown = rolling.preview()
    assert shown.status == 0, shown.transcript
    assert " to replace" not in shown.out
    assert " to create" not in shown.out
    assert " to update" not in shown.out
