"""The ENIs of the servers in a server group, and whether their security groups admit an NLB.

An NLB connects to its servers from its own addresses in its vSwitches ("local IPs for backend
communication and health checks",
https://help.aliyun.com/en/slb/network-load-balancer/user-guide/create-and-manage-an-nlb-instance),
or from the client's address where the server group preserves it. The security groups of a server's
ENI apply to both. A CLB needs no rule because it connects from 100.64.0.0/10
(https://www.alibabacloud.com/help/en/slb/health-check-causes-processing-of-a-large-number-of-logs).
"""

from __future__ import annotations

from ipaddress import ip_address

from localcloud import addressing
from localcloud.ingress import admits
from localcloud.products import admission
from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.products.nlb.entities import (
    HealthCheck,
    NetworkLoadBalancer,
    NlbServer,
    NlbServerGroup,
)
from localcloud.requests.actions import Call
from localcloud.state.store import Store


def interface_of(store: Store, group: NlbServerGroup, server: NlbServer) -> NetworkInterface | None:
    """The ENI that has a server's address; None if the address is not on an ENI of the VPC."""
    if server.kind == "Eni":
        return store.find(NetworkInterface, server.id)
    if server.kind == "Ecs":
        enis = store.where(NetworkInterface, "instance", server.id)
    else:
        enis = [e for e in store.all(NetworkInterface) if e.vpc_id == group.vpc_id]
    return next((eni for eni in enis if _has(eni, server.ip)), None)


def _has(eni: NetworkInterface, ip: str) -> bool:
    if ip in {eni.address, *eni.secondary, *eni.ipv6}:
        return True
    return any(ip_address(ip) in addressing.block(prefix) for prefix in eni.prefixes)


def check_port(check: HealthCheck, server: NlbServer) -> int:
    """The port to which a health check connects; 0 if checks are off."""
    return (check.port or server.port) if check.enabled else 0


def is_healthy(
    call: Call, balancer: NetworkLoadBalancer, group: NlbServerGroup, server: NlbServer
) -> bool:
    """Whether the machine runs and its security groups admit the check from every zone.

    A bare address that is not on an ENI is outside of this cloud and counts as healthy.
    """
    eni = interface_of(call.store, group, server)
    if eni is None:
        return server.kind == "Ip"
    instance = call.store.find(Instance, eni.instance_id)
    if instance is None or instance.status(call.now) != "Running":
        return False
    rules = admission.rules_of(call.store, eni.security_group_ids)
    protocol = "udp" if group.health_check.kind == "UDP" else "tcp"
    port = check_port(group.health_check, server)
    sources = (ip for zone in balancer.zones for ip in zone.local_ipv4)
    return all(admits(rules, source, port, protocol) for source in sources)
