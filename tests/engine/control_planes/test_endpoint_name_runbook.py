"""The commands of the runbook give a name to the endpoint of a cluster that used an address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.localcloud.machines import fake_cloud
from tests.localcloud.machines.fake_cloud import FakeCloud, Supervisor, until
from tests.planning.documents import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

TOOLS = ROOT / ".local" / "bin"
RUNBOOK = ROOT / "docs" / "runbooks" / "endpoint-name.md"
NAME = "api.fake.internal"
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"


def nics(number: int) -> list[dict[str, object]]:
    mac, address = f"00:16:3e:00:0{number}:0a", f"172.31.199.{180 + number}"
    eni = f"eni-{number}"
    return [fake_cloud.interface(eni, mac, address, "172.31.192.0/20", primary=True)]


@dataclass(frozen=True, kw_only=True)
class Machines:
    cloud: FakeCloud
    pki: fake_cloud.Pki

    def run(self, name: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script with `bash -eu` on a machine."""
        session = ("localcloud.machines.session", "--home", str(self.cloud.home), f"i-{name}")
        return subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", *session, "--", "bash", "-euc", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            cwd=ROOT,
        )

    def says(self, name: str, script: str) -> str:
        return self.run(name, script).stdout


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    cloud, pki = FakeCloud(tmp_path_factory.mktemp("address")), fake_cloud.Pki()
    text = fake_cloud.control_plane_user_data("master", pki, nics(1), "127.0.0.1")
    cloud.change(fake_cloud.instance("master", nics(1), text))
    supervisor = Supervisor(cloud.home, TOOLS)
    machines = Machines(cloud=cloud, pki=pki)
    try:
        until(
            "the control plane",
            200,
            lambda: machines.says(
                "master",
                f"{KUBECTL} get node master > /dev/null;"
                f"{KUBECTL} -n kube-system get configmap kubeadm-config",
            ),
        )
        yield machines
    finally:
        supervisor.end()
        cloud.close()


def scripts() -> list[str]:
    """The runbook's commands, block by block."""
    blocks = RUNBOOK.read_text(encoding="utf-8").split("```")
    return [block.removeprefix("sh\n") for block in blocks if block.startswith("sh\n")]


def test_the_runbook_gives_the_api_server_its_name(machines: Machines) -> None:
    env = "NODE_NAME=master\nOWN_ADDRESS=172.31.199.181\nENDPOINT_NAME=\n"
    machines.run("master", f"printf '{env}' > /etc/spiderpool-alicloud/node.env")
    before = machines.says("master", f"{KUBECTL} get namespace kube-system -o name")
    done = machines.run("master", scripts()[0])
    assert done.returncode == 0, done.stderr
    ready = f"curl -s --cacert /etc/kubernetes/pki/ca.crt https://{NAME}:6443/readyz"
    assert machines.says("master", ready) == "ok"
    assert machines.says("master", f"{KUBECTL} get namespace kube-system -o name") == before
    info = machines.says(
        "master", f"{KUBECTL} -n kube-public get cm cluster-info -o 'jsonpath={{.data.kubeconfig}}'"
    )
    assert yaml.safe_load(info)["clusters"][0]["cluster"]["server"] == f"https://{NAME}:6443"
    assert f"https://{NAME}:6443" in machines.says("master", "cat /etc/kubernetes/kubelet.conf")


def test_the_runbook_can_be_run_again(machines: Machines) -> None:
    certificate = machines.says("master", "sha256sum /etc/kubernetes/pki/apiserver.crt")
    done = machines.run("master", scripts()[0])
    assert done.returncode == 0, done.stderr
    assert machines.says("master", "sha256sum /etc/kubernetes/pki/apiserver.crt") == certificate


def test_a_new_worker_joins_by_the_name(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = f"echo '172.31.199.181 {NAME}' >> /etc/hosts\nswapoff -a\n"
    monkeypatch.setattr(
        fake_cloud, "BOOTSTRAP", fake_cloud.BOOTSTRAP.replace("swapoff -a\n", entry)
    )
    by = fake_cloud.discovery(f"{NAME}:6443", machines.pki.pin)
    text = fake_cloud.worker_user_data("worker", by, nics(2))
    machines.cloud.change(fake_cloud.instance("worker", nics(2), text))
    until(
        "the worker joins",
        120,
        lambda: "node/worker" in machines.says("master", f"{KUBECTL} get nodes -o name"),
    )
    assert f"https://{NAME}:6443" in machines.says("worker", "cat /etc/kubernetes/kubelet.conf")


def test_kube_proxy_is_led_to_the_name(machines: Machines) -> None:
    done = machines.run("master", "export KUBECONFIG=/etc/kubernetes/admin.conf\n" + scripts()[1])
    assert done.returncode == 0, done.stderr
    settings = machines.says("master", f"{KUBECTL} -n kube-system get cm kube-proxy -o yaml")
    assert f"https://{NAME}:6443" in settings


def test_a_replaced_disk_is_empty_and_boots_the_current_user_data(machines: Machines) -> None:
    script = "#!/bin/sh\n[ ! -e /root/mark ] || echo found a mark\ntouch /root/mark\necho {} over\n"
    one = fake_cloud.instance("disk", nics(3), script.format("one")) | {"system_disk": "d-1"}
    machines.cloud.change(one)
    consoles = machines.cloud.consoles
    until("the first boot", 60, lambda: "one over" in consoles.get("i-disk", ""))
    machines.cloud.change(one | {"status": "Stopped"})
    two = fake_cloud.instance("disk", nics(3), script.format("two"))
    machines.cloud.change(two | {"system_disk": "d-2", "boot": 2})
    until("another first boot", 60, lambda: consoles.get("i-disk", "").count("finished well") == 2)
    assert "two over" in consoles["i-disk"]
    assert "found a mark" not in consoles["i-disk"]


def test_a_reboot_is_another_boot_of_the_same_disk(machines: Machines) -> None:
    disk = machines.cloud.instances["i-disk"]
    read = "cat /proc/sys/kernel/random/boot_id"
    before = machines.says("disk", read)
    machines.cloud.change(disk | {"boot": 3})
    until("another boot id", 60, lambda: machines.says("disk", read) not in {"", before})
    assert machines.run("disk", "test -e /root/mark").returncode == 0
    assert machines.cloud.consoles["i-disk"].count("two over") == 1
