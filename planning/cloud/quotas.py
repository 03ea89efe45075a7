"""The quotas that a plan needs, and how much an account has by default.

Sources: Alibaba Cloud, "Limits" of ECS, "Limits and quotas" of VPC, NAT Gateway, EIP, CLB and NLB.
An account may have more. The console's Quota Center shows the quotas and raises most of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.facts.load_balancers import BACKEND_SERVERS, EXCLUDING_LABELS, LISTENERS
from config.model import Role
from planning.cloud.load_balancers import balancer_count, balancer_eips
from planning.cloud.security import security_rules
from planning.model import ClusterPlan

PER_REGION = "account and region"
PER_VPC = "VPC"
PER_NAT = "NAT gateway"
PER_CLB = "CLB instance"
PER_NLB = "NLB instance"
PER_GROUP = "basic security group"
PER_ENTERPRISE_GROUP = "enterprise security group"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many of something a plan needs. `default` is None where accounts differ widely."""

    needed: int
    default: int | None
    per: str


def quotas(plan: ClusterPlan) -> Mapping[str, Quota]:
    """Everything that quotas count, by the name that the console uses."""
    network = plan.network
    nics = [nic for node in plan.nodes.values() for nic in node.interfaces.values()]
    has_nat = network.nat_vswitch is not None
    public = plan.kubernetes.mode == "kubeadm" and plan.public_endpoint
    addresses = sum(1 + nic.pods.count for nic in nics)
    enterprise = network.security_group.type == "enterprise"
    return {
        "CLB instances": Quota(needed=balancer_count(plan, "CLB"), default=60, per=PER_REGION),
        "ECS instances": Quota(needed=len(plan.nodes), default=None, per=PER_REGION),
        "EIPs": Quota(
            needed=int(has_nat and network.nat.eip_id is None) + int(public) + balancer_eips(plan),
            default=20,
            per=PER_REGION,
        ),
        **_data_disks(plan),
        **_listeners(plan),
        "ENIs": Quota(needed=len(nics), default=None, per=PER_REGION),
        "NLB instances": Quota(needed=balancer_count(plan, "NLB"), default=60, per=PER_REGION),
        "NAT gateways": Quota(needed=int(has_nat), default=5, per=PER_VPC),
        "SNAT entries": Quota(
            needed=sum(v.snat for v in network.vswitches.values()), default=40, per=PER_NAT
        ),
        "VPCs": Quota(needed=int(network.vpc.id is None), default=10, per=PER_REGION),
        "private addresses": Quota(
            needed=addresses,
            default=65536 if enterprise else 6000,
            per=PER_ENTERPRISE_GROUP if enterprise else PER_GROUP,
        ),
        "secondary CIDRs": Quota(needed=len(network.vpc.secondary_cidrs), default=5, per=PER_VPC),
        "security group rules": Quota(
            needed=len(security_rules(plan)),
            default=200,
            per=PER_ENTERPRISE_GROUP if enterprise else PER_GROUP,
        ),
        "vSwitch CIDR reservations": Quota(
            needed=sum(v.prefix_reservation is not None for v in network.vswitches.values()),
            default=100,
            per=PER_VPC,
        ),
        "vSwitches": Quota(
            needed=sum(v.vswitch_id is None for v in network.vswitches.values()),
            default=150,
            per=PER_VPC,
        ),
    }


_BALANCERS: Final = {"clb": ("CLB", PER_CLB), "nlb": ("NLB", PER_NLB)}


def _listeners(plan: ClusterPlan) -> Mapping[str, Quota]:
    """Listeners and backend servers of the load balancer that has most of them, by kind.

    Of an existing load balancer only what the stack adds is counted. Each port has a group with
    every node that can be a backend; whether the quota counts a server of two groups twice is not
    published, so it is counted twice. Pods as backends (`eni`) cannot be counted beforehand.
    """
    listeners: dict[str, Counter[str]] = {kind: Counter() for kind in _BALANCERS}
    servers: dict[str, Counter[str]] = {kind: Counter() for kind in _BALANCERS}
    backends = sum(
        node.role is Role.WORKER and not EXCLUDING_LABELS & node.labels.keys()
        for node in plan.nodes.values()
    )
    for name, service in plan.services.items():
        balancer = service.id or name
        listeners[service.load_balancer][balancer] += len(service.ports)
        if not service.has_pod_backends(plan.cloud_controller):
            servers[service.load_balancer][balancer] += len(service.ports) * backends
    counted = {}
    for kind, (title, per) in _BALANCERS.items():
        if listeners[kind]:
            counted[f"{title} listeners"] = Quota(
                needed=max(listeners[kind].values()), default=LISTENERS, per=per
            )
        if servers[kind]:
            counted[f"{title} backend servers"] = Quota(
                needed=max(servers[kind].values()), default=BACKEND_SERVERS[kind], per=per
            )
    return counted


def _data_disks(plan: ClusterPlan) -> Mapping[str, Quota]:
    """Disks in addition to system disks, in GiB: the quota counts the capacity of a category."""
    sizes = [node.etcd_disk.size for node in plan.nodes.values() if node.etcd_disk is not None]
    if not sizes:
        return {}
    return {"GiB of data disks": Quota(needed=sum(sizes), default=None, per=PER_REGION)}
