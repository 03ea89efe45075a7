"""The health of a listener's servers: whether their machine runs and admits the check."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.products.nlb.entities import REMOVED
from localcloud.products.nlb.listener import listeners
from localcloud.products.nlb.load_balancer import load_balancers
from localcloud.products.nlb.server_group import backends, server_groups
from localcloud.requests.actions import Answer, Call, action


@dataclass(frozen=True, kw_only=True)
class GetListenerHealthStatus:
    """Parameters of GetListenerHealthStatus."""

    listener_id: str
    region_id: str | None = None


@action()
def get_listener_health_status(call: Call, request: GetListenerHealthStatus) -> Answer:
    """List the servers that fail their check. The list is empty if checks are off."""
    listener = listeners.find(call, request.listener_id)
    group = server_groups.find(call, listener.server_group_id)
    balancer = load_balancers.find(call, listener.load_balancer_id)
    down = [
        {
            "ServerId": s.id,
            "ServerIp": s.ip,
            "Port": s.port,
            "Status": "Unhealthy",
            "Reason": {"ReasonCode": "CONNECT_TIMEOUT"},
        }
        for s in group.servers
        if s.life.at(call.now) != REMOVED
        and group.health_check.enabled
        and not backends.is_healthy(call, balancer, group, s)
    ]
    return {
        "ListenerHealthStatus": [
            {
                "ListenerId": listener.id,
                "ListenerPort": listener.port,
                "ListenerProtocol": listener.protocol,
                "ServerGroupInfos": [
                    {
                        "ServerGroupId": group.id,
                        # The API really has this spelling.
                        "HeathCheckEnabled": group.health_check.enabled,
                        "NonNormalServers": down,
                    }
                ],
            }
        ],
        "MaxResults": 20,
        "TotalCount": 1,
    }
