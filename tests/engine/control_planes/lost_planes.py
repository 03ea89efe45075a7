"""Control planes that are lost with their disks, and `restore`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial

import yaml

from tests.engine.clouds.local_cloud import CLUSTER, Done, SecondCloud
from tests.engine.lifecycle.official_sdk import client, models
from tests.localcloud.machines.fake_cloud import until
from tests.patience import end_of_wait


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


def lose(cloud: SecondCloud, *planes: str, disks: bool = True) -> None:
    """Delete these control planes' machines, and their disks."""
    cluster = yaml.safe_load(cloud.config_file.read_text())["config"][CLUSTER]
    ecs, api = models("ecs"), client("ecs", cloud)
    names = {f"{cluster['name']}-{plane}-etcd" for plane in planes}
    request = ecs.DescribeDisksRequest(region_id=cluster["region"], disk_type="data", page_size=100)
    present = api.describe_disks(request).body.disks.disk
    for plane in planes:
        instance = cloud.outputs()["nodes"][plane]["instanceId"]
        api.delete_instance(ecs.DeleteInstanceRequest(instance_id=instance, force=True))
    for disk in present if disks else ():
        if disk.disk_name in names:
            request = ecs.DeleteDiskRequest(disk_id=disk.disk_id)
            until_it_works(partial(api.delete_disk, request))


def stop(cloud: SecondCloud, plane: str) -> None:
    """Stop a control plane's machine, and wait until it is stopped."""
    ecs, api = models("ecs"), client("ecs", cloud)
    instance = cloud.outputs()["nodes"][plane]["instanceId"]
    api.stop_instance(ecs.StopInstanceRequest(instance_id=instance, force_stop=True))
    request = ecs.DescribeInstancesRequest(
        region_id="cn-hangzhou", instance_ids=json.dumps([instance])
    )
    until(
        f"{plane} is stopped",
        60,
        lambda: api.describe_instances(request).body.instances.instance[0].status == "Stopped",
    )


def parts_of_planes(cloud: SecondCloud) -> list[str]:
    """The names of the control planes' machines and disks for etcd that the cloud has."""
    ecs, api = models("ecs"), client("ecs", cloud)
    where = {"region_id": "cn-hangzhou", "page_size": 100}
    machines = api.describe_instances(ecs.DescribeInstancesRequest(**where)).body.instances.instance
    disks = api.describe_disks(ecs.DescribeDisksRequest(**where, disk_type="data")).body.disks.disk
    names = [machine.instance_name for machine in machines] + [disk.disk_name for disk in disks]
    return sorted(name for name in names if "-masters-" in name)


def until_it_works(call: Callable[[], object]) -> None:
    """Repeat a call while the cloud refuses it: a disk is free once its instance is deleted."""
    deadline = end_of_wait(60)
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
