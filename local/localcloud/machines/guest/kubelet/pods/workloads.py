"""Brings the pods that are bound to this node to their desired state.

A container runs for real when the toolchain has its program; every other container is reported as
running from the moment its pod has an address.
"""

from __future__ import annotations

import contextlib
import http
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localcloud.machines.guest.kubelet.client import STRATEGIC_PATCH, ApiError
from localcloud.machines.guest.kubelet.ipam.pools import NoAddressError
from localcloud.machines.guest.kubelet.node import extended
from localcloud.machines.guest.kubelet.pods import probes, static_pods, status, volumes
from localcloud.machines.guest.kubelet.pods.processes import ProcessSpec
from localcloud.machines.guest.kubelet.pods.programs import image_name, program_of, pull_problem
from localcloud.machines.guest.kubelet.pods.status import ContainerFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from localcloud.machines.guest.kubelet.client import Client
    from localcloud.machines.guest.kubelet.cluster import Cluster
    from localcloud.machines.guest.kubelet.ipam.addresses import Addresses
    from localcloud.machines.guest.kubelet.pods.processes import Processes
    from localcloud.machines.guest.kubelet.services import ServiceProxy

_STAND_INS: Final = {"cloud-controller-manager": "localcloud.cloud_controller"}
"""Images that a module of ours replaces, with the container's own arguments."""
_REAL_IMAGES: Final = frozenset({"spiderpool-controller", *_STAND_INS})
_CNI_CONFIGURATION: Final = Path("/etc/cni/net.d/00-multus.conf")
_RETRY_SECONDS: Final = 3.0
_REFRESH_SECONDS: Final = 30.0
_LONGEST_GRACE: Final = 3.0
"""spiderpool-controller ignores SIGTERM and would use up its 30 s at each rollout."""


