"""A destroy goes from the workloads down to the network and never blocks.

The cluster is the tests' own, with sample apps and the cloud controller. A Deployment that Pulumi
does not manage, like CoreDNS, holds addresses of the pools during the destroy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.engine.clouds.deletions import Deletions, cloud_calls, watched
from tests.engine.clouds.local_cloud import Done, SecondCloud, second_cloud
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

GROUP = "/apis/spiderpool.spidernet.io/v2beta1"
SYSTEM = "/api/v1/namespaces/kube-system"
PATHS = {
    "workload": "/apis/apps/v1/namespaces/default/daemonsets",
    "pool": f"{GROUP}/spiderippools",
    "multus config": f"{GROUP}/namespaces/kube-system/spidermultusconfigs",
    "release": f"{SYSTEM}/secrets?labelSelector=owner%3Dhelm",
    "cloud controller": (
        "/apis/apps/v1/namespaces/kube-system/deployments"
        "?fieldSelector=metadata.name%3Dcloud-controller-manager"
    ),
}
STRANGER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "stranger"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "stranger"}},
        "template": {
            "metadata": {"labels": {"app": "stranger"}},
            "spec": {"containers": [{"name": "c", "image": "docker.io/library/web:1"}]},
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Destroyed:
    done: Done
    deletions: Deletions
    engine: dict[str, list[float]]
    """When the engine said that a resource was deleted, by its type."""
    instances: list[float]
    vswitches: list[float]
    vpcs: list[float]
    left: dict[str, object]


CHANGES = {
    "    name: guide\n": "    name: guide\n    sampleApps: {enabled: true}\n",
    "instanceType: ecs.g7.large": "instanceType: ecs.g7.xlarge",
    # Room for the apps next to CoreDNS and the controllers: `maxPods` follows the addresses.
    "eth0: {subnet: primary, podAddresses: 5}": "eth0: {subnet: primary, podAddresses: 9}",
    "podAddresses: [172.31.199.185-172.31.199.189]": (
        "podAddresses: [172.31.199.195-172.31.199.203]"
    ),
}


@pytest.fixture(scope="module")
def destroyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Destroyed]:
    folder = tmp_path_factory.mktemp("destroy")
    cloud = second_cloud(folder / "home", changes=CHANGES)
    try:
        done = cloud.operations("up")
        assert done.status == 0, cloud.explain(done)
        yield destroy(cloud, folder)
    finally:
        cloud.operations("down", "--discard", deadline=300)
        cloud.kill_everything()


def destroy(cloud: SecondCloud, folder: Path) -> Destroyed:
    body = folder / "stranger.json"
    body.write_text(json.dumps(STRANGER))
    cloud.run("kubectl", "create", "-f", str(body), check=True)
    until("the stranger holds addresses", 60, lambda: held_by_stranger(cloud))
    log = folder / "events.json"
    with watched(cloud.places.kubeconfig, PATHS) as deletions:
        options = ("--yes", "--skip-preview", "--event-log", str(log))
        done = cloud.pulumi("destroy", *options, env={"PULUMI_DEBUG_COMMANDS": "true"})
        assert done.status == 0, cloud.explain(done)
    control = cloud.places.cloud / "run" / "control.sock"
    return Destroyed(
        done=done,
        deletions=deletions,
        engine=engine_deletions(log),
        instances=cloud_calls(control, "DeleteInstance"),
        vswitches=cloud_calls(control, "DeleteVSwitch"),
        vpcs=cloud_calls(control, "DeleteVpc"),
        left=dict(cloud.resources()),
    )


def held_by_stranger(cloud: SecondCloud) -> bool:
    pools = cloud.kubectl("get", "spiderippools")["items"]
    return any("stranger" in (p.get("status") or {}).get("allocatedIPs", "") for p in pools)


def engine_deletions(log: Path) -> dict[str, list[float]]:
    """Times of the engine's deletions by resource type, from its event log."""
    deletions: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        metadata = (event.get("resOutputsEvent") or {}).get("metadata") or {}
        if metadata.get("op") == "delete":
            deletions.setdefault(metadata["type"], []).append(event["timestamp"])
    return deletions


def test_the_destroy_ends_though_a_pod_holds_an_address(destroyed: Destroyed) -> None:
    assert destroyed.done.status == 0, destroyed.done.transcript
    assert destroyed.left == {}
    assert destroyed.done.seconds < 300


def test_objects_go_from_the_workloads_down_to_the_cloud_controller(destroyed: Destroyed) -> None:
    seen = destroyed.deletions
    kinds = ["workload", "multus config", "release", "cloud controller"]
    for first, then in pairwise(kinds):
        assert max(seen.of(first)) <= min(seen.of(then)), (first, then, seen)


def test_the_engine_lets_pools_go_between_workloads_and_multus_configs(
    destroyed: Destroyed,
) -> None:
    version = "kubernetes:spiderpool.spidernet.io/v2beta1"
    kinds = [
        "kubernetes:apps/v1:DaemonSet",
        f"{version}:SpiderIPPool",
        f"{version}:SpiderMultusConfig",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:apps/v1:Deployment",
        "alicloud:ecs/instance:Instance",
        "alicloud:vpc/switch:Switch",
        "alicloud:vpc/network:Network",
    ]
    for first, then in pairwise(kinds):
        assert max(destroyed.engine[first]) <= min(destroyed.engine[then]), (first, then)


def test_nodes_go_after_everything_in_kubernetes_and_the_network_last(destroyed: Destroyed) -> None:
    assert max(destroyed.deletions.of("cloud controller")) <= min(destroyed.instances)
    assert max(destroyed.instances) <= min(destroyed.vswitches)
    assert max(destroyed.vswitches) <= min(destroyed.vpcs)
