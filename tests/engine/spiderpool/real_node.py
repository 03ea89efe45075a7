"""One node with a real kubelet, containerd and Spiderpool, and when its addresses are free again.

Run as root and as `… python -m tests.engine.spiderpool.real_node TOOLS FOLDER` in namespaces of its
own. Prints for each pod, as JSON, whether its address was free before the API server called the pod
ended (by the revisions of both changes), and the milliseconds from the one to the other.

Not as on a node of a cluster: macvlan instead of ipvlan, which not every host's kernel has; no
Multus; every request is authorised; no cgroup for each pod.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from localcloud.virtual.images.layers import Layer
from localcloud.virtual.images.layout import Image, write_layout
from tests.localcloud.machines.fake_cloud import until

NODE, ADDRESS = "worker", "172.31.199.184"
POOL, NETWORK = "worker-eth0", "kube-system/ipvlan-eth0"
ADDRESSES: Final = 5
RESOURCE: Final = "spiderpool-alicloud.io/eth0-addresses"
PAUSE, APP = "registry.k8s.io/pause:3.10", "docker.io/library/app:1"
SOCKET: Final = "/run/spidernet/spiderpool.sock"
PATIENCE: Final = 600
"""Seconds; long, for a busy machine."""

_CONTAINERD: Final = """\
version = 3
root = "/var/lib/containerd"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{pause}'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/opt/cni/bin"]
conf_dir = "/opt/cni/net.d"
"""
_SPIDERPOOL: Final = {
    "ipamUnixSocketPath": SOCKET,
    "enableIPv4": True,
    "enableIPv6": False,
    "enableStatefulSet": True,
}


@dataclass(kw_only=True)
class Events:
    """Pod → the revision and the time of a change, as a watch saw it."""

    running: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[int, float]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    freed: dict[str, tuple[int, float]] = field(default_factory=dict)
    holders: set[str] = field(default_factory=set)

    def pod(self, event: Mapping[str, Any]) -> None:
        item = event["object"]
        name, phase = item["metadata"]["name"], item["status"].get("phase")
        moment = int(item["metadata"]["resourceVersion"]), time.time()
        if phase == "Running":
            self.running.setdefault(name, moment[1])
        if phase in {"Succeeded", "Failed"} or event["type"] == "DELETED":
            self.ended.setdefault(name, moment)
        if event["type"] == "DELETED":
            self.gone.add(name)

    def pool(self, event: Mapping[str, Any]) -> None:
        item = event["object"]
        moment = int(item["metadata"]["resourceVersion"]), time.time()
        allocated = json.loads(item.get("status", {}).get("allocatedIPs") or "{}")
        holders = {holder["pod"].partition("/")[2] for holder in allocated.values()}
        for name in self.holders - holders:
            self.freed[name] = moment
        self.holders = holders

    def outcome(self, name: str) -> dict[str, Any]:
        (revision, when), (freed, freed_at) = self.ended[name], self.freed[name]
        return {"free_before": freed < revision, "ms": round((freed_at - when) * 1000)}


@dataclass(kw_only=True)
class Bed:
    """The programs of the node and of its control plane."""

    tools: Path
    folder: Path
    events: Events = field(default_factory=Events)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.tools / 'node'}:{self.tools}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.folder / "admin.conf")}

    def start(self, program: str, *arguments: str, **variables: str) -> None:
        """Start a program in the background; its output goes to a file. It ends with us."""
        with (self.folder / f"{Path(program).name}.log").open("wb") as log:
            subprocess.Popen(  # noqa: S603  (the toolchain's own)
                [program, *arguments],
                stdout=log,
                stderr=log,
                env={**self.environment, **variables},
                cwd=self.folder,
            )

    def run(self, *command: str, text: str | None = None) -> str:
        done = subprocess.run(  # noqa: S603  (our own command)
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=self.folder,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{command[:6]}: {done.stderr}"
        return done.stdout

    def apply(self, document: Mapping[str, Any]) -> None:
        self.run("kubectl", "create", "-f", "-", text=json.dumps(document))

    def works(self, *command: str) -> Callable[[], bool]:
        def attempt() -> bool:
            self.run(*command)
            return True

        return attempt

    def watch(self, path: str, handle: Callable[[Mapping[str, Any]], None]) -> None:
        """Hand over each event of a watch, in a thread."""

        def follow() -> None:
            command = ["kubectl", "get", "--raw", f"{path}watch=1&timeoutSeconds=7200"]
            with subprocess.Popen(  # noqa: S603  (the toolchain's own)
                command, stdout=subprocess.PIPE, text=True, env=self.environment
            ) as process:
                for line in process.stdout or ():
                    handle(json.loads(line))

        threading.Thread(target=follow, daemon=True).start()


@contextmanager
def node(tools: Path, folder: Path) -> Iterator[Bed]:
    """Start everything; it ends with these namespaces."""
    bed = Bed(tools=tools, folder=folder)
    for place in ("/run", "/opt", "/var/lib"):
        bed.run("mount", "-t", "tmpfs", "tmpfs", place)
    for place in ("/run/spidernet", "/run/netns", "/opt/cni/bin", "/opt/cni/net.d"):
        Path(place).mkdir(parents=True)
    for plugin in ("spiderpool", "macvlan", "loopback"):
        bed.run("cp", str(tools / "images" / plugin), "/opt/cni/bin/")
    for line in (
        "link set lo up",
        "link add eth0 type veth peer name peer",
        f"address add {ADDRESS}/20 dev eth0",
        "link set peer up",
        "link set eth0 up",
        "route add default dev eth0",
    ):
        bed.run("ip", *line.split())
    control_plane(bed)
    machine(bed)
    spiderpool(bed)
    until("the Node", PATIENCE, lambda: " Ready" in bed.run("kubectl", "get", "node", NODE))
    patch = json.dumps({"status": {"capacity": {RESOURCE: str(ADDRESSES)}}})
    bed.run("kubectl", "patch", "node", NODE, "--subresource=status", "--patch", patch)
    bed.watch("/api/v1/namespaces/default/pods?", bed.events.pod)
    bed.watch(
        "/apis/spiderpool.spidernet.io/v2beta1/spiderippools"
        f"?fieldSelector=metadata.name%3D{POOL}&",
        bed.events.pool,
    )
    yield bed


def control_plane(bed: Bed) -> None:
    """Etcd, the API server, the controllers and the scheduler."""
    pki = bed.folder / "pki"
    where = ("--apiserver-advertise-address", ADDRESS, "--cert-dir", str(pki))
    version = ("--kubernetes-version", bed.run("kubeadm", "version", "-o", "short").strip())
    bed.run("kubeadm", "init", "phase", "certs", "all", *where, *version)
    for name in ("admin", "controller-manager", "scheduler"):
        files = ("--kubeconfig-dir", str(bed.folder))
        bed.run("kubeadm", "init", "phase", "kubeconfig", name, *where, *version, *files)
    bed.start(
        "etcd",
        "--data-dir=/var/lib/etcd",
        "--unsafe-no-fsync",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
    )
    bed.start(
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=AlwaysAllow",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
    )
    until("the API server", PATIENCE, bed.works("kubectl", "get", "--raw", "/readyz"))
    bed.start(
        "kube-controller-manager",
        "--kubeconfig=controller-manager.conf",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key",
    )
    bed.start("kube-scheduler", "--kubeconfig=scheduler.conf")
    account = ("kubectl", "get", "serviceaccount", "default")
    until("the default service account", PATIENCE, bed.works(*account))


def machine(bed: Bed) -> None:
    """Containerd with two images, and the kubelet."""
    (bed.folder / "containerd.toml").write_text(_CONTAINERD.format(pause=PAUSE))
    bed.start("containerd", "--config=containerd.toml")
    until("containerd", PATIENCE, bed.works("ctr", "version"))
    pause = Layer(programs={"pause": bed.tools / "images" / "pause"})
    images = [
        Image(references=[PAUSE], layers=[pause], settings={"Entrypoint": ["/pause"]}),
        Image(references=[APP], layers=[application(bed)]),
    ]
    layout = bed.folder / "layout"
    layout.mkdir()
    write_layout(layout, images)
    bed.run("tar", "--create", "--file=images.tar", "--directory=layout", ".")
    bed.run("ctr", "--namespace=k8s.io", "images", "import", "--local", "images.tar")
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": False,
        "localStorageCapacityIsolation": False,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
    }
    (bed.folder / "kubelet.yaml").write_text(yaml.safe_dump(settings))
    bed.start(
        "kubelet",
        "--config=kubelet.yaml",
        "--kubeconfig=admin.conf",
        f"--hostname-override={NODE}",
        f"--node-ip={ADDRESS}",
    )


def application(bed: Bed) -> Layer:
    """The host's `sleep`, with the libraries that it needs."""
    words = bed.run("ldd", "/bin/sleep").split()
    files = ["/bin/sleep", *(word for word in words if word.startswith("/"))]
    return Layer(programs={name.removeprefix("/"): Path(name).resolve() for name in files})


