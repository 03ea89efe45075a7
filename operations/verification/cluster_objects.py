"""A cluster's objects at one moment, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.facts.nics import DEFAULT_POD_NIC

Object = Mapping[str, Any]

KINDS = (
    "nodes,pods,services,spiderippools.spiderpool.spidernet.io,"
    "spiderreservedips.spiderpool.spidernet.io,spidercoordinators.spiderpool.spidernet.io"
)
"""The kinds that `kubectl get -A -o json` lists."""

_DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
_PREFIX = "ipvlan-"
_SIMULATED = "-simulated"
"""How the runtime of a local cloud's set of namespaces ends."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod that has not ended."""

    namespace: str
    name: str
    app: str
    node: str
    ready: bool
    addresses: tuple[str, ...]
    """Empty for a pod without an address yet."""
    interface: str | None
    """The NIC of its default network; None for a pod in the host's network."""
    uid: str = ""
    requests: Mapping[str, int] = field(default_factory=dict)
    """Extended resources that its containers ask for together."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A stack's outputs and what the API server reports."""

    outputs: Object
    simulated: bool
    """Whether packets of pods are only simulated, as on a local cloud without virtual machines."""
    nodes: Mapping[str, Object]
    pods: tuple[Pod, ...]
    services: Mapping[tuple[str, str], Object]
    """By namespace and name."""
    pools: Mapping[str, Object]
    coordinators: tuple[Object, ...] = ()
    reservations: tuple[Object, ...] = ()
    """SpiderReservedIPs: Spiderpool gives none of their addresses to a pod."""
    kube_proxy: Object | None = None
    """kube-proxy's ConfigMap, where the cluster has one."""

    def pods_of(self, app: str) -> tuple[Pod, ...]:
        """Ready pods of an app that have an address, by node."""
        pods = (p for p in self.pods if p.app == app and p.ready and p.addresses)
        return tuple(sorted(pods, key=lambda p: p.node))

    @property
    def node_addresses(self) -> Mapping[str, str]:
        """The primary address of eth0 by the node's name in the cluster."""
        return {
            name: address
            for name, node in self.nodes.items()
            for address in internal_addresses(node)[:1]
        }


def read_cluster(items: Sequence[Object], outputs: Object, *, local: bool) -> Cluster:
    """Sort what the API server listed by kind. `local`: the cluster is on a local cloud."""
    by_kind: dict[str, list[Object]] = {}
    for item in items:
        by_kind.setdefault(item["kind"], []).append(item)
    nodes = {n["metadata"]["name"]: n for n in by_kind.get("Node", ())}
    pods = tuple(_pods(by_kind.get("Pod", ())))
    return Cluster(
        outputs=outputs,
        simulated=local and not carries_packets(nodes, pods),
        nodes=nodes,
        pods=pods,
        services={
            (s["metadata"]["namespace"], s["metadata"]["name"]): s
            for s in by_kind.get("Service", ())
        },
        pools={p["metadata"]["name"]: p for p in by_kind.get("SpiderIPPool", ())},
        coordinators=tuple(by_kind.get("SpiderCoordinator", ())),
        reservations=tuple(by_kind.get("SpiderReservedIP", ())),
        kube_proxy=next(iter(by_kind.get("ConfigMap", ())), None),
    )


def carries_packets(nodes: Mapping[str, Object], pods: Iterable[Pod]) -> bool:
    """Whether each pod with an address of its own runs on a virtual machine of the local cloud.

    One that runs on a set of namespaces has no network, and could be any end of a check.
    """
    real = {name for name, node in nodes.items() if not _runtime(node).endswith(_SIMULATED)}
    networked = {pod.node for pod in pods if pod.interface is not None and pod.node}
    return bool(real) and networked <= real


def _runtime(node: Object) -> str:
    """The container runtime that a node reports; that of a simulated one where it reports none."""
    about = node.get("status", {}).get("nodeInfo") or {}
    runtime: str = about.get("containerRuntimeVersion") or _SIMULATED
    return runtime


def internal_addresses(node: Object) -> list[str]:
    """A node's InternalIP addresses, IPv4 first as the kubelet lists them."""
    listed = node.get("status", {}).get("addresses") or []
    return [a["address"] for a in listed if a["type"] == "InternalIP"]


def condition(item: Object, kind: str) -> bool:
    """Whether a condition of a node or a pod is true."""
    conditions = item.get("status", {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _pods(items: Sequence[Object]) -> Iterator[Pod]:
    for item in items:
        status, spec, metadata = item.get("status", {}), item["spec"], item["metadata"]
        if status.get("phase") in {"Succeeded", "Failed"}:
            continue
        host = spec.get("hostNetwork", False)
        yield Pod(
            namespace=metadata["namespace"],
            name=metadata["name"],
            app=(metadata.get("labels") or {}).get("app", ""),
            node=spec.get("nodeName", ""),
            ready=condition(item, "Ready"),
            addresses=tuple(a["ip"] for a in status.get("podIPs") or () if a.get("ip")),
            interface=None if host else _interface(metadata.get("annotations") or {}),
            uid=metadata.get("uid", ""),
            requests=_requests(spec),
        )


def _requests(spec: Object) -> Mapping[str, int]:
    """What the scheduler counts: containers and sidecars, or an init container that needs more.

    As `PodRequests` of k8s.io/component-helpers (resource/helpers.go).
    """
    most, sidecars = Counter[str](), Counter[str]()
    for container in spec.get("initContainers") or ():
        most |= sidecars + _of_container(container)
        if container.get("restartPolicy") == "Always":
            sidecars += _of_container(container)
    return most | sum(map(_of_container, spec.get("containers") or ()), sidecars)


def _of_container(container: Object) -> Counter[str]:
    """Whole numbers only. Other resources may be "2k"; a node never has so many addresses."""
    requests = (container.get("resources") or {}).get("requests") or {}
    return Counter({name: int(n) for name, n in requests.items() if str(n).isdecimal()})


def _interface(annotations: Mapping[str, str]) -> str:
    network = annotations.get(_DEFAULT_NETWORK, "").rpartition("/")[2]
    return network.removeprefix(_PREFIX) or DEFAULT_POD_NIC
