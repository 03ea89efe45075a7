"""How many pods fit on a node, by the addresses of its NICs.

Where pods ask for their addresses (`ClusterPlan.counting`), the scheduler counts them by NIC, and
the kubelet's `maxPods` is the number of a node's pod addresses plus its host-network pods.
Elsewhere the scheduler does not know about free addresses, and one pod too many hangs in
ContainerCreating. There `maxPods` follows from the addresses of eth0 alone, because every pod that
does not ask for another NIC takes one of these.

Host-network pods take no address but count in `maxPods`, so those that always run on a node are
added. Pods that may not run there are not added, because each absent one would admit a pod without
an address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from config.facts.nics import DEFAULT_POD_NIC
from config.model import Role
from planning.addresses.canonical import expand
from planning.model import ClusterPlan, InterfacePlan, NodePlan
from planning.names import DOMAIN, IPV6, pool_name

ON_EVERY_NODE = ("kube-proxy", "spiderpool-agent")
SOMEWHERE = ("spiderpool-controller",)
"""Host-network pods that only some nodes run, each at most one, because of its host ports. Where
addresses are counted, each node has room for it, or one of its addresses would never be used."""
ON_CONTROL_PLANES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def host_network_pods(role: Role, *, cloud_controller: bool) -> int:
    """Number of host-network pods that always run on a node of this role.

    Args:
        role: The role of the node.
        cloud_controller: Whether the cluster has the CCM, which runs on each control plane.
    """
    extra = 0
    if role is Role.CONTROL_PLANE:
        extra = len(ON_CONTROL_PLANES) + cloud_controller
    return len(ON_EVERY_NODE) + extra


def max_pods(
    role: Role, interfaces: Iterable[InterfacePlan], *, counted: bool, cloud_controller: bool
) -> int:
    """The kubelet's `maxPods`: pods with an address, and the host-network pods.

    Args:
        role: The role of the node.
        interfaces: Its NICs.
        counted: Whether the scheduler counts addresses by NIC. If not, only eth0's are safe.
        cloud_controller: Whether the cluster has the CCM.
    """
    sure = host_network_pods(role, cloud_controller=cloud_controller)
    return _pods_with_address(interfaces, counted=counted) + sure + (len(SOMEWHERE) * counted)


def pod_capacity(plan: ClusterPlan, node: NodePlan) -> int:
    """How many pods with an address fit on a node."""
    return _pods_with_address(node.interfaces.values(), counted=plan.counting is not None)


def _pods_with_address(interfaces: Iterable[InterfacePlan], *, counted: bool) -> int:
    return sum(i.pods.count for i in interfaces if counted or i.name == DEFAULT_POD_NIC)


def address_resource(interface: str) -> str:
    """The extended resource of a NIC's pod addresses.

    Nodes advertise it, pods ask for it, and the scheduler names it (`Insufficient …`). The domain
    is ours: `spidernet.io/<nic>-nic` means the presence of a NIC, and Spiderpool's agent may
    advertise it too.
    """
    return f"{DOMAIN}/{interface}-addresses"


def advertised_addresses(plan: ClusterPlan, node: NodePlan) -> dict[str, int]:
    """The number of addresses that a node offers to any pod, by resource. Each NIC has one.

    Addresses of `spiderpool.extraPools` do not count, because only some pods may take them. An
    address and its IPv6 twin count once. Empty where addresses are not counted.
    """
    if plan.counting is None:
        return {}
    extra = Counter(
        pool.interface
        for pool in plan.pools_of_nodes[node.name]
        if pool.ip_version != IPV6 and pool.name != pool_name(pool.node, pool.interface)
        for _ in expand(pool.ips)
    )
    return {
        address_resource(name): nic.pods.count - extra[name]
        for name, nic in sorted(node.interfaces.items())
    }
