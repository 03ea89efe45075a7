"""Checks of objects and addresses, which need only the API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from config.facts.ranges import METADATA_SERVICE
from operations.verification.advertised import ADVERTISED_CHECK
from operations.verification.checks import Check, Needs, NotRun, Probe
from operations.verification.cluster_objects import Cluster, Object, Pod, condition
from operations.verification.kube_proxy import KUBE_PROXY_CHECK
from operations.verification.pool_contents import addresses_of, owners_of
from planning.names import multus_name
from planning.nodes.machine import METADATA_FOR_PODS

_UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


def _asked(find: Callable[[Cluster], Iterator[str]]) -> Callable[[Cluster], Sequence[Probe]]:
    """One probe that reads the objects."""
    return lambda cluster: [Probe(attempt=lambda _: list(find(cluster)))]


def members(cluster: Cluster) -> Mapping[str, Object]:
    """Nodes of the stack by their name in the cluster, which the outputs of their pools have."""
    nodes: Mapping[str, Object] = cluster.outputs.get("nodes") or {}
    pools = cluster.outputs.get("ipPools") or {}
    names = {
        name: pools[pool]["nodeName"]
        for name, node in nodes.items()
        for nic in node["interfaces"]
        if (pool := f"{name}-{nic}") in pools
    }
    return {names.get(name, name): node for name, node in nodes.items()}


def _nodes_ready(cluster: Cluster) -> Iterator[str]:
    for name in members(cluster):
        node = cluster.nodes.get(name)
        if node is None:
            yield f"{name} is not in the cluster"
        elif not condition(node, "Ready"):
            yield f"{name} is not Ready"


def _provider_ids(cluster: Cluster) -> Iterator[str]:
    for name, planned in members(cluster).items():
        node = cluster.nodes.get(name)
        provider_id = (node or {}).get("spec", {}).get("providerID")
        if node is not None and provider_id != planned.get("providerId"):
            yield f"{name} has {provider_id}, its instance is {planned.get('providerId')}"


def _initialized(cluster: Cluster) -> Iterator[str]:
    for name, node in cluster.nodes.items():
        taints = node.get("spec", {}).get("taints") or []
        if any(t["key"] == _UNINITIALIZED for t in taints):
            yield f"{name} still carries the taint {_UNINITIALIZED}"


def _pools_as_planned(cluster: Cluster) -> Iterator[str]:
    for name, planned in (cluster.outputs.get("ipPools") or {}).items():
        pool = cluster.pools.get(name)
        if pool is None:
            yield f"there is no SpiderIPPool {name}"
            continue
        spec = pool["spec"]
        expected = {
            "ips": planned.get("ips"),
            "subnet": planned.get("subnet"),
            "gateway": planned.get("gateway"),
            "nodeName": [planned.get("nodeName")],
            "multusName": [planned.get("multusName")],
        }
        for key, value in expected.items():
            if spec.get(key) != value:
                yield f"{name}: {key} is {spec.get(key)}, the stack has {value}"


def _in_their_pools(cluster: Cluster) -> Iterator[str]:
    for pod in _underlay(cluster):
        for address in pod.addresses:
            pools = _pools_of(cluster, pod)
            if not any(address in addresses_of(pool) for pool in pools.values()):
                where = ", ".join(pools) or "no pool at all"
                yield (
                    f"{pod.namespace}/{pod.name} has {address}, which is not in a pool of "
                    f"{pod.node} and {pod.interface} ({where})"
                )


def _addresses_once(cluster: Cluster) -> Iterator[str]:
    owners: dict[str, list[str]] = {}
    for name, node in (cluster.outputs.get("nodes") or {}).items():
        for nic, interface in node["interfaces"].items():
            owners.setdefault(interface["primary"], []).append(f"{name} {nic}")
    for pod in _underlay(cluster):
        for address in pod.addresses:
            owners.setdefault(address, []).append(f"{pod.namespace}/{pod.name}")
    for address, names in sorted(owners.items()):
        if len(names) > 1:
            yield f"{address} belongs to {' and '.join(names)}"


def _status_of_pools(cluster: Cluster) -> Iterator[str]:
    running = {address for pod in _underlay(cluster) for address in pod.addresses}
    for name, pool in cluster.pools.items():
        status = pool.get("status") or {}
        taken = set(json.loads(status.get("allocatedIPs") or "{}"))
        in_use = running & addresses_of(pool)
        for address in sorted(in_use - taken):
            yield f"{name}: a pod runs on {address}, which the pool counts as free"
        for address in sorted(taken - in_use):
            yield f"{name}: {address} is taken, and no pod runs on it"
        if status.get("allocatedIPCount", 0) != len(taken):
            counted = status.get("allocatedIPCount")
            yield f"{name}: counts {counted} addresses and lists {len(taken)}"


def _waiting_on_a_node(cluster: Cluster) -> Iterator[str]:
    for pod in cluster.pods:
        if pod.interface is None or pod.addresses or not pod.node:
            continue
        pools = _pools_of(cluster, pod)
        if not any(addresses_of(pool) and _has_room(pool) for pool in pools.values()):
            where = ", ".join(pools) or "no pool at all"
            yield (
                f"{pod.namespace}/{pod.name} is on {pod.node} and has no address: {pod.interface} "
                f"has none left there ({where})"
            )


def _has_room(pool: Object) -> bool:
    return owners_of(pool).total() < len(addresses_of(pool))


def _metadata_rules(cluster: Cluster) -> Sequence[Probe] | NotRun:
    planned = cluster.outputs.get("metadataForPods")
    if planned is None:
        return NotRun(reason="the stack does not set up the machines of this cluster")

    def find(cluster: Cluster) -> Iterator[str]:
        for name in sorted(members(cluster).keys() & cluster.nodes.keys()):
            annotations = cluster.nodes[name]["metadata"].get("annotations") or {}
            state = annotations.get(METADATA_FOR_PODS)
            if state is None:
                yield (
                    f"{name} does not report whether pods reach {METADATA_SERVICE}: its unit does "
                    "not run, or comes from an earlier release; then replace the machine"
                )
            elif state != planned:
                yield f"{name}: {METADATA_SERVICE} is {state} for pods, the stack has {planned}"
        for coordinator in cluster.coordinators if planned == "blocked" else ():
            if f"{METADATA_SERVICE}/32" not in (coordinator["spec"].get("hijackCIDR") or ()):
                yield (
                    f"SpiderCoordinator {coordinator['metadata']['name']} does not route "
                    f"{METADATA_SERVICE} to the host"
                )

    return _asked(find)(cluster)


def _service_addresses(cluster: Cluster) -> Sequence[Probe] | NotRun:
    services = cluster.outputs.get("services") or {}
    if not services:
        return NotRun(reason="the stack has no LoadBalancer services")

    def find(cluster: Cluster) -> Iterator[str]:
        live = {name: s for (_, name), s in cluster.services.items() if _is_balanced(s)}
        for name, shown in services.items():
            addresses = balancer_addresses(live.get(name, {}))
            expected = shown.get("address")
            if not addresses:
                yield f"service {name} has no address"
            elif expected not in addresses:
                yield f"service {name} has {', '.join(addresses)}, the stack has {expected}"

    return _asked(find)(cluster)


def balancer_addresses(service: Object) -> list[str]:
    """IP or host name of a service's load balancer."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [a for i in ingress if (a := i.get("ip") or i.get("hostname"))]


