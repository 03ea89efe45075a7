"""How many pods a node can take, and what is left of a vSwitch.

The scheduler knows nothing about free addresses: a pod too many hangs in ContainerCreating. So the
kubelet's `maxPods` is bound to the addresses of the default NIC, eth0, which every pod takes that
does not ask for another one. Pods of the host's network take no address but do count in `maxPods`;
those that always run on a node are added, and no others: each one counted in excess admits a pod
that gets no address. Pods on eth1 count in `maxPods`, too, so eth1 adds no room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from config.facts.nics import DEFAULT_POD_NIC
from config.facts.reserved import PREFIX_SIZE
from config.model import Role
from config.report import Problem
from planning.addresses.blocks import usable
from planning.cloud.load_balancers import gateways, taken_addresses
from planning.model import ClusterPlan, InterfacePlan, NodePlan

ON_EVERY_NODE = ("kube-proxy", "spiderpool-agent")
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


def max_pods(role: Role, interfaces: Iterable[InterfacePlan], *, cloud_controller: bool) -> int:
    """The kubelet's `maxPods`: the addresses of eth0's pods plus the host-network pods."""
    sure = host_network_pods(role, cloud_controller=cloud_controller)
    return _default_addresses(interfaces) + sure


def pod_capacity(node: NodePlan) -> int:
    """How many pods with an address of the default NIC fit on a node."""
    return _default_addresses(node.interfaces.values())


def _default_addresses(interfaces: Iterable[InterfacePlan]) -> int:
    return sum(i.pods.count for i in interfaces if i.name == DEFAULT_POD_NIC)


def usable_addresses(cidr: IPv4Network) -> int:
    """Number of addresses in a vSwitch that can be assigned."""
    span = usable(cidr)
    return max(span.last - span.first + 1, 0)


def free_addresses(plan: ClusterPlan) -> dict[str, int]:
    """By vSwitch key: what is left after all ENIs, gateways and load balancers.

    A reservation for prefixes is not free: see `free_prefixes`.
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
    """Where gateways and load balancers take more addresses than a vSwitch has left."""
    free = free_addresses(plan)
    for key in taken_addresses(plan):
        if free[key] < 0:
            users = [f"{g.path} ({g.kind})" for g in gateways(plan) if key in g.vswitches]
            vswitch = plan.network.vswitches[key]
            yield Problem(
                path=f"network.subnets.{vswitch.subnet}.zones.{vswitch.zone}.cidr",
                value=str(vswitch.cidr),
                rule=f"It is too small by {-free[key]} for its NICs and for {', '.join(users)}. An "
                "NLB takes three addresses of each of its vSwitches, a CLB and a NAT gateway one.",
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