def spiderpool(bed: Bed) -> None:
    """Agent, controller, one pool, and the CNI configuration, which makes the Node ready."""
    crds = bed.tools.resolve().parent / "toolchain" / "crds"
    bed.run("kubectl", "apply", "--server-side", "-f", str(crds))
    (bed.folder / "spiderpool.yaml").write_text(yaml.safe_dump(_SPIDERPOOL))
    variables = {
        "SPIDERPOOL_POD_NAMESPACE": "kube-system",
        "SPIDERPOOL_POD_NAME": "spiderpool",
        "SPIDERPOOL_NODE_NAME": NODE,
        "MULTUS_CLUSTER_NETWORK": NETWORK,
    }
    pool = {
        "ipVersion": 4,
        "subnet": "172.31.192.0/20",
        "gateway": "172.31.207.253",
        "ips": ["172.31.199.190-172.31.199.194"],
        "multusName": [NETWORK],
    }
    text = json.dumps(document("spiderpool.spidernet.io/v2beta1", "SpiderIPPool", POOL, pool))
    (bed.folder / "pool.json").write_text(text)
    # The API server serves a new kind some moments after its definition.
    until("the pool", PATIENCE, bed.works("kubectl", "apply", "-f", "pool.json"))
    config = ("daemon", "--config-path=spiderpool.yaml")
    bed.start(str(bed.tools / "images" / "spiderpool-agent"), *config, **variables)
    tls = bed.folder / "tls"
    tls.mkdir()
    for name, source in (("tls.crt", "apiserver.crt"), ("tls.key", "apiserver.key")):
        (tls / name).write_bytes((bed.folder / "pki" / source).read_bytes())
    (tls / "ca.crt").write_bytes((bed.folder / "pki" / "ca.crt").read_bytes())
    bed.start(
        str(bed.tools / "spiderpool-controller"),
        *config,
        f"--tls-server-cert={tls}/tls.crt",
        f"--tls-server-key={tls}/tls.key",
        **variables,
    )
    until("the agent", PATIENCE, Path(SOCKET).is_socket)
    plugin = {
        "type": "macvlan",
        "master": "eth0",
        "mode": "bridge",
        "ipam": {
            "type": "spiderpool",
            "log_file_path": str(bed.folder / "ipam.log"),
            "ipam_unix_socket_path": SOCKET,
            "default_ipv4_ippool": [POOL],
        },
    }
    network = {"cniVersion": "0.3.1", "name": "ipvlan-eth0", "plugins": [plugin]}
    Path("/opt/cni/net.d/10-eth0.conflist").write_text(json.dumps(network))


