"""A cluster with one control plane whose machine is deleted: `up` brings the same cluster back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.engine.lifecycle.official_sdk import client, models
from tests.engine.local_cloud import CLUSTER, SecondCloud, second_cloud
from tests.engine.three_zones import use_three_zones

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondCloud]:
    cloud = second_cloud(tmp_path_factory.mktemp("dev") / "home")
    document = yaml.safe_load(cloud.config_file.read_text())
    use_three_zones(document, name="dev", control_planes=1)
    cluster = document["config"][CLUSTER]
    cluster["nodePools"]["masters"]["etcdDisk"] = {}
    cluster["spiderpool"] = {"enabled": False}
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    try:
        done = cloud.operations("up")
        assert done.status == 0, cloud.explain(done)
        yield cloud
    finally:
        cloud.operations("down", "--discard", deadline=120)
        cloud.kill_everything()


def nodes(cloud: SecondCloud) -> dict[str, Any]:
    return {node["metadata"]["name"]: node for node in cloud.kubectl("get", "nodes")["items"]}


def uid(cloud: SecondCloud) -> str:
    return str(cloud.kubectl("get", "namespace", "kube-system")["metadata"]["uid"])


def test_the_same_cluster_comes_back(dev: SecondCloud) -> None:
    before, cluster = nodes(dev), uid(dev)
    dev.run("kubectl", "create", "configmap", "kept", "--from-literal=a=b", check=True)
    lost = dev.outputs()["nodes"]["masters-0"]["instanceId"]
    ecs = models("ecs")
    client("ecs", dev).delete_instance(ecs.DeleteInstanceRequest(instance_id=lost, force=True))
    began = time.monotonic()
    done = dev.pulumi("up", "--yes", "--skip-preview", "--suppress-progress", "--suppress-outputs")
    print(done.transcript)
    print("SECONDS", time.monotonic() - began)
    for console in dev.places.home.glob("machines/*/console*"):
        print(console, console.read_text()[-6000:])
    assert done.status == 0, dev.explain(done)
    assert uid(dev) == cluster
    assert dev.kubectl("get", "configmap", "kept")["data"] == {"a": "b"}
    after = nodes(dev)
    assert after["workers-0"]["metadata"]["uid"] == before["workers-0"]["metadata"]["uid"]
    assert after["masters-0"]["spec"]["providerID"] != before["masters-0"]["spec"]["providerID"]
    print({n: v["metadata"]["labels"] for n, v in after.items()}, after["masters-0"]["spec"])
    done = dev.pulumi("preview", "--expect-no-changes")
    assert done.status == 0, done.transcript
