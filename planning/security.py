"""The cluster's security group, rule by rule: no more than its members need.

One group for all NICs of all nodes, pods included: a pod's packets leave through its node's ENI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, Literal

from planning.model import ClusterPlan
from planning.names import cidr_slug

LOAD_BALANCERS: Final = IPv4Network("100.64.0.0/10")
"""Where CLB and NLB send health checks and traffic from, in every VPC."""

_API: Final = "6443/6443"
_NODE_PORTS: Final = "30000/32767"
_ALL_PORTS: Final = "-1/-1"


@dataclass(frozen=True, kw_only=True)
class SecurityRule:
    """One rule of the cluster's security group, as AuthorizeSecurityGroup names its parts.

    `port_range` is `from/to`, `-1/-1` for protocols without ports. `cidr` is the other side;
    None means the members of this very group. `priority` 1 is the highest.
    """

    direction: Literal["ingress", "egress"]
    protocol: Literal["tcp", "udp", "icmp", "all"]
    port_range: str
    cidr: IPv4Network | None
    priority: int
    description: str


def security_rules(plan: ClusterPlan) -> Mapping[str, SecurityRule]:
    """The group's rules by name, sorted; a rule's name follows from what it is for."""
    rules = {
        "members": _ingress("all", _ALL_PORTS, None, "nodes and pods among themselves"),
        "out": SecurityRule(
            direction="egress",
            protocol="all",
            port_range=_ALL_PORTS,
            cidr=IPv4Network("0.0.0.0/0"),
            priority=1,
            description="everything out",
        ),
    }
    kubernetes = plan.kubernetes
    if kubernetes.mode == "kubeadm":
        for cidr in kubernetes.endpoint.allowed_cidrs:
            rules[f"api-{cidr_slug(cidr)}"] = _ingress(
                "tcp", _API, cidr, "API server, allowedCidrs"
            )
        if len(plan.control_planes) > 1:
            rules["api-load-balancer"] = _ingress(
                "tcp", _API, LOAD_BALANCERS, "API server, through its load balancer"
            )
    if plan.cloud_controller.enabled:
        # Straight to pods any port can be a target; by node port only these.
        default = plan.cloud_controller.backend_type
        kinds = {default, *(s.backend_type or default for s in plan.services.values())}
        ports = "1/65535" if "eni" in kinds else _NODE_PORTS
        for protocol in ("tcp", "udp"):
            rules[f"services-{protocol}"] = _ingress(
                protocol, ports, LOAD_BALANCERS, "LoadBalancer services"
            )
    for name, rule in plan.network.ingress.items():
        rules[f"ingress-{name}"] = _ingress(
            rule.protocol, rule.ports, rule.source, rule.description or name
        )
    return dict(sorted(rules.items()))


def _ingress(
    protocol: Literal["tcp", "udp", "icmp", "all"],
    port_range: str,
    cidr: IPv4Network | None,
    description: str,
) -> SecurityRule:
    return SecurityRule(
        direction="ingress",
        protocol=protocol,
        port_range=port_range,
        cidr=cidr,
        priority=1,
        description=description,
    )
