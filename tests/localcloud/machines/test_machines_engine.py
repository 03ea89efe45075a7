"""Machines for real: namespaces, kubeadm, etcd, the API server, a worker's join."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.machines.guest.kubelet.client import Access, ApiError, Client
from tests.localcloud.machines import fake_cloud
from tests.localcloud.machines.fake_cloud import FakeCloud, Supervisor, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

TOOLS = fake_cloud.REPOSITORY / ".local" / "bin"
UNINITIALIZED = ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule")


def nics(number: int) -> list[dict[str, Any]]:
    """Return eth0 and eth1 of the n-th machine."""
    first = fake_cloud.interface(
        f"eni-{number}a",
        f"00:16:3e:00:0{number}:0a",
        f"172.31.199.{180 + number}",
        "172.31.192.0/20",
        primary=True,
    )
    second = fake_cloud.interface(
        f"eni-{number}b",
        f"00:16:3e:00:0{number}:0b",
        f"192.168.0.{150 + number}",
        "192.168.0.0/24",
        primary=False,
    )
    return [first, second]


@dataclass(kw_only=True)
class Bed:
    """A fake cloud with a master and a worker that have joined."""

    home: Path
    cloud: FakeCloud
    supervisor: Supervisor
    pki: fake_cloud.Pki
    public: str
    client: Client

    def node(self, name: str) -> dict[str, Any]:
        return self.client.get(f"/api/v1/nodes/{name}")

    def log_of_the_vpc(self) -> str:
        """What the process of the VPC has written to its stderr."""
        (log,) = (self.home / "machines" / "run").glob("*.log")
        return log.read_text(errors="replace")[-4000:]

    def console(self, name: str) -> str:
        return self.cloud.consoles.get(f"i-{name}", "")

    def say(self, name: str, script: str, number: int, done: str = "over") -> str:
        """Boot a machine that runs `script`; return its console once it says `done`."""
        text = f"#!/bin/sh\n{script}\necho {done}\n"
        self.cloud.change(fake_cloud.instance(name, nics(number), text))
        until(f"{name} runs its script", 60, lambda: f"\n{done}\n" in self.console(name))
        return self.console(name)


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    home = tmp_path_factory.mktemp("machines")
    cloud, pki, public = FakeCloud(home), fake_cloud.Pki(), fake_cloud.free_loopback_address()
    cloud.addresses = [
        {"id": "eip-1", "ip": public, "instance_id": "i-master", "instance_type": "EcsInstance"}
    ]
    master, worker = nics(1), nics(2)
    endpoint = f"{master[0]['address']}:6443"
    cloud.change(
        fake_cloud.instance(
            "master", master, fake_cloud.control_plane_user_data("master", pki, master, public)
        ),
        fake_cloud.instance(
            "worker",
            worker,
            fake_cloud.worker_user_data("worker", fake_cloud.discovery(endpoint, pki.pin), worker),
        ),
    )
    supervisor = Supervisor(home, TOOLS)
    kubeconfig = home / "kubeconfig"
    kubeconfig.write_text(pki.kubeconfig(f"https://{public}:6443"))
    client = Client(Access.read(kubeconfig))
    built = Bed(
        home=home, cloud=cloud, supervisor=supervisor, pki=pki, public=public, client=client
    )
    try:
        until("both nodes", 180, lambda: built.node("master") and built.node("worker"))
        yield built
    finally:
        supervisor.end()
        cloud.close()


def taints(node: dict[str, Any]) -> set[tuple[str, str]]:
    return {(taint["key"], taint["effect"]) for taint in node["spec"].get("taints") or ()}


def test_nodes_have_the_provider_id_of_their_instance(bed: Bed) -> None:
    ids = {name: bed.node(name)["spec"]["providerID"] for name in ("master", "worker")}
    assert ids == {"master": "cn-hangzhou.i-master", "worker": "cn-hangzhou.i-worker"}


def test_nodes_have_the_taints_and_labels_their_flags_ask_for(bed: Bed) -> None:
    worker = bed.node("worker")
    assert {UNINITIALIZED, ("dedicated", "NoSchedule")} <= taints(worker)
    assert worker["metadata"]["labels"]["pool"] == "w"
    until(
        "kubeadm marks the control plane",
        30,
        lambda: "node-role.kubernetes.io/control-plane" in bed.node("master")["metadata"]["labels"],
    )
    assert UNINITIALIZED in taints(bed.node("master"))


def test_capacity_and_address_come_from_the_machine(bed: Bed) -> None:
    status = bed.node("master")["status"]
    assert (status["capacity"]["pods"], status["capacity"]["cpu"]) == ("17", "2")
    assert {"type": "InternalIP", "address": "172.31.199.181"} in status["addresses"]


def test_the_worker_came_in_by_a_signed_request_of_its_token(bed: Bed) -> None:
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    requests = [item for item in bed.client.get(path)["items"] if item["status"].get("certificate")]
    assert [item["spec"]["username"] for item in requests] == ["system:bootstrap:abcdef"]


def test_static_pods_are_mirrored_and_ready(bed: Bed) -> None:
    def ready() -> set[str]:
        pods = bed.client.get("/api/v1/namespaces/kube-system/pods")["items"]
        return {
            pod["metadata"]["name"]
            for pod in pods
            for condition in pod["status"].get("conditions") or ()
            if (condition["type"], condition["status"]) == ("Ready", "True")
        }

    expected = {
        "etcd-master",
        "kube-apiserver-master",
        "kube-controller-manager-master",
        "kube-scheduler-master",
    }
    until("static pods ready", 60, lambda: expected <= ready())


def test_the_second_nic_was_renamed_by_its_mac(bed: Bed) -> None:
    assert "netplan: eth1 (00:16:3e:00:02:0b) 192.168.0.152/24" in bed.console("worker")


def test_a_machine_sees_only_what_is_its_own(bed: Bed) -> None:
    output = bed.say(
        "probe",
        "hostname; whoami; ls /root; cat /proc/net/dev; ls /sys/fs/cgroup/cgroup.controllers",
        3,
    )
    assert "host-probe\nroot\n" in output
    assert "eth0:" in output
    assert "ens6:" in output
    assert "cgroup.controllers" in output
    assert not list(Path("/root").glob(".ssh")) or ".ssh" not in output


def test_a_session_is_in_the_machine_and_ends_as_its_command_does(bed: Bed) -> None:
    session = [sys.executable, "-m", "localcloud.machines.session", "--home", str(bed.home)]
    command = ["sh", "-c", "hostname; kubelet --version; exit 7"]
    done = subprocess.run(  # noqa: S603  (our own command)
        [*session, "i-worker", "--", *command],
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout.split()) == (7, ["host-worker", "Kubernetes", "v1.36.3"])


def test_machines_reach_the_openapi_and_each_other(bed: Bed) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"this is the openapi\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    bed.cloud.port = server.server_address[1]
    bed.supervisor.kill_and_start_again()
    output = bed.say(
        "caller",
        "curl -s http://100.100.0.1:443/\n"
        "until curl -skf https://172.31.199.181:6443/healthz; do sleep 1; done\necho",
        4,
    )
    server.shutdown()
    assert "this is the openapi" in output
    assert "\nok\n" in output


@pytest.mark.parametrize(
    ("name", "number", "text", "reason"),
    [
        ("yaml", 5, "#cloud-config\nruncmd: [", "Failed loading yaml blob"),
        ("plain", 6, "echo hello", "first line must be #cloud-config"),
        ("fails", 7, "#!/bin/sh\nexit 3\n", "Failed to run module scripts_user: exit code 3"),
        ("packages", 8, "#!/bin/sh\napt-get install -y kubelet=1.20.0-*\n", "has built v1.36.3"),
    ],
)
def test_the_console_has_the_reason_of_wrong_user_data(
    bed: Bed, name: str, number: int, text: str, reason: str
) -> None:
    bed.cloud.change(fake_cloud.instance(name, nics(number), text))
    until("the console says why", 60, lambda: reason in bed.console(name))


@pytest.mark.parametrize(
    ("name", "number", "token", "pinned", "reason"),
    [
        ("wrong-token", 5, "abcdef.ffffffffffffffff", True, "JWS"),
        ("wrong-pin", 6, fake_cloud.TOKEN, False, "none of the public keys"),
    ],
)
def test_a_wrong_token_or_ca_hash_does_not_join(  # noqa: PLR0913  (one table)
    bed: Bed, name: str, number: int, token: str, *, pinned: bool, reason: str
) -> None:
    pin = bed.pki.pin if pinned else "sha256:" + "0" * 64
    discovery = fake_cloud.discovery("172.31.199.181:6443", pin, token)
    text = fake_cloud.worker_user_data(name, discovery, nics(number), "10s")
    bed.cloud.change(fake_cloud.instance(name, nics(number), text))
    until("kubeadm gives up", 120, lambda: "Failed to run module" in bed.console(name))
    assert reason in bed.console(name)
    with pytest.raises(ApiError, match="not found"):
        bed.node(name)


def test_the_public_address_admits_only_what_the_rules_do(bed: Bed) -> None:
    master = bed.cloud.instances["i-master"]
    rule = master["ingress"][0]
    bed.cloud.change(master | {"ingress": [rule | {"source": "10.0.0.0/8"}]})
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def reached() -> bool:
        connection = http.client.HTTPSConnection(bed.public, 6443, context=context, timeout=3)
        try:
            connection.request("GET", "/livez")
        except OSError:
            return False
        return connection.getresponse().status == http.HTTPStatus.OK

    until("shut", 20, lambda: not reached())
    bed.cloud.change(master)
    until("open", 20, reached)


def test_kill_9_of_the_supervisor_loses_nothing(bed: Bed) -> None:
    before = bed.client.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    runs = bed.console("master").count("bootstrap finished")
    bed.supervisor.kill_and_start_again()
    until("the API is back", 60, lambda: bed.client.get("/api/v1/namespaces/kube-system"))
    assert bed.client.get("/api/v1/namespaces/kube-system")["metadata"]["uid"] == before
    until(
        "the worker's lease is renewed by its kubelet",
        60,
        lambda: bed.client.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"),
    )
    assert bed.console("master").count("bootstrap finished") == runs


def test_killing_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    cloud = FakeCloud(tmp_path)
    supervisor = Supervisor(tmp_path, TOOLS)
    try:
        cloud.change(fake_cloud.instance("lonely", nics(9), "#!/bin/sh\nsleep 987654\n"))
        until("the machine runs", 30, lambda: processes("sleep 987654"))
        supervisor.process.kill()
        supervisor.process.wait()
        until("nothing is left", 10, lambda: not processes("sleep 987654"))
    finally:
        supervisor.end()
        cloud.close()


def processes(command: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True)  # noqa: S607
    return [line for line in listed.stdout.splitlines() if line == command]


def test_a_stopped_control_plane_is_gone_and_comes_back_as_it_was(bed: Bed) -> None:
    master = bed.cloud.instances["i-master"]
    bed.cloud.change(master | {"status": "Stopped"})

    def answers() -> bool:
        try:
            return bool(bed.node("master"))
        except ApiError:
            return False

    until("the API is gone", 30, lambda: not answers())
    bed.cloud.change(master | {"status": "Running", "boot": master["boot"] + 1})
    until("the API is back", 60, answers)


def test_a_deleted_instance_leaves_nothing_behind(bed: Bed) -> None:
    folder = bed.home / "machines" / "i-probe"
    assert folder.exists()
    bed.cloud.change(gone=("i-probe",))

    def is_gone() -> bool:
        assert not folder.exists(), bed.log_of_the_vpc()
        return True

    until("its disk is gone", 30, is_gone)


def test_the_user_data_of_these_tests_has_the_form_of_the_programs() -> None:
    interfaces = nics(1)
    text = fake_cloud.control_plane_user_data("n", fake_cloud.Pki(), interfaces, "127.66.0.1")
    document = yaml.safe_load(text)
    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) < 16 * 1024
    assert document["runcmd"] == [["/etc/spiderpool-alicloud/bootstrap.sh"]]
