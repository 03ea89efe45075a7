"""Three control planes go to the next Kubernetes minor by one command, replaced one by one."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from config.facts.address_counting import SINCE_MINOR
from planning.spiderpool.address_requests import NAME
from tests.engine.clouds.local_cloud import SecondCloud, deployed, second_cloud
from tests.engine.clouds.three_zones import MASTERS, use_three_zones
from tests.engine.control_planes.test_three_control_planes import asked
from tests.engine.kubernetes.kubernetes_versions import (
    PATHS,
    UpgradePath,
    of_kubernetes,
    pools,
    upgrade,
    versions,
)
from tests.engine.lifecycle.clouds.light_cloud import previewed

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

ADDRESSES = {"10.64.0.16", "10.64.32.32", "10.64.64.48"}


@pytest.fixture(scope="module", params=PATHS, ids=str)
def path(request: pytest.FixtureRequest) -> UpgradePath:
    """The two minors of an upgrade."""
    assert isinstance(request.param, UpgradePath)
    return request.param


@pytest.fixture(scope="module")
def three_planes(
    tmp_path_factory: pytest.TempPathFactory, path: UpgradePath
) -> Iterator[SecondCloud]:
    """Three control planes in three zones and one worker, at the older minor."""
    path.need_both()
    cloud = second_cloud(tmp_path_factory.mktemp("three-planes") / "home")
    document = yaml.safe_load(cloud.config_file.read_text())
    use_three_zones(document, name="three", control_planes=3)
    cloud.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    of_kubernetes(cloud, path.old)
    with deployed(cloud):
        yield cloud


def etcd_members(cloud: SecondCloud) -> set[str]:
    """Addresses of the etcd members that are ready."""
    pods = cloud.kubectl("get", "pods", "-n", "kube-system", "-l", "component=etcd")["items"]
    return {
        pod["status"]["podIP"]
        for pod in pods
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
    }


def counts(version: str) -> bool:
    """Whether the API server of a version serves the policies by which pods ask for addresses."""
    return int(version.removeprefix("v").split(".")[1]) >= SINCE_MINOR


def has_policies(cloud: SecondCloud) -> bool:
    """Whether the first of their objects is there, which an older API server has, too."""
    return cloud.run("kubectl", "get", "clusterrole", NAME, "--request-timeout=5s").status == 0


def api_servers(cloud: SecondCloud) -> set[str]:
    """Versions of all API servers."""
    command = ("get", "pods", "-n", "kube-system", "-l", "component=kube-apiserver", "-o", "json")
    done = cloud.run("kubectl", "--request-timeout=5s", *command)
    pods = json.loads(done.out)["items"] if done.status == 0 else []
    return {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}


@contextmanager
def policies_watched(cloud: SecondCloud) -> Iterator[list[set[str]]]:
    """The API servers' versions whenever the policies were there and one did not know them."""
    early: list[set[str]] = []
    ends = threading.Event()

    def run() -> None:
        while not ends.wait(3):
            # The policies first: an API server that goes in between is no reason to fail.
            if has_policies(cloud) and not all(map(counts, seen := api_servers(cloud))):
                early.append(seen)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield early
    finally:
        ends.set()
        thread.join(60)


def test_one_command_replaces_every_machine_while_the_api_answers(
    three_planes: SecondCloud, path: UpgradePath
) -> None:
    cloud = three_planes
    everybody = (*MASTERS, "workers-0")
    assert versions(cloud) == dict.fromkeys((*everybody, "/version"), f"v{path.old}")
    before, standing = cloud.outputs(), pools(cloud)
    of_kubernetes(cloud, path.new)
    shown = upgrade(cloud)
    assert shown.status == 0, shown.transcript
    targets = re.findall(r"^ *\d+ +\S+(?: \S+)* {2,}(\S+)", shown.out, re.MULTILINE)
    assert targets == ["kubeadm-config", *MASTERS, "kube-proxy", "workers-0"], shown.transcript
    assert has_policies(cloud) is counts(path.old)
    with asked(before["apiEndpoint"]) as answers, policies_watched(cloud) as early:
        done = upgrade(cloud, "--go")
    assert done.status == 0, cloud.explain(done)
    assert early == []
    assert has_policies(cloud) is counts(path.new)
    assert answers.longest_silence < 15, answers.errors
    assert versions(cloud) == dict.fromkeys((*everybody, "/version"), f"v{path.new}")
    after = cloud.outputs()["nodes"]
    for node in everybody:
        assert after[node]["instanceId"] != before["nodes"][node]["instanceId"]
        assert after[node]["interfaces"] == before["nodes"][node]["interfaces"]
    assert pools(cloud) == standing
    assert etcd_members(cloud) == ADDRESSES


def test_nothing_is_left_to_do_for_three(three_planes: SecondCloud) -> None:
    assert "runs the versions of its stack file" in upgrade(three_planes).out
    assert previewed(three_planes.pulumi("preview", "--json")) == []
