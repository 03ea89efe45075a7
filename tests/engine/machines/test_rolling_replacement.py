"""A plain `up` of the real engine drains and replaces workers one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.clouds.rolling_cloud import WORKERS, Moment, RollingCloud
from tests.engine.control_planes.kept_token import REFUSED, answer_to_the_kept_token
from tests.engine.lifecycle.clouds.light_cloud import node
from tests.engine.lifecycle.official_sdk import client, models

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

ecs: Any = models("ecs")

EARLIER_IMAGE = "ubuntu_24_04_x64_20G_alibase_20260815.vhd"
_TOLERATED = {"key": "node.cloudprovider.kubernetes.io/uninitialized", "operator": "Exists"}
_WORKERS_ONLY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "kubernetes.io/hostname", "operator": "In", "values": list(WORKERS)}
                    ]
                }
            ]
        }
    }
}


def pods(kind: str, name: str, **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - Kubernetes' JSON
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "tolerations": [_TOLERATED],
                    "affinity": _WORKERS_ONLY,
                    "containers": [{"name": name, "image": f"registry.example.com/{name}"}],
                },
            },
            **spec,
        },
    }


def budget(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - Kubernetes' JSON
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


def of_earlier_image(cluster: dict[str, Any]) -> None:
    cluster["nodePools"]["workers"]["image"] = EARLIER_IMAGE


def of_current_image(cluster: dict[str, Any]) -> None:
    del cluster["nodePools"]["workers"]["image"]


def last_before(moments: list[Moment], at: float) -> Moment:
    return [moment for moment in moments if moment.at < at][-1]


def test_disks_that_somebody_changed_in_the_cloud_replace_no_machine(rolling: RollingCloud) -> None:
    sdk = client("ecs", rolling.cloud)
    for machine in rolling.instances().values():
        request = ecs.DescribeDisksRequest(
            region_id="cn-hangzhou", instance_id=machine, disk_type="system"
        )
        (disk,) = sdk.describe_disks(request).body.disks.disk
        sdk.modify_disk_spec(
            ecs.ModifyDiskSpecRequest(disk_id=disk.disk_id, disk_category="cloud_auto")
        )
    shown = rolling.preview("--expect-no-changes")
    assert shown.status == 0, shown.transcript
    words = " ".join(shown.out.split())
    for worker in WORKERS:
        assert f"{worker}: the category of its system disk in the cloud is cloud_auto" in words


def test_another_image_replaces_workers_one_at_a_time_and_empty(rolling: RollingCloud) -> None:
    rolling.apply(pods("Deployment", "web", replicas=2), budget(minAvailable=1))
    rolling.until(lambda: len(rolling.look().web) == 2)
    before = rolling.instances()
    of_earlier_image(rolling.cluster)
    with rolling.watched() as moments:
        done = rolling.up()
    assert done.status == 0, rolling.cloud.explain(done)
    after = rolling.instances()
    assert set(before.values()).isdisjoint(after.values())
    # At every look at least one worker took pods and at least one pod served.
    assert all(moment.open_workers for moment in moments)
    assert all(moment.web for moment in moments)
    deleted = rolling.deletions()
    for worker in WORKERS:
        seen = last_before(moments, deleted[before[worker]])
        assert worker not in seen.open_workers
        assert worker not in seen.web.values()
        assert set(WORKERS) - {worker} == seen.open_workers
    nodes = rolling.cloud.kubectl("get", "nodes")["items"]
    instances = {n["metadata"]["name"]: n["spec"]["providerID"].rpartition(".")[2] for n in nodes}
    assert {worker: instances[worker] for worker in WORKERS} == after
    assert answer_to_the_kept_token(rolling.cloud) == REFUSED


def test_a_budget_that_never_allows_it_keeps_the_worker_and_says_why(
    rolling: RollingCloud,
) -> None:
    rolling.apply(budget(minAvailable=2))
    before = rolling.instances()
    with rolling.edited(of_current_image):
        done = rolling.up(SPIDERPOOL_ALICLOUD_DRAIN_SECONDS="4")
    assert done.status != 0
    assert "first was not empty after 4 s" in done.out, done.transcript
    assert "disruption budget" in done.out
    assert rolling.instances() == before
    rolling.apply(budget(minAvailable=1))
    rolling.cloud.run("kubectl", "uncordon", "first", check=True)
    assert "-replace" not in rolling.preview().out


def test_a_worker_with_other_addresses_gives_pods_only_those(rolling: RollingCloud) -> None:
    rolling.apply(pods("DaemonSet", "agent"))
    rolling.until(lambda: "second" in rolling.pod_addresses("agent"))
    before = rolling.pod_addresses("agent")["second"]
    rolling.cluster["nodePools"]["workers"]["nodes"]["second"] = node(5)
    done = rolling.up()
    assert done.status == 0, rolling.cloud.explain(done)
    rolling.until(lambda: "second" in rolling.pod_addresses("agent"))
    # A pod without a network of its own gets one of the two by its share of the addresses.
    networks = ("172.31.200", "192.168.0")
    planned = {f"{network}.{number}" for network in networks for number in range(57, 62)}
    assert before not in planned
    assert rolling.pod_addresses("agent")["second"] in planned
    pool = rolling.cloud.kubectl("get", "spiderippool", "second-eth0")
    assert pool["spec"]["ips"] == ["172.31.200.57-172.31.200.61"]
    previewed = rolling.preview().out
    assert " to update" not in previewed
    assert " to replace" not in previewed


def test_a_worker_that_leaves_is_emptied_before_its_pools_and_its_machine_go(
    rolling: RollingCloud,
) -> None:
    rolling.apply(pods("DaemonSet", "agent"))
    leaving = rolling.instances()["second"]
    del rolling.cluster["nodePools"]["workers"]["nodes"]["second"]
    with rolling.watched() as moments:
        done = rolling.up()
    assert done.status == 0, rolling.cloud.explain(done)
    assert all(moment.web for moment in moments)
    seen = last_before(moments, rolling.deletions()[leaving])
    assert "second" not in seen.open_workers
    assert set(seen.web.values()) == {"first"}
    nodes = rolling.cloud.kubectl("get", "nodes")["items"]
    assert {item["metadata"]["name"] for item in nodes} == {"master", "first"}
    pools = rolling.cloud.kubectl("get", "spiderippools")["items"]
    assert not [p for p in pools if p["metadata"]["name"].startswith("second-")]
