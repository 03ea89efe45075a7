"""A cluster goes from one Kubernetes minor to the next by the commands of the runbook.

One control plane, upgraded where it is by kubeadm, and one worker, replaced by a plain `up`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
import yaml

from operations.engine.places import ROOT
from operations.failure import ExitCode
from planning.addresses.canonical import expand
from tests.engine.clouds.local_cloud import Done, SecondCloud, deployed, second_cloud
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

RUNBOOK = ROOT / "docs" / "runbooks" / "upgrade.md"
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "registry.k8s.io/pause:3.10"}]},
        },
    },
}


@pytest.fixture(scope="module", params=PATHS, ids=str)
def path(request: pytest.FixtureRequest) -> UpgradePath:
    """The two minors of an upgrade."""
    assert isinstance(request.param, UpgradePath)
    return request.param


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, path: UpgradePath) -> Iterator[SecondCloud]:
    """The local stack at the older minor, with pods of a Deployment on it."""
    path.need_both()
    cloud = second_cloud(tmp_path_factory.mktemp("upgraded") / "home")
    of_kubernetes(cloud, path.old)
    with deployed(cloud):
        web = cloud.places.home / "web.yaml"
        web.write_text(yaml.safe_dump(WEB))
        cloud.run("kubectl", "apply", "-f", str(web), check=True)
        cloud.run("kubectl", "rollout", "status", "deployment/web", "--timeout=100s", check=True)
        yield cloud


def on_machine(cloud: SecondCloud, node: str, script: str) -> Done:
    """Run a script on a node's machine as root."""
    instance = cloud.outputs()["nodes"][node]["instanceId"]
    session = ("localcloud.machines.session", "--home", str(cloud.places.home), instance)
    return cloud.run(sys.executable, "-m", *session, "--", "bash", "-c", script, deadline=900)


def runbooks_script(path: UpgradePath) -> str:
    """The runbook's commands for the only control plane, with this test's versions."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("\n## One control plane\n")[2]
    script = section.partition("```sh\n")[2].partition("```")[0]
    assert re.search(r"^OLD=\S+ NEW=\S+$", script, re.MULTILINE), script
    return "set -eux\n" + re.sub(
        r"^OLD=\S+ NEW=\S+$", f"OLD={path.old} NEW={path.new}", script, flags=re.MULTILINE
    )


def pod_capacity(cloud: SecondCloud, node: str) -> str:
    """How many pods the node's kubelet takes, from its drop-in directory."""
    status = cloud.kubectl("get", "node", node)["status"]
    return str(status["capacity"]["pods"])


def addresses_of_pools(cloud: SecondCloud, node: str) -> set[IPv4Address]:
    """Addresses of a node's pools; a pod takes one of eth0, or of any NIC where pods are spread."""
    return {
        address
        for _, spec in pools(cloud).values()
        if spec.get("nodeName") == [node]
        for address in expand(spec["ips"])
    }


def test_every_part_runs_the_older_minor(cloud: SecondCloud, path: UpgradePath) -> None:
    assert versions(cloud) == dict.fromkeys(("master", "worker", "/version"), f"v{path.old}")


def test_the_version_alone_in_the_stack_file_is_refused_and_nothing_changes(
    cloud: SecondCloud, path: UpgradePath
) -> None:
    before = cloud.outputs()["nodes"]
    of_kubernetes(cloud, path.new)
    try:
        done = upgrade(cloud, "--go")
    finally:
        of_kubernetes(cloud, path.old)
    assert done.status == ExitCode.REFUSED, done.transcript
    assert "is the only control plane" in " ".join(done.err.split())
    assert cloud.outputs()["nodes"] == before


def test_the_only_control_plane_is_upgraded_where_it_is(
    cloud: SecondCloud, path: UpgradePath
) -> None:
    before = pod_capacity(cloud, "master")
    standing = pools(cloud)
    done = on_machine(cloud, "master", runbooks_script(path))
    assert done.status == 0, done.transcript
    assert versions(cloud) == {
        "master": f"v{path.new}",
        "worker": f"v{path.old}",
        "/version": f"v{path.new}",
    }
    assert pod_capacity(cloud, "master") == before
    assert pools(cloud) == standing


def test_the_command_does_the_rest(cloud: SecondCloud, path: UpgradePath) -> None:
    before, standing = cloud.outputs()["nodes"], pools(cloud)
    of_kubernetes(cloud, path.new)
    shown = upgrade(cloud)
    assert shown.status == 0, shown.transcript
    assert re.findall(r"^ *\d+ +(\S+)", shown.out, re.MULTILINE) == ["workers"], shown.transcript
    done = upgrade(cloud, "--go")
    assert done.status == 0, cloud.explain(done)
    assert versions(cloud) == dict.fromkeys(("master", "worker", "/version"), f"v{path.new}")
    after = cloud.outputs()["nodes"]
    assert after["worker"]["instanceId"] != before["worker"]["instanceId"]
    assert after["master"]["instanceId"] == before["master"]["instanceId"]
    assert pools(cloud) == standing
    assert "runs the versions of its stack file" in upgrade(cloud).out


def test_every_component_has_the_new_version(cloud: SecondCloud, path: UpgradePath) -> None:
    images = {
        container["image"].rpartition("/")[2]
        for pod in cloud.kubectl("get", "pods", "-n", "kube-system")["items"]
        for container in pod["spec"]["containers"]
        if container["image"].rpartition("/")[2].startswith("kube-")
    }
    assert images == {
        f"kube-{part}:v{path.new}"
        for part in ("apiserver", "controller-manager", "scheduler", "proxy")
    }


def test_pods_have_addresses_of_their_nodes_pools(cloud: SecondCloud) -> None:
    cloud.run("kubectl", "rollout", "restart", "deployment/web", check=True)
    cloud.run("kubectl", "rollout", "status", "deployment/web", "--timeout=100s", check=True)
    pods = [
        pod
        for pod in cloud.kubectl("get", "pods", "-l", "app=web")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    ]
    assert len(pods) == 3
    for pod in pods:
        address = IPv4Address(pod["status"]["podIP"])
        assert address in addresses_of_pools(cloud, pod["spec"]["nodeName"])


def test_nothing_is_left_to_do(cloud: SecondCloud) -> None:
    assert previewed(cloud.pulumi("preview", "--json")) == []
