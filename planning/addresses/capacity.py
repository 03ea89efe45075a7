"""How many pods fit on a node, and how many addresses a vSwitch has left.

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
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from config.facts.nics import DEFAULT_POD_NIC
from config.facts.reserved import PREFIX_SIZE
from config.model import Role
from config.report import Problem
from planning.addresses.blocks import usable
from planning.addresses.canonical import expand
from planning.cloud.load_balancers import gateways, taken_addresses
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


def usable_addresses(cidr: IPv4Network) -> int:
    """Number of addresses in a vSwitch that can be assigned."""
    span = usable(cidr)
    return max(span.last - span.first + 1, 0)


def free_addresses(plan: ClusterPlan) -> dict[str, int]:
    """The number of free addresses by vSwitch key, without ENIs, gateways and load balancers.

    A reservation for prefixes does not count as free; see `free_prefixes`.
    """
    free = {
        key: usable_addresses(v.cidr)
        - (0 if v.prefix_reservation is None else v.prefix_reservation.num_addresses)
        for key, v in plan.network.vswitches.items()
    }
    for node in plan.nodes.values():
        for interface in node.interfaces.values():
            single = 0 if interface.pods.blocks else interface.pods.count
            free[interface.vswitch] -= 1 + single
    for key, taken in taken_addresses(plan).items():
        free[key] -= taken
    return free


def gateways_have_room(plan: ClusterPlan) -> Iterator[Problem]:
    """The vSwitches with too few addresses for their gateways and load balancers."""
    free = free_addresses(plan)
    for key in taken_addresses(plan):
        if free[key] < 0:
            users = [f"{g.path} ({g.kind})" for g in gateways(plan) if key in g.vswitches]
            vswitch = plan.network.vswitches[key]
            yield Problem(
                path=f"network.subnets.{vswitch.subnet}.zones.{vswitch.zone}.cidr",
                value=str(vswitch.cidr),
                rule=f"It has {-free[key]} addresses too few for its NICs and {', '.join(users)}. "
                "An NLB takes three addresses of each of its vSwitches, a CLB and a NAT gateway "
                "one.",
                remedy="Write a larger range, or name another subnet for some of them.",
            )


def free_prefixes(plan: ClusterPlan) -> dict[str, int]:
    """By key of each vSwitch with a reservation: how many /28 prefixes are left in it."""
    free = {
        key: v.prefix_reservation.num_addresses // PREFIX_SIZE
        for key, v in plan.network.vswitches.items()
        if v.prefix_reservation is not None
    }
    for node in plan.nodes.values():
        for interface in node.interfaces.values():
            if interface.pods.blocks:
                free[interface.vswitch] -= len(interface.pods.blocks)
    return free