class Workloads:
    """The pods of one node. One thread calls it."""

    def __init__(
        self,
        client: Client,
        cluster: Cluster,
        processes: Processes,
        addresses: Addresses,
        proxy: ServiceProxy,
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._processes = processes
        self._addresses = addresses
        self._proxy = proxy
        self._pod_addresses: dict[str, list[str]] = {}
        self._admitted: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._readiness = probes.Readiness()
        self._specs: dict[str, tuple[float, ProcessSpec]] = {}

    def sync(
        self,
        pods: Mapping[str, dict[str, Any]],
        manifests: list[dict[str, Any]],
        node: Mapping[str, Any],
        host_ip: str,
    ) -> None:
        """Sync every pod once. A problem with one pod never stops the others."""
        self._name_agents(pods)
        self._proxy.leave(_ports_of_processes(pods.values()))
        for pod in manifests:
            with contextlib.suppress(ApiError):
                self._mirror(pod, pods, node, host_ip)
        uids = {pod["metadata"]["uid"] for pod in manifests} | set(pods)
        for key in self._processes.recorded():
            if key.partition("_")[0] not in uids:
                self._processes.stop(key, 0)
        self._admitted &= set(pods)
        self._release_forgotten(pods)
        for uid, pod in sorted(pods.items(), key=lambda item: _age(item[1])):
            if static_pods.MIRROR in (pod["metadata"].get("annotations") or {}):
                continue
            if not self._admits(pod, pods, node):
                continue
            if time.monotonic() < self._not_before.get(uid, 0):
                continue
            try:
                self._sync_one(pod, node, host_ip)
            except ApiError as error:
                if error.status not in {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.CONFLICT}:
                    self._not_before[uid] = time.monotonic() + _RETRY_SECONDS

    def _admits(
        self, pod: dict[str, Any], pods: Mapping[str, dict[str, Any]], node: Mapping[str, Any]
    ) -> bool:
        """Admit a pod once. A pod that does not fit is failed and gets no address."""
        uid = pod["metadata"]["uid"]
        if uid in self._admitted or _is_over(pod) or pod["metadata"].get("deletionTimestamp"):
            return True
        others = [pods[u] for u in self._admitted if not _is_over(pods[u])]
        problem = extended.rejection(pod, others, node["status"].get("allocatable") or {})
        if problem is not None:
            # Our copy of the Node may be some seconds old; a real kubelet's is current.
            with contextlib.suppress(ApiError):
                now = self._client.get(f"/api/v1/nodes/{node['metadata']['name']}")
                problem = extended.rejection(pod, others, now["status"].get("allocatable") or {})
        if problem is None:
            self._admitted.add(uid)
            return True
        reason, message = problem
        with contextlib.suppress(ApiError):
            self._write(
                pod,
                {"phase": "Failed", "reason": reason, "message": f"Pod was rejected: {message}"},
            )
        return False

    def _sync_one(self, pod: dict[str, Any], node: Mapping[str, Any], host_ip: str) -> None:
        uid = pod["metadata"]["uid"]
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod)
            return
        if _is_over(pod):
            self._release(pod)
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if not pod["spec"].get("hostNetwork") and uid not in self._pod_addresses:
            try:
                self._pod_addresses[uid] = self._addresses.allocate(pod, node)
            except NoAddressError as error:
                self._not_before[uid] = time.monotonic() + _RETRY_SECONDS
                self._cluster.event(
                    pod, "Warning", "FailedCreatePodSandBox", f"failed to set up network: {error}"
                )
                self._write(pod, status.waiting(pod, host_ip, now))
                return
        pod_ips = [host_ip] if pod["spec"].get("hostNetwork") else self._pod_addresses[uid]
        if pod["spec"].get("restartPolicy", "Always") != "Always":
            # The kubelet reports a terminal phase only when the sandbox is gone, and with it the
            # address (status_manager.go, mergePodStatus: couldHaveRunningContainers).
            over = status.succeeded(pod, host_ip, pod_ips, now)
            self._release(pod)
            self._write(pod, over)
            return
        facts = {
            container["name"]: self._container(pod, container, host_ip, pod_ips)
            for container in pod["spec"]["containers"]
        }
        self._write(pod, status.running(pod, facts, host_ip, pod_ips, now))
        if any(fact.waiting or not fact.ready for fact in facts.values()):
            self._not_before[uid] = time.monotonic() + 0.5

    def _container(
        self, pod: dict[str, Any], container: dict[str, Any], host_ip: str, pod_ips: list[str]
    ) -> ContainerFacts:
        name = image_name(container)
        if name == "spiderpool-agent":
            _write_cni_configuration()
        if name not in _REAL_IMAGES:
            return ContainerFacts(ready=True, started_at=_started(pod, container))
        if name not in _STAND_INS and (problem := pull_problem({"image": container.get("image")})):
            return ContainerFacts(ready=False, waiting=("ErrImagePull", problem))
        try:
            spec = self._spec(pod, container, host_ip)
        except volumes.VolumeError as error:
            self._cluster.event(pod, "Warning", "FailedMount", str(error))
            return ContainerFacts(ready=False, waiting=("CreateContainerConfigError", str(error)))
        state = self._processes.ensure(spec)
        if not state.running:
            return ContainerFacts(
                ready=False,
                restarts=state.restarts,
                waiting=("CrashLoopBackOff", f"see the machine's /var/log/pods ({name})"),
            )
        return ContainerFacts(
            ready=self._readiness.of(f"{spec.key}.{state.restarts}", container, pod_ips[0]),
            restarts=state.restarts,
            started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.started)),
        )

    def _spec(self, pod: dict[str, Any], container: dict[str, Any], host_ip: str) -> ProcessSpec:
        """Return the process for a container. Its files are rewritten every half minute."""
        key = f"{pod['metadata']['uid']}_{container['name']}"
        until, cached = self._specs.get(key, (0.0, None))
        if cached is not None and time.monotonic() < until:
            return cached
        services = self._proxy.environment()
        if services is None:
            raise volumes.VolumeError(
                "services have not yet been read at least once, cannot construct envvars"
            )
        variables = services | volumes.environment(pod, container, self._cluster, host_ip)
        binds = volumes.mounts(pod, container, self._cluster, host_ip)
        spec = process_of(pod, container, variables, binds)
        self._specs[key] = (time.monotonic() + _REFRESH_SECONDS, spec)
        return spec

    def _mirror(
        self,
        pod: dict[str, Any],
        pods: Mapping[str, dict[str, Any]],
        node: Mapping[str, Any],
        host_ip: str,
    ) -> None:
        """Keep the mirror pod of a manifest and its status."""
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods"
        present = next(
            (
                other
                for other in pods.values()
                if other["metadata"]["name"] == metadata["name"]
                and other["metadata"]["namespace"] == metadata["namespace"]
            ),
            None,
        )
        if present is not None and (
            # kubelet.go, tryReconcileMirrorPods: the mirror of an earlier Node of this name is
            # deleted by the garbage collector, which waits for the kubelet to end it.
            present["metadata"].get("deletionTimestamp")
            or not static_pods.is_mirror_of(present, pod)
        ):
            self._delete(present)
            return
        if present is None:
            mirror = static_pods.mirror(pod, node["metadata"]["name"], node["metadata"]["uid"])
            try:
                present = self._client.request("POST", path, mirror)
            except ApiError as error:
                if error.status != http.HTTPStatus.CONFLICT:
                    raise
                return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        facts = {}
        for container in pod["spec"]["containers"]:
            if problem := pull_problem(container):
                facts[container["name"]] = ContainerFacts(
                    ready=False, waiting=("ErrImagePull", problem)
                )
                continue
            spec = process_of(pod, container, {}, ())
            state = self._processes.ensure(spec)
            started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.started))
            facts[container["name"]] = ContainerFacts(
                ready=state.running
                and self._readiness.of(f"{spec.key}.{state.restarts}", container, host_ip),
                restarts=state.restarts,
                started_at=started if state.running else None,
                waiting=None if state.running else ("CrashLoopBackOff", ""),
            )
        self._write(present, status.running(present, facts, host_ip, [host_ip], now))

    def _name_agents(self, pods: Mapping[str, dict[str, Any]]) -> None:
        """Find the pods that act on this node: Spiderpool's agent and kube-proxy."""
        agents = {"spiderpool-agent": self._addresses.set_agent, "kube-proxy": self._proxy.pod_is}
        for image, tell in agents.items():
            tell(
                next(
                    (
                        pod
                        for pod in pods.values()
                        if not pod["metadata"].get("deletionTimestamp")
                        and any(image_name(c) == image for c in pod["spec"]["containers"])
                        and (pod.get("status") or {}).get("phase") == "Running"
                    ),
                    None,
                )
            )

    def _end(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        for key in self._processes.recorded():
            if key.partition("_")[0] == uid:
                self._processes.stop(key, min(float(grace), _LONGEST_GRACE))
        self._release(pod)
        if any(image_name(c) == "spiderpool-agent" for c in pod["spec"]["containers"]):
            # multus.multusCNI.uninstall is false: the configuration stays, as it does upstream.
            self._addresses.set_agent(None)
        for key in [key for key in self._specs if key.startswith(f"{uid}_")]:
            del self._specs[key]
        volumes.forget(uid)
        self._cluster.forget(uid)
        self._delete(pod)

    def _release_forgotten(self, pods: Mapping[str, dict[str, Any]]) -> None:
        """Release the addresses of pods that were deleted by force.

        A real kubelet stops their sandboxes (`pkg/kubelet/kubelet.go`, HandlePodRemoves), which
        releases the addresses. Only the garbage collector finds pods deleted before its start.
        """
        for uid in [uid for uid in self._pod_addresses if uid not in pods]:
            try:
                self._addresses.release({"metadata": {"uid": uid}})
            except ApiError:
                continue
            del self._pod_addresses[uid]

    def _release(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("hostNetwork"):
            return
        status_now = pod.get("status") or {}
        if self._pod_addresses.pop(uid, None) or status_now.get("podIP"):
            try:
                self._addresses.release(pod)
            except ApiError as error:
                if error.status != http.HTTPStatus.NOT_FOUND:
                    raise

    def _delete(self, pod: Mapping[str, Any]) -> None:
        metadata = pod["metadata"]
        with contextlib.suppress(ApiError):
            self._client.request(
                "DELETE",
                f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}",
                {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}},
            )

    def _write(self, pod: dict[str, Any], target: dict[str, Any]) -> None:
        if status.same(pod.get("status") or {}, target):
            return
        metadata = pod["metadata"]
        answer = self._client.request(
            "PATCH",
            f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status",
            {"metadata": {"uid": metadata["uid"]}, "status": target},
            STRATEGIC_PATCH,
        )
        # The next round compares with this until the watch delivers the change.
        pod["status"] = answer["status"]


