"""The name under which nodes reach the API server, whatever the number of control planes.

Each node's /etc/hosts resolves it. A control plane resolves it to itself, because a CLB drops
packets that a backend sends to itself through it (kubeadm#2996). A worker resolves it to the only
control plane or to the load balancer. So adding or removing control planes does not change
kubeconfigs and certificates (docs/decisions/endpoint-name.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

from config.facts.nics import PRIMARY_NIC
from config.facts.ports import API_SERVER
from planning.model import ClusterPlan, NodePlan
from planning.names import cidr_slug


def endpoint_name(plan: ClusterPlan) -> str:
    """The name of the API servers, in certificates and kubeconfigs of every node."""
    return f"api.{plan.name}.internal"


def balanced(plan: ClusterPlan) -> bool:
    """Whether a load balancer is in front of the API servers: with several control planes."""
    return len(plan.control_planes) > 1


def admitted(plan: ClusterPlan) -> Mapping[str, IPv4Network]:
    """The networks that a load balancer with a public address admits, by name.

    They are `allowedCidrs` and the cluster's vSwitches, because the list applies to clients in the
    VPC, too. A CLB accepts connections without a security group. Empty without such a balancer.
    """
    endpoint = plan.kubernetes.endpoint
    if not balanced(plan) or not plan.public_endpoint:
        return {}
    inside = {key: vswitch.cidr for key, vswitch in plan.network.vswitches.items()}
    outside = {
        f"allowed-{cidr_slug(cidr)}": cidr
        for cidr in endpoint.allowed_cidrs
        # The list has equal entries once, so removing one later would lock out our own nodes.
        if cidr not in inside.values()
    }
    return {**outside, **inside}


def control_plane_endpoint(plan: ClusterPlan) -> str:
    """The `controlPlaneEndpoint` of kubeadm: name and port, the same on every node."""
    return f"{endpoint_name(plan)}:{API_SERVER}"


def private_address(node: NodePlan) -> str:
    """The node's own address: its first NIC's primary one, which CCM also reports."""
    return str(node.interfaces[PRIMARY_NIC].primary)


def other_control_planes(
    plan: ClusterPlan, node: NodePlan, earlier: Mapping[str, str]
) -> tuple[str, ...]:
    """Private addresses of the other control planes, by name; the node before this one first.

    A new control plane joins through the first of them that answers. Starting with its
    predecessor lets a fresh cluster's control planes join one after the other: etcd takes one
    learner at a time.

    `earlier` are the addresses before this run, by node. Control planes change one at a time and
    in this order, so those after this one may still have them.
    """
    planes = plan.control_planes
    at = [plane.name for plane in planes].index(node.name)
    before = [private_address(plane) for plane in reversed(planes[:at])]
    after = [
        address
        for plane in planes[at + 1 :]
        for address in (earlier.get(plane.name), private_address(plane))
        if address is not None
    ]
    return tuple(dict.fromkeys((*before, *after)))