def document(version: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def create(bed: Bed, name: str, *command: str, grace: int = 2) -> None:
    """Create a pod that asks for one address and is never restarted."""
    container = {
        "name": "app",
        "image": APP,
        "imagePullPolicy": "Never",
        "command": list(command),
        "resources": {"requests": {RESOURCE: "1"}, "limits": {RESOURCE: "1"}},
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace,
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    bed.apply(document("v1", "Pod", name, spec))


def deleted(bed: Bed, name: str, *how: str) -> dict[str, Any]:
    """What happened to the address of a pod that was deleted while it ran."""
    create(bed, name, "/bin/sleep", "3600")
    until(f"{name} runs", PATIENCE, lambda: name in bed.events.running)
    bed.run("kubectl", "delete", "pod", name, "--wait=false", *how)
    until(f"{name} is gone", PATIENCE, lambda: name in bed.events.gone)
    until(f"{name}'s address", PATIENCE, lambda: name in bed.events.freed)
    return bed.events.outcome(name)


def finished(bed: Bed, names: Sequence[str]) -> list[dict[str, Any]]:
    """What happened to the addresses of pods that end by themselves, all created at once."""
    for name in names:
        create(bed, name, "/bin/sleep", "1")
    for name in names:
        until(f"{name} ends", PATIENCE, lambda name=name: name in bed.events.ended)
        until(f"{name}'s address", PATIENCE, lambda name=name: name in bed.events.freed)
    return [bed.events.outcome(name) for name in names]


def main(tools: Path, folder: Path) -> None:
    with node(tools, folder) as bed:
        outcomes: dict[str, Any] = {
            "deleted": [deleted(bed, f"deleted-{n}") for n in range(5)],
            "ended": [outcome for n in range(3) for outcome in finished(bed, [f"ended-{n}"])],
            "forced": [deleted(bed, f"forced-{n}", "--force") for n in range(3)],
            "many": finished(bed, [f"many-{n}" for n in range(4 * ADDRESSES)]),
        }
        pods = json.loads(bed.run("kubectl", "get", "pods", "-o", "json"))["items"]
        outcomes["phases"] = sorted({pod["status"]["phase"] for pod in pods})
        print(json.dumps(outcomes))  # noqa: T201  (the caller reads it)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
