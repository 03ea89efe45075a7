"""A cluster for roll-outs: nodes, pods and budgets in memory, and what was done, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from components.api.cluster_api import (
    ClusterApi,
    ClusterError,
    ControlPlanePod,
    KubernetesNode,
    NodeChange,
    Pod,
)
from components.machines.control_planes.control_plane_health import COMPONENTS
from planning.nodes.machine import (
    ETCD_LEFT,
    FORGET_MEMBERS,
    LEAVE_ETCD,
    MEMBERS_FORGOTTEN,
    SETTINGS,
    SETTINGS_APPLIED,
    SETTINGS_FAILED,
    UNIT_SCHEMA,
    settings_digest,
)

REFUSED = "{}"
"""Settings that a node of this cluster cannot apply."""


def a_node(
    name: str,
    *,
    ready: bool = True,
    instance: str = "i-old",
    unit: bool = True,
    **more: Any,  # noqa: ANN401 - fields of KubernetesNode
) -> KubernetesNode:
    return KubernetesNode(
        name=name,
        provider_id=f"cn-hangzhou.{instance}",
        ready=ready,
        rolling=False,
        annotations={UNIT_SCHEMA: "1"} if unit else {},
        **{"kubelet": "v1.36.3", **more},
    )


def a_pod(  # noqa: PLR0913 - what a pod can be, each with its usual value
    name: str,
    *,
    owner: str = "ReplicaSet",
    static: bool = False,
    finished: bool = False,
    host_network: bool = False,
    ready: bool = True,
    namespace: str = "default",
    tolerates_cordon: bool = False,
) -> Pod:
    return Pod(
        namespace=namespace,
        name=name,
        owner=owner,
        static=static,
        host_network=host_network,
        finished=finished,
        ending=False,
        ready=ready,
        uid=f"{name}-1",
        tolerates_cordon=tolerates_cordon,
    )


@dataclass
class FakeCluster(ClusterApi):
    """Answers like an API server. `refusals`: pod name → how often its budget says no."""

    objects: dict[str, KubernetesNode] = field(default_factory=dict)
    pods: dict[str, list[Pod]] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    runs: str = "v1.36.3"
    failures: int = 0
    """How many questions stay without an answer."""
    ends_pods: bool = True
    planes: dict[str, bool] = field(default_factory=dict)
    """Control plane → whether its etcd and its API server are ready."""
    mirrors_of: dict[str, str] = field(default_factory=dict)
    """Control plane → uid of the Node that its static pods are mirrored for."""
    configuration: str = "clusterName: small\nkubernetesVersion: v1.36.3\n"
    kube_proxy: str | None = "registry.k8s.io/kube-proxy:v1.36.3"
    done: list[str] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    """Data by name; writing them is not in `done`."""
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    async def time(self) -> datetime:
        self._answer()
        return self.now

    async def read_secret(
        self, namespace: str, name: str
    ) -> tuple[Mapping[str, str] | None, datetime]:
        self._answer()
        assert namespace == "kube-system"
        return self.secrets.get(name), self.now

    async def write_secret(self, secret: Mapping[str, Any]) -> None:
        self.secrets[secret["metadata"]["name"]] = dict(secret["stringData"])

    async def delete_secret(self, namespace: str, name: str) -> bool:
        self._answer()
        assert namespace == "kube-system"
        return self.secrets.pop(name, None) is not None

    async def version(self) -> str:
        self._answer()
        return self.runs

    async def nodes(self) -> Mapping[str, KubernetesNode]:
        self._answer()
        return dict(self.objects)

    async def pods_on(self, node: str) -> Sequence[Pod]:
        self._answer()
        return list(self.pods.get(node, []))

    async def cordon(self, node: str) -> None:
        self.done.append(f"cordon {node}")
        self.objects[node] = replace(self.objects[node], rolling=True)

    async def uncordon(self, node: str) -> None:
        self.done.append(f"uncordon {node}")
        self.objects[node] = replace(self.objects[node], rolling=False)

    async def taint_removed(self, node: str) -> None:
        self.done.append(f"taint {node}")
        self.pods[node] = [p for p in self.pods.get(node, []) if p.host_network]

    async def change_node(
        self, node: str, change: Callable[[KubernetesNode], NodeChange | None]
    ) -> None:
        self._answer()
        current = self.objects.get(node)
        asked = None if current is None else change(current)
        if current is None or asked is None:
            return
        self.done.append(f"change {node}")
        labels = {k: v for k, v in {**current.labels, **asked.labels}.items() if v is not None}
        annotations = {
            k: v for k, v in {**current.annotations, **asked.annotations}.items() if v is not None
        }
        taints = current.taints if asked.taints is None else asked.taints
        self.objects[node] = replace(current, labels=labels, annotations=annotations, taints=taints)
        self._let_the_unit_work(node)

    def _let_the_unit_work(self, name: str) -> None:
        """What the node's own unit answers, at once (`planning/nodes/node.sh`)."""
        node = self.objects[name]
        if UNIT_SCHEMA not in node.annotations or not node.ready:
            return
        answers: dict[str, str] = {}
        if (text := node.annotations.get(SETTINGS)) is not None:
            digest = settings_digest(text)
            if text == REFUSED:
                answers[SETTINGS_FAILED] = f"{digest}: the kubelet does not start"
            else:
                answers[SETTINGS_APPLIED] = digest
        if node.annotations.get(LEAVE_ETCD) == node.provider_id:
            answers[ETCD_LEFT] = node.provider_id
            self.planes.pop(name, None)
        if FORGET_MEMBERS in node.annotations:
            address = node.annotations[FORGET_MEMBERS]
            answers[MEMBERS_FORGOTTEN] = address
            for other in [n for n in self.planes if n != name and not self._is_alive(n)]:
                self.planes.pop(other)
        self.objects[name] = replace(node, annotations={**node.annotations, **answers})

    def _is_alive(self, name: str) -> bool:
        return name in self.objects and self.objects[name].ready

    async def control_plane_pods(self) -> Sequence[ControlPlanePod]:
        self._answer()
        return [
            ControlPlanePod(
                component=component,
                node=name,
                node_uid=self.mirrors_of.get(name, ""),
                ready=ready,
                image=f"registry.k8s.io/{component}:{self.runs}",
            )
            for name, ready in self.planes.items()
            for component in COMPONENTS
        ]

    async def cluster_configuration(self) -> str:
        return self.configuration

    async def write_cluster_configuration(self, text: str) -> None:
        self.done.append("write the cluster's version")
        self.configuration = text

    async def kube_proxy_image(self) -> str | None:
        return self.kube_proxy

    async def write_kube_proxy_image(self, image: str) -> None:
        self.done.append(f"kube-proxy {image}")
        self.kube_proxy = image

    async def evict(self, pod: Pod) -> str | None:
        if self.refusals.get(pod.name, 0) > 0:
            self.refusals[pod.name] -= 1
            return "Cannot evict pod as it would violate the pod's disruption budget."
        self.done.append(f"evict {pod.name}")
        for pods in self.pods.values():
            if pod in pods:
                pods.remove(pod)
                if not self.ends_pods:
                    pods.append(replace(pod, ending=True))
                if pod.tolerates_cordon:
                    # The scheduler brings its successor to the same node.
                    pods.append(replace(pod, uid=f"{pod.uid}1"))
        return None

    async def delete_node(self, node: str) -> bool:
        self._answer()
        self.done.append(f"delete {node}")
        return self.objects.pop(node, None) is not None

    async def pool_is_usable(self, pool: str) -> bool:
        return bool(pool)

    def _answer(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise ClusterError("ConnectError refused")
