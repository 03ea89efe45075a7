"""A control plane of namespaces and a worker that is a virtual machine, from their user-data alone.

The worker is the real thing from the firmware to the kubelet: cloud-init, apt with signed sources,
containerd, kubeadm join. It has no image registry, so no container runs on it.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.kinds import shell
from localcloud.settings import Machines, Places, remember, virtual_folder
from localcloud.virtual.failure import PreparationError
from localcloud.virtual.node_packages import built
from localcloud.virtual.preparation import prepare
from operations.secrets.pki import make_secrets
from planning.nodes.endpoint import private_address
from planning.nodes.kubeconfig import kubeconfig
from planning.nodes.secrets import ClusterSecrets
from planning.nodes.user_data import CREATION_SECONDS, user_data
from tests.localcloud.machines.fake_cloud import (
    REGION,
    FakeCloud,
    Supervisor,
    free_loopback_address,
    instance,
    interface,
    until,
)
from tests.planning.documents import ROOT, stack_plan

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2400)]

PLAN = stack_plan("local")
MASTER, WORKER = "master", "worker"
JOINED_WITHIN = 1800
"""Seconds; long, because the machine is emulated in software on busy cores."""


@dataclass(kw_only=True)
class Bed:
    """A fake cloud with both machines."""

    cloud: FakeCloud
    secrets: ClusterSecrets
    public: str

    def machine(self, node: str, number: int) -> dict[str, Any]:
        """An instance with its ENIs and its user-data."""
        macs, nics = {}, []
        for place, (name, nic) in enumerate(sorted(PLAN.nodes[node].interfaces.items())):
            macs[name] = f"00:16:3e:0b:0{number}:0{place}"
            network = str(PLAN.network.vswitches[nic.vswitch].cidr)
            primary = name == "eth0"
            eni = f"eni-{node}-{name}"
            nics.append(interface(eni, macs[name], str(nic.primary), network, primary=primary))
        encoded = user_data(
            PLAN,
            node,
            secrets=self.secrets,
            macs=macs,
            api_address=private_address(PLAN.control_planes[0]),
            public_address=self.public,
            creation_ends=int(time.time()) + CREATION_SECONDS,
        )
        return instance(node, nics, base64.b64decode(encoded).decode())

    def console(self, node: str) -> str:
        return self.cloud.consoles.get(f"i-{node}", "")

    def kubectl(self, *arguments: str) -> Any:  # noqa: ANN401  (whatever the API server has)
        done = subprocess.run(  # noqa: S603  (the toolchain's own)
            [
                ROOT / ".local" / "bin" / "kubectl",
                f"--kubeconfig={self.cloud.home / 'kubeconfig'}",
                "--request-timeout=20s",
                *arguments,
                "-o",
                "json",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    def run(self, *command: str) -> str:
        """A command as the worker's root."""
        done = shell.run(self.cloud.home / "machines" / f"i-{WORKER}", command, seconds=120)
        assert done.status == 0, done.output.decode()
        return done.output.decode()


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    local = ROOT / ".local"
    tools = Path(os.environ.get("LOCALCLOUD_TOOLS", local / "bin"))
    folder = virtual_folder(Places(home=local), os.environ)
    try:
        node = built(tools)
        if node is None:
            pytest.skip(
                "No kubelet and containerd were built: `python -m toolchain ensure --node`."
            )
        prepare(folder, os.environ, print, node)
    except PreparationError as error:
        pytest.skip(str(error))
    home = tmp_path_factory.mktemp("mixed")
    remember(Places(home=home), Machines.MIXED)
    public = free_loopback_address()
    secrets = make_secrets(PLAN.name, now=datetime.now(UTC), entropy=os.urandom)
    text = kubeconfig(PLAN, secrets=secrets, server_address=public)
    bed = Bed(cloud=FakeCloud(home), secrets=secrets, public=public)
    (home / "kubeconfig").write_text(text, encoding="utf-8")
    bed.cloud.addresses = [
        {
            "id": "eip-1",
            "ip": public,
            "instance_id": f"i-{MASTER}",
            "instance_type": "EcsInstance",
        }
    ]
    bed.cloud.change(bed.machine(MASTER, 0), bed.machine(WORKER, 1))
    supervisor = Supervisor(home, tools, {"LOCALCLOUD_VIRTUAL": str(folder)})
    try:
        until("the worker", JOINED_WITHIN, lambda: f":: {WORKER}: done" in bed.console(WORKER))
        yield bed
    finally:
        supervisor.end()
        bed.cloud.close()


def test_both_are_nodes_of_one_cluster(bed: Bed) -> None:
    nodes = {node["metadata"]["name"]: node for node in bed.kubectl("get", "nodes")["items"]}
    assert set(nodes) == {MASTER, WORKER}
    assert nodes[WORKER]["spec"]["providerID"] == f"{REGION}.i-{WORKER}"


def test_the_worker_is_a_real_debian_with_the_real_containerd(bed: Bed) -> None:
    about = bed.kubectl("get", "node", WORKER)["status"]["nodeInfo"]
    assert about["osImage"].startswith("Debian GNU/Linux 13")
    assert about["containerRuntimeVersion"].startswith("containerd://2.2.")
    assert about["kubeletVersion"] == f"v{PLAN.kubernetes.version}"


def test_the_worker_has_the_capacity_and_the_taints_of_its_plan(bed: Bed) -> None:
    node = bed.kubectl("get", "node", WORKER)
    assert node["status"]["capacity"]["pods"] == str(PLAN.nodes[WORKER].max_pods)
    assert "node.cloudprovider.kubernetes.io/uninitialized" in {
        taint["key"] for taint in node["spec"]["taints"]
    }


def test_the_packages_came_from_the_sources_of_the_user_data(bed: Bed) -> None:
    listing = bed.run("apt-cache", "policy", "kubelet", "containerd.io", "chrony")
    for source in ("pkgs.k8s.io", "download.docker.com/linux/debian", "mirrors.cloud.aliyuncs.com"):
        assert source in listing


def test_the_nodes_own_unit_runs(bed: Bed) -> None:
    assert bed.run("systemctl", "is-active", "spiderpool-alicloud-node.timer") == "active\n"


def test_the_kubelet_only_waits_for_a_network_of_pods(bed: Bed) -> None:
    conditions = bed.kubectl("get", "node", WORKER)["status"]["conditions"]
    ready = next(c for c in conditions if c["type"] == "Ready")
    assert (ready["status"], "cni plugin not initialized" in ready["message"]) == ("False", True)