def process_of(
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    variables: Mapping[str, str],
    binds: tuple[tuple[str, str], ...],
) -> ProcessSpec:
    """Return the process for a container whose program the toolchain has."""
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    words = [volumes.expand(str(word), variables) for word in command]
    metadata = pod["metadata"]
    folder = f"/var/log/pods/{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
    start: tuple[str, ...] = (str(program_of(container)),)
    always = {"PATH": "/usr/bin:/bin"}
    if module := _STAND_INS.get(image_name(container)):
        start = (sys.executable, "-m", module)
        always["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    return ProcessSpec(
        key=f"{metadata['uid']}_{container['name']}",
        arguments=(*start, *words[1:]),
        environment=tuple(sorted({**always, **variables}.items())),
        mounts=binds,
        log=f"{folder}/{container['name']}.log",
    )


def _ports_of_processes(pods: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """Return the ports that real processes of hostNetwork pods bind on this machine."""
    return frozenset(
        port["containerPort"]
        for pod in pods
        if pod["spec"].get("hostNetwork")
        for container in pod["spec"]["containers"]
        if image_name(container) in _REAL_IMAGES
        for port in container.get("ports") or ()
    )


def _age(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _is_over(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _started(pod: Mapping[str, Any], container: Mapping[str, Any]) -> str | None:
    for entry in (pod.get("status") or {}).get("containerStatuses") or ():
        if entry["name"] == container["name"]:
            moment: str | None = ((entry.get("state") or {}).get("running") or {}).get("startedAt")
            return moment
    return None


def _write_cni_configuration() -> None:
    """Write what multus' entrypoint in the agent's pod writes; the node then has a network."""
    if not _CNI_CONFIGURATION.exists():
        _CNI_CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
        _CNI_CONFIGURATION.touch(mode=0o600)
        _CNI_CONFIGURATION.write_text(
            '{"cniVersion": "0.3.1", "name": "multus-cni-network", "type": "multus"}\n',
            encoding="utf-8",
        )