def _is_balanced(service: Object) -> bool:
    return bool(service["spec"].get("type") == "LoadBalancer")


def _underlay(cluster: Cluster) -> list[Pod]:
    return [p for p in cluster.pods if p.interface is not None and p.addresses]


def _pools_of(cluster: Cluster, pod: Pod) -> dict[str, Object]:
    if pod.interface is None:
        return {}
    network = multus_name(pod.interface)
    return {
        name: pool
        for name, pool in cluster.pools.items()
        if pod.node in (pool["spec"].get("nodeName") or ())
        and network in (pool["spec"].get("multusName") or ())
    }


OBJECT_CHECKS: tuple[Check, ...] = (
    Check(
        name="nodes-ready",
        needs=Needs.OBJECTS,
        how="every node of the stack is in the cluster and Ready",
        cause="its bootstrap failed, or the kubelet has no CNI configuration yet",
        look="kubectl describe node NODE; the instance's console output",
        probes=_asked(_nodes_ready),
    ),
    Check(
        name="provider-ids",
        needs=Needs.OBJECTS,
        how="every node names the instance that the stack created",
        cause="a node was set up again by hand, or another machine joined under its name",
        look="kubectl get nodes -o custom-columns=NAME:.metadata.name,ID:.spec.providerID",
        probes=_asked(_provider_ids),
    ),
    Check(
        name="nodes-initialized",
        needs=Needs.CONTROLLER,
        how="no node carries the taint that the cloud controller removes",
        cause="the cloud controller does not run, or its RAM role may not DescribeInstances",
        look="kubectl -n kube-system logs deployment/cloud-controller-manager",
        probes=_asked(_initialized),
    ),
    Check(
        name="pools-as-planned",
        needs=Needs.OBJECTS,
        how="every SpiderIPPool has the addresses, node and network that the stack shows",
        cause="a pool was changed by hand",
        look="pulumi preview --diff; kubectl get spiderippool POOL -o yaml",
        probes=_asked(_pools_as_planned),
    ),
    Check(
        name="pod-addresses-in-pools",
        needs=Needs.OBJECTS,
        how="every pod's address is in a pool of its own node and NIC",
        cause="a pod kept the address of another node's ENI (ipam.enableStatefulSet), or a pool "
        "without nodeName serves it",
        look="kubectl get spiderendpoints -A -o wide",
        probes=_asked(_in_their_pools),
    ),
    Check(
        name="addresses-once",
        needs=Needs.OBJECTS,
        how="no address belongs to two pods, or to a pod and an ENI",
        cause="two pools overlap, or a pod outlived its node",
        look="kubectl get pods -A -o wide; kubectl get spiderippools",
        probes=_asked(_addresses_once),
    ),
    Check(
        name="pool-status",
        needs=Needs.OBJECTS,
        how="each pool counts exactly the addresses of its pods as taken",
        cause="Spiderpool's collector runs every two minutes and has not run yet, or is down",
        look="kubectl -n kube-system logs deployment/spiderpool-controller; kubectl get "
        "spiderippool POOL -o yaml",
        probes=_asked(_status_of_pools),
    ),
    ADVERTISED_CHECK,
    Check(
        name="no-pod-waits-on-a-node",
        needs=Needs.OBJECTS,
        how="no pod is on a node whose NIC has no address left for it",
        cause="the pod was created before the admission policies, or pods do not ask for addresses "
        "in this cluster",
        look="kubectl describe pod POD; kubectl get spiderippools",
        probes=_asked(_waiting_on_a_node),
    ),
    Check(
        name="metadata-rules",
        needs=Needs.OBJECTS,
        how="every node has the rules for pods and the metadata service that the stack asks for, "
        "and reaches the service itself",
        cause="the machine was made by an earlier release, or nft refuses the rules",
        look="on the machine, nft list ruleset and journalctl -u spiderpool-alicloud-node",
        probes=_metadata_rules,
    ),
    Check(
        name="service-addresses",
        needs=Needs.CONTROLLER,
        how="every LoadBalancer service has the address that the stack shows",
        cause="the cloud controller failed to create the load balancer",
        look="kubectl describe service SERVICE",
        probes=_service_addresses,
    ),
    KUBE_PROXY_CHECK,
)
