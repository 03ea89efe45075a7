"""The simulated kubelet's process. It takes the flags that kubeadm and the unit set."""

from __future__ import annotations

import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest import about
from localcloud.machines.guest.apt import installed
from localcloud.machines.guest.kubelet import settings
from localcloud.machines.guest.kubelet.ipam.addresses import Addresses
from localcloud.machines.guest.kubelet.node import (
    bootstrap,
    extended,
    hardware,
    node_object,
)
from localcloud.machines.guest.kubelet.pods import static_pods
from localcloud.machines.guest.kubelet.pods.processes import Processes
from localcloud.machines.guest.kubelet.pods.programs import pull_problem
from localcloud.machines.guest.kubelet.pods.workloads import Workloads, process_of
from localcloud.machines.guest.network import links

from .client import MERGE_PATCH, STRATEGIC_PATCH, Access, ApiError, Client
from .cluster import Cluster, until_it_works
from .services import ServiceProxy

if TYPE_CHECKING:
    from .settings import Settings

_CERTIFICATES: Final = Path("/var/lib/kubelet/pki")
_CNI: Final = Path("/etc/cni/net.d")
_HEARTBEAT_SECONDS: Final = 10.0
_ROUND_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 30.0
"""The default of terminationGracePeriodSeconds; kubeadm's static pods do not set one."""


def main() -> int:
    """Run until ended. Returns 1 on settings that the real kubelet refuses."""
    words = sys.argv[1:]
    try:
        version = installed.upstream_version("kubelet")
        flags = settings.parse_flags(words, version)
        read = settings.read_document(Path(flags["config"])) if "config" in flags else None
        if read is not None and "config-dir" in flags:
            read = settings.merged(read, settings.read_drop_ins(Path(flags["config-dir"])))
        loaded = settings.load(words, socket.gethostname(), read, version=version)
    except settings.SettingsError as error:
        sys.stderr.write(f"E kubelet (simulated): command failed: {error}\n")
        return 1
    _serve_health()
    Kubelet(loaded, version).run()
    return 0


