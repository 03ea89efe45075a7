"""Machines with nothing but their user-data become a cluster, which survives the loss of one.

The real kubeadm, etcd and control plane run in each machine; the cloud and Pulumi take no part.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from operations.secrets.pki import make_secrets
from planning.model import ClusterPlan
from planning.nodes import machine
from planning.nodes.endpoint import private_address
from planning.nodes.kubeconfig import kubeconfig
from planning.nodes.user_data import CREATION_SECONDS, user_data
from tests.localcloud.machines.fake_cloud import (
    FakeCloud,
    Supervisor,
    free_loopback_address,
    instance,
    interface,
    until,
)
from tests.patience import end_of_wait
from tests.planning.documents import ROOT, planned

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

TOOLS = ROOT / ".local" / "bin"
FORMED_WITHIN = 300.0
REPLACED_WITHIN = 200.0
UNIT_WITHIN = 60.0
"""A node's unit runs every 15 seconds."""
PKI = "/etc/kubernetes/pki"
IN_USE = ("disk/etc/kubernetes/pki/", "disk/var/lib/etcd/", "disk/opt/machine/")
"""Places of Kubernetes' keys, of the token's Secret in etcd, and of a machine's programs."""


class Bed:
    """Machines of one plan, and kubectl at one of them."""

    def __init__(self, home: Path, plan: ClusterPlan, entropy: Callable[[int], bytes]) -> None:
        self.plan = plan
        self.cloud = FakeCloud(home)
        self._secrets = make_secrets(plan.name, now=datetime.now(UTC), entropy=entropy)
        self._address = free_loopback_address()
        self._kubeconfig = home / "kubeconfig"
        self._kubeconfig.write_text(
            kubeconfig(plan, secrets=self._secrets, server_address=self._address), encoding="utf-8"
        )

    def machine(
        self, node: str, *, suffix: str = "", creation_ends: int | None = None
    ) -> dict[str, Any]:
        """An instance with its ENIs and its user-data."""
        this = self.plan.nodes[node]
        other_plane = self.plan.control_planes[1]
        place = list(self.plan.nodes).index(node)
        macs = {nic: f"00:16:3e:00:{place:02x}:{n:02x}" for n, nic in enumerate(this.interfaces)}
        nics = [
            interface(
                f"eni-{node}-{nic}",
                macs[nic],
                str(eni.primary),
                str(self.plan.network.vswitches[eni.vswitch].cidr),
                primary=nic == "eth0",
            )
            for nic, eni in this.interfaces.items()
        ]
        encoded = user_data(
            self.plan,
            node,
            secrets=self._secrets,
            macs=macs,
            # Where the load balancer would be; control planes use none to find each other.
            api_address=private_address(other_plane),
            public_address=self._address,
            creation_ends=creation_ends,
        )
        return instance(node + suffix, nics, base64.b64decode(encoded).decode())

    def expose(self, node: str) -> None:
        """Forward the public address to this node."""
        self.cloud.addresses = [
            {
                "id": "eip-1",
                "ip": self._address,
                "instance_id": f"i-{node}",
                "instance_type": "EcsInstance",
            }
        ]

    def kubectl(self, *arguments: str) -> str:
        """Standard output; empty while the API server does not answer."""
        done = subprocess.run(  # noqa: S603 - our own tool
            [
                TOOLS / "kubectl",
                f"--kubeconfig={self._kubeconfig}",
                "--request-timeout=5s",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stdout

    def node(self, name: str) -> dict[str, Any]:
        """The Node; empty while the API server does not answer."""
        node: dict[str, Any] = yaml.safe_load(self.kubectl("get", "node", name, "-o", "yaml")) or {}
        return node

    def annotation(self, node: str, name: str) -> str:
        """One annotation of a Node; empty without it."""
        annotations = self.node(node).get("metadata", {}).get("annotations") or {}
        return str(annotations.get(name, ""))

    def annotate(self, node: str, name: str, value: str) -> None:
        """Annotate a Node with the administrator's rights, as the program does."""
        self.kubectl("annotate", "--overwrite", "node", node, f"{name}={value}")

    def on(self, instance_id: str, *command: str) -> str:
        """Standard output of a command on a machine."""
        session = ("localcloud.machines.session", "--home", str(self.cloud.home), instance_id)
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", *session, "--", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=ROOT,
        )
        return done.stdout

    def members(self, instance_id: str) -> set[str]:
        """Addresses of the etcd members according to the etcd of a machine."""
        pki = "/etc/kubernetes/pki/etcd"
        client = f"{pki}/healthcheck-client"
        identity = (
            "--cacert",
            f"{pki}/ca.crt",
            "--cert",
            f"{client}.crt",
            "--key",
            f"{client}.key",
        )
        url = "https://127.0.0.1:2379/v3/cluster/member/list"
        listed = self.on(instance_id, "curl", "-sS", *identity, "-d", "{}", url)
        response = yaml.safe_load(listed) or {}
        return {urlsplit(m["peerURLs"][0]).hostname or "" for m in response.get("members", ())}

    def used_secrets(self) -> dict[str, bytes]:
        """The secrets in user-data: one line of each private key, and the token."""
        secrets = self._secrets
        keys = {
            "CA": secrets.ca.key,
            "front proxy": secrets.front_proxy_ca.key,
            "etcd CA": secrets.etcd_ca.key,
            "service accounts": secrets.service_account_key,
        }
        token = secrets.bootstrap_token.partition(".")[2]
        return {
            "token": token.encode(),
            **{name: key.splitlines()[1].encode() for name, key in keys.items()},
        }

    def places_of_secrets(self) -> list[str]:
        """Each secret on a disk or a console outside its own place: machine, file and secret."""
        places = [
            f"{name} console: {secret}"
            for name, console in self.cloud.consoles.items()
            for secret, text in self.used_secrets().items()
            if text.decode() in console
        ]
        for folder in sorted((self.cloud.home / "machines").glob("i-*")):
            for path in folder.rglob("*"):
                own = path.relative_to(folder).as_posix()
                if own.startswith(IN_USE) or path.is_symlink() or not path.is_file():
                    continue
                content = path.read_bytes()
                places += [
                    f"{folder.name} {own}: {secret}"
                    for secret, text in self.used_secrets().items()
                    if text in content
                ]
        return places

    def until_ended(self, instances: Sequence[str], *, within: float) -> dict[str, str]:
        """The last progress line of each machine's program, once all have succeeded or failed."""
        deadline = end_of_wait(within)
        while time.monotonic() < deadline:
            last = {name: self._last_line(name) for name in instances}
            if all(": done, " in line or ": FAILED " in line for line in last.values()):
                return last
            time.sleep(2)
        return {name: self._last_line(name) for name in instances}

    def _last_line(self, name: str) -> str:
        console = self.cloud.consoles.get(name, "")
        return ([line for line in console.splitlines() if line.startswith("::")] or [""])[-1]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Three control planes in the guide's network, and a worker without a machine yet."""
    text = (ROOT / "stacks" / "Pulumi.local.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)["config"]["spiderpool-alicloud:cluster"]
    pools = document["nodePools"]
    for pool, first_block, count in ((pools["masters"], 1, 3), (pools["workers"], 9, 1)):
        del pool["nodes"]
        pool |= {"count": count, "firstBlock": first_block}
    bed = Bed(tmp_path_factory.mktemp("bed"), planned(document), os.urandom)
    bed.expose("masters-1")
    soon = int(time.time()) + CREATION_SECONDS
    bed.cloud.change(
        *(bed.machine(node.name, creation_ends=soon) for node in bed.plan.control_planes)
    )
    supervisor = Supervisor(bed.cloud.home, TOOLS)
    try:
        yield bed
    finally:
        # Three control planes take their time to end.
        supervisor.process.terminate()
        supervisor.process.wait(120)
        bed.cloud.close()


@pytest.fixture(scope="module")
def formed(bed: Bed) -> Bed:
    """The same, once all three are nodes."""
    names = [f"i-{node.name}" for node in bed.plan.control_planes]
    ended = bed.until_ended(names, within=FORMED_WITHIN)
    assert [line.partition(": done, ")[1] for line in ended.values()] == [": done, "] * 3, ended
    return bed


def test_three_control_planes_form_one_cluster_without_uploaded_certificates(formed: Bed) -> None:
    lines = formed.kubectl("get", "nodes", "-o", "name").split()
    assert lines == [f"node/masters-{n}" for n in range(3)]
    assert (
        formed.kubectl("get", "secrets", "-n", "kube-system", "-o", "name").count("kubeadm-certs")
        == 0
    )


def test_each_node_says_which_instance_it_is_and_how_many_pods_it_takes(formed: Bed) -> None:
    for node in formed.plan.control_planes:
        registered = yaml.safe_load(formed.kubectl("get", "node", node.name, "-o", "yaml"))
        assert registered["spec"]["providerID"] == f"cn-hangzhou.i-{node.name}"
        assert registered["status"]["capacity"]["pods"] == str(node.max_pods)


def test_no_machine_keeps_a_key_or_the_token_that_it_was_made_with(formed: Bed) -> None:
    """Searches disks, logs and consoles, except the places of the keys that the cluster uses."""
    until("nothing of the user-data is left", UNIT_WITHIN, lambda: not formed.places_of_secrets())
    for node in formed.plan.control_planes:
        pki = formed.on(f"i-{node.name}", "cat", "/etc/kubernetes/pki/ca.key")
        assert formed.used_secrets()["CA"].decode() in pki, "the search would find nothing"


def test_a_control_plane_renews_its_certificates_and_serves_with_them(formed: Bed) -> None:
    name, on = "masters-2", "i-masters-2"
    files = ("apiserver", "apiserver-etcd-client", "etcd/server", "front-proxy-client")

    def serials() -> list[str]:
        return [
            formed.on(on, "openssl", "x509", "-noout", "-serial", "-in", f"{PKI}/{file}.crt")
            for file in files
        ]

    before = serials()
    assert all(before), "openssl reads no certificate here"
    formed.annotate(name, machine.RENEW_CERTIFICATES, "monday")
    until(
        "it says that they are renewed",
        3 * UNIT_WITHIN,
        lambda: formed.annotation(name, machine.CERTIFICATES_RENEWED) == "monday",
    )
    after = serials()
    assert [one for one, other in zip(before, after, strict=True) if one == other] == []
    until(
        "its API server is ready",
        UNIT_WITHIN,
        lambda: formed.on(on, "curl", "-sk", "https://127.0.0.1:6443/readyz") == "ok",
    )
    assert len(formed.members(on)) == len(formed.plan.control_planes)


def test_every_node_says_that_it_has_a_unit(formed: Bed) -> None:
    for node in formed.plan.control_planes:
        until(
            f"{node.name} says what its unit understands",
            UNIT_WITHIN,
            lambda name=node.name: (
                formed.annotation(name, machine.UNIT_SCHEMA) == str(machine.UNIT_VERSION)
            ),
        )


def test_settings_are_applied_while_the_machine_runs(formed: Bed) -> None:
    node = formed.plan.nodes["masters-1"]
    before = formed.node(node.name)["status"]["nodeInfo"]["bootID"]
    text = machine.node_settings(formed.plan, replace(node, max_pods=3), "")
    text = text.replace("net.ipv4.conf.all.arp_notify = 1", "net.ipv4.conf.all.arp_notify = 0")
    formed.annotate(node.name, machine.SETTINGS, text)
    until(
        "the settings are applied",
        UNIT_WITHIN,
        lambda: (
            formed.annotation(node.name, machine.SETTINGS_APPLIED) == machine.settings_digest(text)
        ),
    )
    until(
        "the kubelet reports its maxPods",
        UNIT_WITHIN,
        lambda: formed.node(node.name)["status"]["allocatable"]["pods"] == "3",
    )
    assert formed.node(node.name)["status"]["nodeInfo"]["bootID"] == before
    assert formed.on("i-masters-1", "cat", "/proc/sys/net/ipv4/conf/all/arp_notify") == "0\n"


def test_settings_that_the_kubelet_refuses_are_reverted(formed: Bed) -> None:
    node = formed.plan.nodes["masters-1"]
    text = machine.node_settings(formed.plan, replace(node, max_pods=-1), "")
    formed.annotate(node.name, machine.SETTINGS, text)
    until(
        "the node says why not",
        3 * UNIT_WITHIN,
        lambda: formed.annotation(node.name, machine.SETTINGS_FAILED),
    )
    reason = formed.annotation(node.name, machine.SETTINGS_FAILED)
    assert reason.startswith(f"{machine.settings_digest(text)}: the kubelet does not start")
    assert "runs with the ones from before" in reason
    assert formed.on("i-masters-1", "curl", "-s", "http://127.0.0.1:10248/healthz") == "ok"
    good = machine.node_settings(formed.plan, node, "")
    formed.annotate(node.name, machine.SETTINGS, good)
    until(
        "the planned settings are applied",
        UNIT_WITHIN,
        lambda: (
            formed.annotation(node.name, machine.SETTINGS_APPLIED) == machine.settings_digest(good)
        ),
    )
    assert formed.annotation(node.name, machine.SETTINGS_FAILED) == ""


def test_a_control_plane_leaves_etcd_and_its_replacement_joins(formed: Bed) -> None:
    leaving = formed.plan.nodes["masters-2"]
    provider_id = "cn-hangzhou.i-masters-2"
    formed.annotate(leaving.name, machine.LEAVE_ETCD, provider_id)
    until(
        "it says that it has left",
        3 * UNIT_WITHIN,
        lambda: formed.annotation(leaving.name, machine.ETCD_LEFT) == provider_id,
    )
    assert formed.annotation(leaving.name, machine.ETCD_FAILED) == ""
    others = {str(formed.plan.nodes[f"masters-{n}"].interfaces["eth0"].primary) for n in (0, 1)}
    assert formed.members("i-masters-1") == others
    listening = formed.on("i-masters-2", "curl", "-sk", "https://127.0.0.1:6443/livez")
    assert listening == ""
    formed.kubectl("delete", "node", leaving.name, "--wait=false")
    formed.cloud.change(gone=("i-masters-2",))
    time.sleep(5)
    formed.cloud.change(formed.machine(leaving.name, suffix="-new"))
    ended = formed.until_ended(["i-masters-2-new"], within=REPLACED_WITHIN)
    assert ": done, " in ended["i-masters-2-new"], formed.cloud.consoles["i-masters-2-new"][-3000:]
    assert "removes etcd member" not in formed.cloud.consoles["i-masters-2-new"]
    assert len(formed.members("i-masters-1")) == len(formed.plan.control_planes)


def test_a_control_plane_that_stays_forgets_a_dead_ones_member(formed: Bed) -> None:
    dead = formed.plan.nodes["masters-2"]
    address = str(dead.interfaces["eth0"].primary)
    formed.annotate("masters-1", machine.FORGET_MEMBERS, address)
    until(
        "a member that is alive is not removed",
        UNIT_WITHIN,
        lambda: "is alive" in formed.annotation("masters-1", machine.ETCD_FAILED),
    )
    formed.cloud.change(gone=("i-masters-2-new",))
    until(
        "the dead one's member is removed",
        2 * UNIT_WITHIN,
        lambda: formed.annotation("masters-1", machine.MEMBERS_FORGOTTEN) == address,
    )
    assert address not in formed.members("i-masters-1")
    assert formed.annotation("masters-1", machine.ETCD_FAILED) == ""
    formed.annotate("masters-1", machine.FORGET_MEMBERS, "")
    formed.kubectl("delete", "node", dead.name, "--wait=false")
    formed.cloud.change(formed.machine(dead.name, suffix="-again"))
    ended = formed.until_ended(["i-masters-2-again"], within=REPLACED_WITHIN)
    assert ": done, " in ended["i-masters-2-again"]


def test_a_lost_first_control_plane_is_replaced_in_place(formed: Bed) -> None:
    formed.cloud.change(gone=("i-masters-0",))
    time.sleep(5)
    formed.cloud.change(formed.machine("masters-0", suffix="-new"))
    ended = formed.until_ended(["i-masters-0-new"], within=REPLACED_WITHIN)
    assert ": done, " in ended["i-masters-0-new"], formed.cloud.consoles["i-masters-0-new"][-3000:]
    node = yaml.safe_load(formed.kubectl("get", "node", "masters-0", "-o", "yaml"))
    assert node["spec"]["providerID"] == "cn-hangzhou.i-masters-0-new"
    console = formed.cloud.consoles["i-masters-0-new"]
    assert "removes etcd member" in console
    assert "kubeadm init" not in console.replace("kubeadm init phase", "")


def test_a_worker_waits_until_the_node_of_the_machine_before_it_is_gone_also_after_a_power_cut(
    formed: Bed, tmp_path: Path
) -> None:
    lost = tmp_path / "lost.yaml"
    lost.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": "workers-0"},
                "spec": {"providerID": "cn-hangzhou.i-lost"},
            }
        )
    )
    assert formed.kubectl("create", "-f", str(lost)) == "node/workers-0 created\n"
    worker = formed.machine("workers-0")
    formed.cloud.change(worker)

    def waits(times: int) -> bool:
        console = formed.cloud.consoles.get("i-workers-0", "")
        return console.count("its Node is that of cn-hangzhou.i-lost") == times

    until("the worker says whose its Node is", REPLACED_WITHIN, lambda: waits(1))
    # Its kubelet has joined. A power cut at this moment must not make it join again.
    formed.cloud.change(worker | {"status": "Stopped"})
    until("its power is off", 60, lambda: not formed.on("i-workers-0", "echo", "on"))
    formed.cloud.change(worker | {"boot": worker["boot"] + 1})
    until("it goes on where it stopped", REPLACED_WITHIN, lambda: waits(2))
    formed.kubectl("delete", "node", "workers-0", "--wait=false")
    ended = formed.until_ended(["i-workers-0"], within=REPLACED_WITHIN)
    assert ": done, " in ended["i-workers-0"], formed.cloud.consoles["i-workers-0"][-3000:]
    assert formed.cloud.consoles["i-workers-0"].count("This node has joined the cluster") == 1
    node = yaml.safe_load(formed.kubectl("get", "node", "workers-0", "-o", "yaml"))
    assert node["spec"]["providerID"] == "cn-hangzhou.i-workers-0"
