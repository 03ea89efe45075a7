"""The addresses of load balancers and gateways, and the sources of their packets.

Sources, all of Alibaba Cloud:

* A CLB reaches its backends from 100.64.0.0/10, to which no security group applies: "You do not
  need to add an allow rule to the security group of your ECS instance" (CLB health check FAQ, May
  2026,
  https://www.alibabacloud.com/help/en/slb/health-check-causes-processing-of-a-large-number-of-logs).
* An NLB takes three addresses of each of its vSwitches, two "local IPs for backend communication
  and health checks, and one VIP that serves clients", and eight should be free for its elasticity
  (https://help.aliyun.com/en/slb/network-load-balancer/user-guide/create-and-manage-an-nlb-instance).
  So its packets come from its vSwitches. Only the VIP can be chosen by the caller.
* An NLB for the internet has one EIP in each zone
  (https://www.alibabacloud.com/help/en/slb/network-load-balancer/user-guide/overview-of-nlb-instances/).
* A NAT gateway takes one address of its vSwitch, and CreateNatGateway has no parameter for it
  (https://www.alibabacloud.com/help/doc-detail/36048.htm). A CLB takes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, Literal

from config.model import ServiceConfig
from planning.cloud.services import placement
from planning.model import ClusterPlan

Kind = Literal["NAT gateway", "CLB", "NLB"]

ADDRESSES: Final[Mapping[Kind, int]] = {"NAT gateway": 1, "CLB": 1, "NLB": 3}
"""Addresses that one gateway of the kind takes from each of its vSwitches."""


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A resource whose addresses the cloud chooses. `vswitches` are keys, sorted."""

    path: str
    """The path of the key that asks for it."""
    kind: Kind
    vswitches: tuple[str, ...]


def gateways(plan: ClusterPlan) -> Iterator[Gateway]:
    """Everything in a vSwitch of the plan whose addresses the cloud chooses."""
    network = plan.network
    if network.nat_vswitch is not None:
        yield Gateway(path="network.nat", kind="NAT gateway", vswitches=(network.nat_vswitch,))
    if network.api_vswitch is not None:
        yield Gateway(path="kubernetes.endpoint", kind="CLB", vswitches=(network.api_vswitch,))
    for name, service in plan.services.items():
        place = placement(plan, service)
        if place is not None:
            yield Gateway(
                path=f"services.{name}",
                kind="NLB" if service.load_balancer == "nlb" else "CLB",
                vswitches=tuple(sorted(key for _, key in place.vswitches)),
            )


def taken_addresses(plan: ClusterPlan) -> Mapping[str, int]:
    """By vSwitch key: how many addresses gateways and load balancers take of it."""
    taken: Counter[str] = Counter()
    for gateway in gateways(plan):
        for key in gateway.vswitches:
            taken[key] += ADDRESSES[gateway.kind]
    return taken


def nlb_sources(plan: ClusterPlan, service: ServiceConfig) -> Mapping[str, IPv4Network]:
    """The source ranges of an NLB's packets and health checks, by vSwitch key.

    For an existing NLB only the VPC is known, so its ranges are used, under the names
    `vpc-<place>`.
    """
    place = placement(plan, service)
    if place is None:
        return {f"vpc-{at}": cidr for at, cidr in enumerate(plan.network.cidrs)}
    return {key: plan.network.vswitches[key].cidr for _, key in place.vswitches}


def balancer_count(plan: ClusterPlan, kind: Literal["CLB", "NLB"]) -> int:
    """How many load balancers of a kind the stack has, that of the API server included."""
    services = sum(
        service.id is None and service.load_balancer.upper() == kind
        for service in plan.services.values()
    )
    return services + (kind == "CLB" and plan.network.api_vswitch is not None)


def balancer_eips(plan: ClusterPlan) -> int:
    """EIPs of the services' NLBs: an internet-facing NLB has one in each of its zones."""
    return sum(
        len(place.vswitches)
        for service in plan.services.values()
        if service.load_balancer == "nlb" and service.address_type == "internet"
        if (place := placement(plan, service)) is not None
    )