class Kubelet:
    """One node's loop."""

    def __init__(self, loaded: Settings, version: str) -> None:
        self._settings = loaded
        self._version = version
        self._processes = Processes()
        self._pods: dict[str, dict[str, Any]] = {}
        self._pods_lock = threading.Lock()
        self._listed = False
        self._woken = threading.Event()
        self._manifests: list[dict[str, Any]] = []
        self._static: frozenset[str] = frozenset()
        folder = loaded.manifests
        self._files = static_pods.Manifests(Path(folder), loaded.hostname) if folder else None

    def run(self) -> None:
        """Run static pods at once; do the rest once the API server accepts us."""
        ready = threading.Event()
        parts: list[tuple[Client, Workloads]] = []

        def come_in() -> None:
            parts.append(self._join())
            ready.set()

        threading.Thread(target=come_in, daemon=True).start()
        last_beat, own_node = 0.0, dict[str, Any]()
        while True:
            self._manifests = self._files.pods() if self._files else []
            self._run_static()
            if not ready.is_set():
                time.sleep(0.2)
                continue
            client, workloads = parts[0]
            if time.monotonic() - last_beat > _HEARTBEAT_SECONDS or self._cni_changed(own_node):
                try:
                    own_node = self._heartbeat(client)
                    last_beat = time.monotonic()
                except ApiError as error:
                    _say(f"heartbeat: {error}")
                    time.sleep(0.5)
            if own_node and self._listed:
                with self._pods_lock:
                    pods = dict(self._pods)
                workloads.sync(pods, self._manifests, own_node, _host_ip(own_node))
            self._woken.wait(_ROUND_SECONDS)
            self._woken.clear()

    def _run_static(self) -> None:
        """Run every manifest's processes; stop those of a deleted manifest first."""
        runnable = [
            (pod, container)
            for pod in self._manifests
            for container in pod["spec"]["containers"]
            if not pull_problem(container)
        ]
        specs = [process_of(pod, container, {}, ()) for pod, container in runnable]
        keys = frozenset(spec.key for spec in specs)
        if gone := self._static - keys:
            self._processes.stop_all(gone, _GRACE_SECONDS)
        self._static = keys
        for spec in specs:
            self._processes.ensure(spec)

    def _join(self) -> tuple[Client, Workloads]:
        """Join the cluster: get a certificate if needed, register the Node, follow its pods."""
        kubeconfig = Path(self._settings.kubeconfig)
        if not kubeconfig.exists():
            first = Path(self._settings.bootstrap_kubeconfig)
            until_it_works(
                "bootstrap",
                lambda: bootstrap.join(self._settings.hostname, first, kubeconfig, _CERTIFICATES),
                _say,
            )
        access = Access.read(kubeconfig)
        client = Client(access)
        until_it_works("register", lambda: self._register(client), _say)
        _say(f"registered node {self._settings.hostname}")
        cluster = Cluster(access, client, self._settings.hostname)
        workloads = Workloads(
            client,
            cluster,
            self._processes,
            Addresses(self._settings.hostname, cluster.client_of),
            ServiceProxy(cluster.client_of),
        )
        threading.Thread(target=self._follow_pods, args=(client,), daemon=True).start()
        threading.Thread(target=self._keep_lease, args=(client,), daemon=True).start()
        return client, workloads

    def _register(self, client: Client) -> None:
        """POST the Node. If it exists, reconcile its labels as the kubelet does."""
        registration = node_object.registration(
            self._settings,
            self._version,
            hardware.of_instance_type(about.read().instance_type),
        )
        self._set_addresses(registration, registration)
        registration["status"]["conditions"] = node_object.conditions(
            {}, _now(), not_ready_reason=self._network_problem()
        )
        path = f"/api/v1/nodes/{self._settings.hostname}"
        present = client.find(path)
        if present is None:
            client.request("POST", "/api/v1/nodes", registration)
            return
        if present["spec"].get("providerID") not in {None, "", self._settings.provider_id}:
            raise ApiError(
                0,
                f"Node {self._settings.hostname} is {present['spec']['providerID']}, "
                f"this machine is {self._settings.provider_id}: delete the Node first",
            )
        client.request(
            "PATCH", path, {"metadata": {"labels": registration["metadata"]["labels"]}}, MERGE_PATCH
        )
        kept = extended.extended(present["status"].get("capacity") or {})
        if kept and extended.resets():
            none = dict.fromkeys(kept, "0")
            status = {"status": {"capacity": none, "allocatable": none}}
            client.request("PATCH", f"{path}/status", status, STRATEGIC_PATCH)

    def _heartbeat(self, client: Client) -> dict[str, Any]:
        path = f"/api/v1/nodes/{self._settings.hostname}"
        # A running kubelet never re-creates a deleted Node; only its next start does.
        present = client.get(path)
        changed: dict[str, Any] = {"metadata": {"annotations": {}}, "status": {}}
        self._set_addresses(changed, present)
        changed["status"]["addresses"] = node_object.replacing(changed["status"]["addresses"])
        changed["status"]["conditions"] = node_object.conditions(
            present, _now(), not_ready_reason=self._network_problem()
        )
        machine = hardware.of_instance_type(about.read().instance_type)
        kept = extended.extended(present["status"].get("capacity") or {})
        changed["status"] |= {
            "capacity": node_object.resources(self._settings, machine),
            "allocatable": node_object.left_for_pods(self._settings, machine) | kept,
        }
        changed["status"]["nodeInfo"] = {
            "kubeletVersion": self._version,
            "bootID": about.boot_id(),
            "machineID": about.machine_id(),
            "systemUUID": about.read().system_uuid,
        }
        changed["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 10250}}
        return client.request("PATCH", f"{path}/status", changed, STRATEGIC_PATCH)

    def _set_addresses(self, target: dict[str, Any], present: dict[str, Any]) -> None:
        addresses, annotation = node_object.address_status(self._settings, present, _look_up)
        target["status"]["addresses"] = addresses
        if annotation:
            target["metadata"]["annotations"][node_object.PROVIDED_NODE_IP] = annotation

    def _network_problem(self) -> str | None:
        if _CNI.is_dir() and any(path.suffix in {".conf", ".conflist"} for path in _CNI.iterdir()):
            return None
        return (
            "container runtime network not ready: NetworkReady=false "
            "reason:NetworkPluginNotReady message:Network plugin returns error: "
            "cni plugin not initialized"
        )

    def _cni_changed(self, own_node: dict[str, Any]) -> bool:
        for entry in (own_node.get("status") or {}).get("conditions") or ():
            if entry["type"] == "Ready":
                return bool((entry["status"] == "True") != (self._network_problem() is None))
        return False

    def _keep_lease(self, client: Client) -> None:
        name = self._settings.hostname
        folder = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            try:
                spec = {
                    "holderIdentity": name,
                    "leaseDurationSeconds": self._settings.lease_seconds,
                    "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
                }
                if client.find(f"{folder}/{name}") is None:
                    client.request("POST", folder, {"metadata": {"name": name}, "spec": spec})
                else:
                    client.request("PATCH", f"{folder}/{name}", {"spec": spec}, MERGE_PATCH)
            except ApiError as error:
                _say(f"lease: {error}")
            time.sleep(self._settings.lease_seconds / 4)

    def _follow_pods(self, client: Client) -> None:
        selector = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self._settings.hostname}"
        while True:
            try:
                listed = client.get(selector)
                with self._pods_lock:
                    self._pods = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                self._listed = True
                self._woken.set()
                version = listed["metadata"]["resourceVersion"]
                path = f"{selector}&watch=1&timeoutSeconds=60&resourceVersion={version}"
                for event in client.watch(path):
                    self._take(event)
            except ApiError as error:
                _say(f"pods: {error}")
                time.sleep(1)

    def _take(self, event: dict[str, Any]) -> None:
        pod = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(int(pod.get("code") or 0), str(pod.get("message")))
        with self._pods_lock:
            if event["type"] == "DELETED":
                self._pods.pop(pod["metadata"]["uid"], None)
            elif event["type"] in {"ADDED", "MODIFIED"}:
                self._pods[pod["metadata"]["uid"]] = pod
        self._woken.set()


def _host_ip(own_node: dict[str, Any]) -> str:
    addresses = (own_node.get("status") or {}).get("addresses") or ()
    internal = next(
        (entry["address"] for entry in addresses if entry["type"] == "InternalIP"), None
    )
    return internal or links.default_address() or ""


def _look_up(name: str) -> str | None:
    """Return the address that this machine resolves a name to; for "", the default route's."""
    if not name:
        return links.default_address()
    try:
        entries = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    usable = [entry[4][0] for entry in entries if not str(entry[4][0]).startswith("127.")]
    return str(usable[0]) if usable else None


def _serve_health() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 10248), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _say(text: str) -> None:
    sys.stderr.write(f"{_now()} kubelet (simulated): {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
