"""The cluster's security group, rule by rule: no more than its members need.

One group for all NICs of all nodes, pods included: a pod's packets leave through its node's ENI.

Members reach each other by the group's inner access policy. A rule with its own group as the source
does not exist: AuthorizeSecurityGroup refuses it with 403 InvalidParamter.Conflict
(https://www.alibabacloud.com/help/en/ecs/developer-reference/api-ecs-2014-05-26-authorizesecuritygroup).
An enterprise group always isolates its members from each other, so there they are admitted by the
ranges of the vSwitches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, Literal

from config.facts.ports import API_SERVER, NODE_PORTS
from config.facts.ranges import EVERYWHERE
from config.model import ServiceConfig
from config.report import Problem
from planning.cloud.load_balancers import nlb_sources
from planning.model import ClusterPlan
from planning.names import cidr_slug

MAX_RULES: Final = 1000
"""Rules in all security groups of an ENI, which is in this one only (ECS, "Limits and quotas",
security groups; AuthorizeSecurityGroup). A quota that can be raised lets one group have fewer."""

_API: Final = f"{API_SERVER}/{API_SERVER}"
_NODE_PORTS: Final = "/".join(map(str, NODE_PORTS))
_ALL_PORTS: Final = "-1/-1"

Protocol = Literal["tcp", "udp", "icmp", "all"]


@dataclass(frozen=True, kw_only=True)
class SecurityRule:
    """One rule of the cluster's security group, as AuthorizeSecurityGroup names its parts.

    `port_range` is `from/to`, `-1/-1` for protocols without ports. `cidr` is the other side.
    `priority` 1 is the highest. `path` is the key of the stack file that asks for the rule.
    """

    direction: Literal["ingress", "egress"]
    protocol: Protocol
    port_range: str
    cidr: IPv4Network
    priority: int
    description: str
    path: str


def inner_access_policy(plan: ClusterPlan) -> Literal["Accept"] | None:
    """What members may send each other; None where the kind of group allows no choice."""
    return "Accept" if plan.network.security_group.type == "normal" else None


def security_rules(plan: ClusterPlan) -> Mapping[str, SecurityRule]:
    """The group's rules by name, sorted; a rule's name follows from what it is for."""
    rules = {
        "out": SecurityRule(
            direction="egress",
            protocol="all",
            port_range=_ALL_PORTS,
            cidr=EVERYWHERE,
            priority=1,
            description="everything out",
            path="network",
        ),
        **_members(plan),
        **_load_balancers(plan),
    }
    kubernetes = plan.kubernetes
    if kubernetes.mode == "kubeadm":
        for cidr in kubernetes.endpoint.allowed_cidrs:
            rules[f"api-{cidr_slug(cidr)}"] = _ingress(
                "tcp", _API, cidr, "API server, allowedCidrs", "kubernetes.endpoint.allowedCidrs"
            )
    for name, rule in plan.network.ingress.items():
        rules[f"ingress-{name}"] = _ingress(
            rule.protocol,
            rule.ports,
            rule.source,
            rule.description or name,
            f"network.ingress.{name}",
        )
    return dict(sorted(rules.items()))


def equal_rules(plan: ClusterPlan) -> Iterator[Problem]:
    """Rules that the cloud would keep as one, so that removing one would remove both.

    AuthorizeSecurityGroup reports success for a rule that exists already and creates nothing. Rules
    are equal if protocol, ports, direction and the other side are; descriptions do not matter.
    """
    rules: dict[tuple[str, str, str, IPv4Network], SecurityRule] = {}
    for rule in security_rules(plan).values():
        key = (rule.direction, rule.protocol, rule.port_range, rule.cidr)
        other = rules.setdefault(key, rule)
        if other is rule:
            continue
        # The user can take out a rule of network.ingress, but not what the cluster needs.
        pair = sorted((other, rule), key=lambda r: r.path.startswith("network.ingress."))
        yield Problem(
            path=pair[1].path,
            value=f"{rule.protocol} {rule.port_range} from {rule.cidr}",
            rule=f"It is equal to the rule of {pair[0].path}. The cloud keeps equal rules as one, "
            "so taking one out would take out both.",
            remedy=f"Take {pair[1].path} out.",
        )


def rules_fit(plan: ClusterPlan) -> Iterator[Problem]:
    """The group has no more rules than an ENI takes, a number that no quota raises."""
    count = len(security_rules(plan))
    if count > MAX_RULES:
        yield Problem(
            path="network.ingress",
            value=f"{count} rules",
            rule=f"An ENI has {MAX_RULES} security rules at most, those of the cluster itself "
            "included.",
            remedy="Write fewer and larger ranges here, and in kubernetes.endpoint.allowedCidrs.",
        )


def _members(plan: ClusterPlan) -> Mapping[str, SecurityRule]:
    if inner_access_policy(plan) is not None:
        return {}
    occupied = {nic.vswitch for node in plan.nodes.values() for nic in node.interfaces.values()}
    return {
        f"members-{key}": _ingress(
            "all",
            _ALL_PORTS,
            vswitch.cidr,
            f"nodes and pods in {key}",
            f"network.subnets.{vswitch.subnet}.zones.{vswitch.zone}",
        )
        for key, vswitch in plan.network.vswitches.items()
        if key in occupied
    }


def _load_balancers(plan: ClusterPlan) -> Mapping[str, SecurityRule]:
    """Rules for each NLB: from its own vSwitches to the ports of its own backends.

    Services that need the same rule share it, because the cloud keeps equal rules as one. A rule is
    named by what it admits, and is removed with the last service that needs it.
    """
    if not plan.cloud_controller.enabled:
        return {}
    rules: dict[str, SecurityRule] = {}
    for name, service in plan.services.items():
        if service.load_balancer != "nlb":
            continue
        for source, cidr in nlb_sources(plan, service).items():
            for protocol, ports in set(_backends(plan, service)):
                key = f"nlb-{source}-{protocol}-{ports.replace('/', '-')}"
                others = f"{rules[key].path}, " if key in rules else ""
                rules[key] = _ingress(
                    protocol,
                    ports,
                    cidr,
                    f"network load balancers in {source}",
                    f"{others}services.{name}",
                )
    return rules


def _backends(plan: ClusterPlan, service: ServiceConfig) -> Iterator[tuple[Protocol, str]]:
    """Protocol and ports of an NLB's backends; health checks of UDP ports are TCP by default.

    Source: CreateServerGroup of NLB, HealthCheckConfig.HealthCheckType, default TCP.
    """
    eni = service.has_pod_backends(plan.cloud_controller)
    for port in service.ports.values():
        target = port.target_port or port.port
        ports = f"{target}/{target}" if eni else _NODE_PORTS
        yield "tcp", ports
        if port.protocol == "udp":
            yield "udp", ports


def _ingress(
    protocol: Protocol, port_range: str, cidr: IPv4Network, description: str, path: str
) -> SecurityRule:
    return SecurityRule(
        direction="ingress",
        protocol=protocol,
        port_range=port_range,
        cidr=cidr,
        priority=1,
        description=description,
        path=path,
    )
