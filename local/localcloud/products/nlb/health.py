"""Health of a listener's servers, as far as the emulator knows it: whether their machine runs."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.actions import Answer, Call, action
from localcloud.products.ecs.entities import Instance, NetworkInterface

from . import listeners, server_groups
from .entities import REMOVED, NlbServer


@dataclass(frozen=True, kw_only=True)
class GetListenerHealthStatus:
    """Parameters of GetListenerHealthStatus."""

    listener_id: str
    region_id: str | None = None


def _runs(call: Call, server: NlbServer) -> bool:
    instance_id: str | None = server.id
    if server.kind == "Eni":
        eni = call.store.find(NetworkInterface, server.id)
        instance_id = eni.instance_id if eni else None
    elif server.kind == "Ip":
        return True
    instance = call.store.find(Instance, instance_id)
    return instance is not None and instance.status(call.now) == "Running"


@action()
def get_listener_health_status(call: Call, request: GetListenerHealthStatus) -> Answer:
    """The servers whose machine does not run, if the group is checked at all."""
    listener = listeners.find(call, request.listener_id)
    group = server_groups.find(call, listener.server_group_id)
    down = [
        {
            "ServerId": s.id,
            "ServerIp": s.ip,
            "Port": s.port,
            "Status": "Unhealthy",
            "Reason": {"ReasonCode": "CONNECT_TIMEOUT"},
        }
        for s in group.servers
        if s.life.at(call.now) != REMOVED and group.health_check.enabled and not _runs(call, s)
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
                        # The API really spells it so.
                        "HeathCheckEnabled": group.health_check.enabled,
                        "NonNormalServers": down,
                    }
                ],
            }
        ],
        "MaxResults": 20,
        "TotalCount": 1,
    }
