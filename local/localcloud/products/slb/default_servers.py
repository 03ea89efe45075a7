"""Default servers of a CLB: https://help.aliyun.com/document_detail/27577.html."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from localcloud.products.ecs.entities import Instance, NetworkInterface
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError, invalid
from localcloud.wire.parameters import wire

from . import load_balancers
from .entities import LoadBalancer, Server

_MOST_WEIGHT: Final = 100
MOST_SERVERS: Final = 200


@dataclass(frozen=True, kw_only=True)
class ServerParameter:
    """A backend server: one item of the JSON array BackendServers."""

    server_id: str
    port: int = 0
    weight: int = 100
    kind: str = wire("Type", default="ecs")
    server_ip: str = ""
    description: str = ""


def server(call: Call, parameter: ServerParameter) -> Server:
    """The backend server of a request. Raises if its instance or ENI cannot be one."""
    if not 0 <= parameter.weight <= _MOST_WEIGHT:
        raise invalid("Weight", parameter.weight, "it must be 0 to 100")
    kind = parameter.kind or "ecs"
    address = parameter.server_ip
    if kind == "ecs":
        instance = call.store.find(Instance, parameter.server_id)
        # "You can add only running backend servers" (page AddVServerGroupBackendServers).
        if instance is None or instance.status(call.now) != "Running":
            raise ApiError(
                "ObtainIpFail",
                f"The backend server {parameter.server_id[:80]!r} does not exist or is not "
                "Running.",
            )
        enis = call.store.where(NetworkInterface, "instance", parameter.server_id)
        address = address or next(e.address for e in enis if e.primary)
    elif kind == "eni":
        eni = call.store.find(NetworkInterface, parameter.server_id)
        if eni is None:
            raise ApiError("ObtainIpFail", f"The ENI {parameter.server_id!r} does not exist.")
        address = address or eni.address
        if address not in {eni.address, *eni.secondary}:
            raise ApiError("ObtainIpFail", f"{address} is not an address of {eni.id}.")
    else:
        raise invalid("Type", kind, "it must be ecs or eni")
    return Server(
        id=parameter.server_id,
        kind=kind,
        weight=parameter.weight,
        ip=address,
        port=parameter.port,
        description=parameter.description,
    )


@dataclass(frozen=True, kw_only=True)
class AddBackendServers:
    """Parameters of AddBackendServers. BackendServers is a JSON array."""

    load_balancer_id: str
    backend_servers: tuple[ServerParameter, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class SetBackendServers(AddBackendServers):
    """Parameters of SetBackendServers."""


@dataclass(frozen=True, kw_only=True)
class RemovedServer(ServerParameter):
    """A server to remove: an object or just its id (sample of RemoveBackendServers)."""

    PLAIN: ClassVar[str] = "server_id"


@dataclass(frozen=True, kw_only=True)
class RemoveBackendServers:
    """Parameters of RemoveBackendServers. The items of the array may be just ids."""

    load_balancer_id: str
    backend_servers: tuple[RemovedServer, ...]
    region_id: str | None = None


def _put_servers(
    call: Call, balancer: LoadBalancer, servers: Sequence[Server], *, weight: type[int | str]
) -> Answer:
    """Store the servers. Adding and setting answer with weights as text, removing with numbers."""
    call.store.change(balancer, servers=tuple(servers))
    shown = [{**load_balancers.default_server(s), "Weight": weight(s.weight)} for s in servers]
    return {"LoadBalancerId": balancer.id, "BackendServers": {"BackendServer": shown}}


@action(writes=True)
def add_backend_servers(call: Call, request: AddBackendServers) -> Answer:
    """Add default servers. An existing server gets its new weight."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    servers = {(s.id, s.ip): s for s in balancer.servers}
    for parameter in request.backend_servers:
        added = dataclasses.replace(server(call, parameter), port=0)
        servers[added.id, added.ip] = added
    if len(servers) > MOST_SERVERS:
        raise ApiError(
            "InsufficientAvailableQuota", f"A CLB has at most {MOST_SERVERS} backend servers."
        )
    return _put_servers(call, balancer, list(servers.values()), weight=str)


@action(writes=True)
def set_backend_servers(call: Call, request: SetBackendServers) -> Answer:
    """Change the weights of default servers."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    new = {g.server_id: g for g in request.backend_servers}
    return _put_servers(
        call,
        balancer,
        [
            dataclasses.replace(s, weight=new[s.id].weight) if s.id in new else s
            for s in balancer.servers
        ],
        weight=str,
    )


@action(writes=True)
def remove_backend_servers(call: Call, request: RemoveBackendServers) -> Answer:
    """Remove default servers."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    gone = {g.server_id for g in request.backend_servers}
    return _put_servers(
        call, balancer, [s for s in balancer.servers if s.id not in gone], weight=int
    )
