"""The health of backend servers: whether their machine runs, which is all the emulator can see."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.requests.actions import Answer, Call, action

from . import load_balancers
from .entities import Listener, Server, servers_behind


@dataclass(frozen=True, kw_only=True)
class DescribeHealthStatus:
    """Parameters of DescribeHealthStatus."""

    load_balancer_id: str
    listener_port: int | None = None
    listener_protocol: str | None = None
    region_id: str | None = None


def _status(call: Call, listener: Listener, server: Server) -> str:
    if listener.setting("HealthCheck", "on") == "off" or not listener.running:
        return "unavailable"
    instance_id: str | None = server.id
    if server.kind == "eni":
        eni = call.store.find(NetworkInterface, server.id)
        instance_id = eni.instance_id if eni else None
    instance = call.store.find(Instance, instance_id)
    up = instance is not None and instance.status(call.now) == "Running"
    return "normal" if up else "abnormal"


@action()
def describe_health_status(call: Call, request: DescribeHealthStatus) -> Answer:
    """Report each listener's servers as normal, abnormal, or unavailable if checks are off."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    rows = [
        {
            "ListenerPort": x.port,
            "Protocol": x.protocol,
            "ServerId": server.id,
            "ServerIp": server.ip,
            "Port": port,
            "ServerHealthStatus": _status(call, x, server),
        }
        for x in balancer.listeners
        if request.listener_port in {None, x.port}
        and request.listener_protocol in {None, "", x.protocol}
        for server, port in servers_behind(call.store, balancer, x)
    ]
    return {"LoadBalancerId": balancer.id, "BackendServers": {"BackendServer": rows}}
