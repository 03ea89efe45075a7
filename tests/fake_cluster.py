"""A cluster for roll-outs: nodes, pods and budgets in memory, and what was done, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.cluster_api import ClusterApi, ClusterError, KubernetesNode, Pod


def a_node(name: str, *, ready: bool = True, instance: str = "i-old") -> KubernetesNode:
    return KubernetesNode(
        name=name, provider_id=f"cn-hangzhou.{instance}", ready=ready, rolling=False
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
    )


@dataclass
class FakeCluster(ClusterApi):
    """Answers like an API server. `refusals`: pod name → how often its budget says no."""

    known: dict[str, KubernetesNode] = field(default_factory=dict)
    pods: dict[str, list[Pod]] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    runs: str = "v1.35.4"
    failures: int = 0
    """How many questions stay without an answer."""
    ends_pods: bool = True
    done: list[str] = field(default_factory=list)

    async def version(self) -> str:
        self._answer()
        return self.runs

    async def nodes(self) -> Mapping[str, KubernetesNode]:
        self._answer()
        return dict(self.known)

    async def pods_on(self, node: str) -> Sequence[Pod]:
        self._answer()
        return list(self.pods.get(node, []))

    async def cordon(self, node: str) -> None:
        self.done.append(f"cordon {node}")
        self.known[node] = replace(self.known[node], rolling=True)

    async def uncordon(self, node: str) -> None:
        self.done.append(f"uncordon {node}")
        self.known[node] = replace(self.known[node], rolling=False)

    async def expel(self, node: str) -> None:
        self.done.append(f"expel {node}")
        self.pods[node] = [p for p in self.pods.get(node, []) if p.host_network]

    async def evict(self, pod: Pod) -> str | None:
        if self.refusals.get(pod.name, 0) > 0:
            self.refusals[pod.name] -= 1
            return "Cannot evict pod as it would violate the pod's disruption budget."
        self.done.append(f"evict {pod.name}")
        for held in self.pods.values():
            if pod in held:
                held.remove(pod)
                if not self.ends_pods:
                    held.append(replace(pod, ending=True))
        return None

    async def delete_node(self, node: str) -> bool:
        self._answer()
        self.done.append(f"delete {node}")
        return self.known.pop(node, None) is not None

    async def pool_is_usable(self, pool: str) -> bool:
        return bool(pool)

    def _answer(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise ClusterError("ConnectError refused")
