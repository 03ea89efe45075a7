"""Listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from localcloud.products.lookup import Lookup
from localcloud.products.nlb import endings, jobs
from localcloud.products.nlb.choices import illegal, one_of
from localcloud.products.nlb.entities import DELETED, NlbListener, NlbServerGroup
from localcloud.products.nlb.load_balancer import load_balancers
from localcloud.products.nlb.server_group import server_groups
from localcloud.products.nlb.tagging import TAG_CODES
from localcloud.requests import paging, tags
from localcloud.requests.actions import Answer, Call, action
from localcloud.requests.hostility import shuffled
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError

_PROTOCOLS: Final = ("TCP", "UDP", "TCPSSL")
_LAST_PORT: Final = 65535
_MOST_CPS: Final = 1_000_000
_MOST_MSS: Final = 1500
_MOST_LISTENERS: Final = 50
"""The default quota of an NLB (`nlb_quota_loadbalancer_listeners_num`,
https://www.alibabacloud.com/help/en/slb/network-load-balancer/user-guide/nlb-quotas)."""
_USUAL_POLICY: Final = "tls_cipher_policy_1_0"
_FIT: Final = {
    "TCP": {"TCP", "TCP_UDP"},
    "UDP": {"UDP", "TCP_UDP"},
    "TCPSSL": {"TCP", "TCPSSL"},
}


find: Final = Lookup(NlbListener, "listener", "ResourceNotFound.listener", ended=DELETED)


def ready(call: Call, listener_id: str, *statuses: str) -> NlbListener:
    """The listener, if it has one of the statuses: by default Running or Stopped."""
    listener = find(call, listener_id)
    status = listener.life.at(call.now)
    if status not in (statuses or ("Running", "Stopped")):
        raise ApiError(
            "IncorrectStatus.listener",
            f"The status of listener [{listener.id}] is incorrect: {status}.",
        )
    return listener


def of_load_balancer(call: Call, load_balancer_id: str) -> list[NlbListener]:
    """The present listeners of an NLB."""
    listeners = call.store.where(NlbListener, "load_balancer", load_balancer_id)
    return [x for x in listeners if x.life.at(call.now) != DELETED]


@dataclass(frozen=True, kw_only=True)
class ProxyProtocolV2Config:
    """`ProxyProtocolV2Config` of a request."""

    ppv2_private_link_ep_id_enabled: bool | None = None
    ppv2_private_link_eps_id_enabled: bool | None = None
    ppv2_vpc_id_enabled: bool | None = None


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """The settings that CreateListener and UpdateListenerAttribute have in common."""

    region_id: str | None = None
    listener_description: str | None = None
    idle_timeout: int | None = None
    cps: int | None = None
    mss: int | None = None
    proxy_protocol_enabled: bool | None = None
    proxy_protocol_v2_config: ProxyProtocolV2Config | None = None
    sec_sensor_enabled: bool | None = None
    security_policy_id: str | None = None
    certificate_ids: tuple[str, ...] = ()
    ca_enabled: bool | None = None
    ca_certificate_ids: tuple[str, ...] = ()
    alpn_enabled: bool | None = None
    alpn_policy: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateListener(_Settings):
    """Parameters of CreateListener."""

    load_balancer_id: str
    listener_protocol: str
    listener_port: int
    server_group_id: str
    start_port: int | None = None
    end_port: int | None = None
    tag: tuple[TagParameter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UpdateListenerAttribute(_Settings):
    """Parameters of UpdateListenerAttribute."""

    listener_id: str
    server_group_id: str | None = None


def _illegal_timeout(name: str, rule: str) -> ApiError:
    """Both pages have a code of its own for the IdleTimeout."""
    return ApiError(f"IllegalParam.{name}", f"The param of {name} is illegal: {rule}.")


def _within(
    name: str,
    value: int | None,
    first: int,
    last: int,
    refusal: Callable[[str, str], ApiError] = illegal,
) -> None:
    if value is not None and not first <= value <= last:
        raise refusal(name, f"{value} is not from {first} to {last}")


def _changes(protocol: str, settings: _Settings) -> dict[str, object]:
    """The checked settings of a request."""
    longest = 20 if protocol == "UDP" else 900
    _within("IdleTimeout", settings.idle_timeout, 10, longest, _illegal_timeout)
    _within("Cps", settings.cps, 0, _MOST_CPS)
    _within("Mss", settings.mss, 0, _MOST_MSS)
    if settings.mss and protocol == "UDP":
        raise ApiError(
            "IllegalParam.MssConflictWithUdpAndGeneve",
            "The param of MssConflictWithUdpAndGeneve is illegal.",
        )
    if len(settings.certificate_ids) > 1 or len(settings.ca_certificate_ids) > 1:
        raise ApiError(
            "IllegalParamSize.certificateIds",
            "The param size of certificateIds or caCertificateIds is illegal.",
        )
    if settings.alpn_enabled and not settings.alpn_policy:
        raise ApiError("MissingParam.AlpnPolicy", "The parameter of AlpnPolicy is missing.")
    proxy = settings.proxy_protocol_v2_config or ProxyProtocolV2Config()
    named: dict[str, object] = {
        "description": settings.listener_description,
        "idle_timeout": settings.idle_timeout,
        "cps": settings.cps,
        "mss": settings.mss,
        "proxy_protocol": settings.proxy_protocol_enabled,
        "proxy_endpoint_id": proxy.ppv2_private_link_ep_id_enabled,
        "proxy_service_id": proxy.ppv2_private_link_eps_id_enabled,
        "proxy_vpc_id": proxy.ppv2_vpc_id_enabled,
        "sec_sensor": settings.sec_sensor_enabled,
        "security_policy_id": settings.security_policy_id or None,
        "certificate_ids": settings.certificate_ids or None,
        "ca": settings.ca_enabled,
        "ca_certificate_ids": settings.ca_certificate_ids or None,
        "alpn": settings.alpn_enabled,
        "alpn_policy": settings.alpn_policy,
    }
    return {name: value for name, value in named.items() if value is not None}


def _fitting(call: Call, protocol: str, vpc_id: str, group_id: str) -> NlbServerGroup:
    """The server group, if a listener of this protocol can use it."""
    group = server_groups.find(call, group_id)
    if group.vpc_id != vpc_id:
        raise ApiError(
            "Mismatch.VpcId", f"The VpcId is mismatched for {vpc_id} and {group.vpc_id}."
        )
    if group.protocol not in _FIT[protocol]:
        raise ApiError(
            "Mismatch.Protocol",
            f"The Protocol is mismatched for {protocol} and {group.protocol}.",
        )
    # CreateServerGroup's page has no such rule for groups whose own protocol is TCPSSL.
    if protocol == "TCPSSL" and group.protocol == "TCP" and group.preserve_client_ip:
        raise ApiError(
            "IllegalParam.PreserveClientIpSwitch",
            "The server group associated with the tcpssl listener does not support enabling "
            "PreserveClientIp.",
        )
    return group


def _ports(request: CreateListener) -> tuple[int, int]:
    _within("Port", request.listener_port, 0, _LAST_PORT)
    if request.listener_port:
        return request.listener_port, request.listener_port
    first, last = request.start_port or 0, request.end_port or 0
    if not 1 <= first <= last <= _LAST_PORT:
        raise ApiError(
            "IllegalParam.Port",
            f"The param of Port is illegal: StartPort {first} and EndPort {last}.",
        )
    return first, last


@action(writes=True)
def create_listener(call: Call, request: CreateListener) -> Answer:
    """Create a listener. It runs once it is provisioned."""
    balancer = load_balancers.ready(call, request.load_balancer_id)
    protocol = one_of("ListenerProtocol", request.listener_protocol, _PROTOCOLS)
    first, last = _ports(request)
    group = _fitting(call, protocol, balancer.vpc_id, request.server_group_id)
    if group.any_port != (request.listener_port == 0):
        raise ApiError(
            "IllegalParam.NonAnyPortListenerConflictWithAnyPortServerGroup"
            if group.any_port
            else "IllegalParam.AnyPortListenerConflictWithNonAnyPortServerGroup",
            f"The listener's ports do not go with AnyPortEnabled of {group.id}.",
        )
    others = of_load_balancer(call, balancer.id)
    for other in others:
        overlap = first <= other.last_port and other.first_port <= last
        if overlap and (protocol == "UDP") == (other.protocol == "UDP"):
            raise ApiError("Conflict.Port", f"The Port [{request.listener_port}] is conflict.")
    if len(others) >= _MOST_LISTENERS:
        raise ApiError(
            "QuotaExceeded.QuotaInsufficient",
            f"The quota of listeners is exceeded, usage {len(others)}/{_MOST_LISTENERS}.",
        )
    if protocol == "TCPSSL" and not request.certificate_ids:
        raise ApiError("MissingParam.Certificate", "The param of certificate is missing.")
    usual: dict[str, object] = {
        "description": "",
        "idle_timeout": 20 if protocol == "UDP" else 900,
        "security_policy_id": _USUAL_POLICY if protocol == "TCPSSL" else "",
    }
    settings: dict[str, object] = {**usual, **_changes(protocol, request)}
    listener = call.store.put(
        NlbListener(
            id=f"{call.new_id('lsn')}@{request.listener_port}",
            load_balancer_id=balancer.id,
            protocol=protocol,
            port=request.listener_port,
            first_port=first,
            last_port=last,
            server_group_id=group.id,
            life=call.passing(("Provisioning", 1.0), to="Running"),
            tags=tags.requested(request.tag, TAG_CODES),
            **settings,  # type: ignore[arg-type]  # checked where they are read
        )
    )
    return {"ListenerId": listener.id, "JobId": jobs.begin(call, "CreateListener")}


@action(writes=True)
def update_listener_attribute(call: Call, request: UpdateListenerAttribute) -> Answer:
    """Change a listener. Settings that the request leaves out stay as they are."""
    listener = ready(call, request.listener_id)
    load_balancer = load_balancers.find(call, listener.load_balancer_id)
    changes = _changes(listener.protocol, request)
    if request.server_group_id:
        group = _fitting(call, listener.protocol, load_balancer.vpc_id, request.server_group_id)
        changes["server_group_id"] = group.id
    status = listener.life.at(call.now)
    call.store.change(listener, life=call.passing(("Configuring", 1.0), to=status), **changes)
    return {"JobId": jobs.begin(call, "UpdateListenerAttribute")}


def _shown(call: Call, listener: NlbListener) -> dict[str, object]:
    shown: dict[str, object] = {
        "ListenerId": listener.id,
        "LoadBalancerId": listener.load_balancer_id,
        "ListenerProtocol": listener.protocol,
        "ListenerPort": listener.port,
        "ListenerStatus": listener.life.at(call.now),
        "ListenerDescription": listener.description,
        "ServerGroupId": listener.server_group_id,
        "IdleTimeout": listener.idle_timeout,
        "Cps": listener.cps,
        "Mss": listener.mss,
        "ProxyProtocolEnabled": listener.proxy_protocol,
        "ProxyProtocolV2Config": {
            "Ppv2PrivateLinkEpIdEnabled": listener.proxy_endpoint_id,
            "Ppv2PrivateLinkEpsIdEnabled": listener.proxy_service_id,
            "Ppv2VpcIdEnabled": listener.proxy_vpc_id,
        },
        "SecSensorEnabled": listener.sec_sensor,
        "SecurityPolicyId": listener.security_policy_id,
        "CertificateIds": list(listener.certificate_ids),
        "CaEnabled": listener.ca,
        "CaCertificateIds": list(listener.ca_certificate_ids),
        "AlpnEnabled": listener.alpn,
        "AlpnPolicy": listener.alpn_policy,
        "RegionId": call.cloud.region,
    }
    if listener.port == 0:
        shown |= {"StartPort": str(listener.first_port), "EndPort": str(listener.last_port)}
    return shown


@dataclass(frozen=True, kw_only=True)
class GetListenerAttribute:
    """Parameters of GetListenerAttribute."""

    listener_id: str
    region_id: str | None = None


@action()
def get_listener_attribute(call: Call, request: GetListenerAttribute) -> Answer:
    """Describe one listener. Its tags have other names than in the list."""
    listener = find(call, request.listener_id)
    shown_tags = [{"TagKey": key, "TagValue": value} for key, value in listener.tags]
    return {**_shown(call, listener), "Tags": shown_tags}


@dataclass(frozen=True, kw_only=True)
class ListListeners:
    """Parameters of ListListeners."""

    region_id: str | None = None
    load_balancer_ids: tuple[str, ...] = ()
    listener_ids: tuple[str, ...] = ()
    listener_protocol: str | None = None
    sec_sensor_enabled: str | None = None
    next_token: str | None = None
    max_results: int | None = None
    tag: tuple[TagParameter, ...] = ()


@action()
def list_listeners(call: Call, request: ListListeners) -> Answer:
    """List listeners by filter."""
    sensor = request.sec_sensor_enabled
    rows = [
        {**_shown(call, x), "Tags": tags.plain(x.tags)}
        for x in call.store.all(NlbListener)
        if x.life.at(call.now) != DELETED
        and (not request.load_balancer_ids or x.load_balancer_id in request.load_balancer_ids)
        and (not request.listener_ids or x.id in request.listener_ids)
        and (not request.listener_protocol or x.protocol == request.listener_protocol)
        and (not sensor or str(x.sec_sensor).lower() == sensor.lower())
        and tags.match(x.tags, request.tag)
    ]
    mixed = shuffled(call.cloud, rows)
    codes = paging.TokenCodes("IllegalParam", "IllegalParam")  # the page ListListeners
    return paging.token_answer(
        "Listeners", mixed, request.next_token, request.max_results, codes=codes
    )


@dataclass(frozen=True, kw_only=True)
class StartListener:
    """Parameters of StartListener."""

    listener_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class StopListener:
    """Parameters of StopListener."""

    listener_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteListener:
    """Parameters of DeleteListener."""

    listener_id: str
    region_id: str | None = None


@action(writes=True)
def start_listener(call: Call, request: StartListener) -> Answer:
    """Start a stopped listener."""
    listener = ready(call, request.listener_id, "Stopped")
    call.store.change(listener, life=call.passing(("Starting", 1.0), to="Running"))
    return {"JobId": jobs.begin(call, "StartListener")}


@action(writes=True)
def stop_listener(call: Call, request: StopListener) -> Answer:
    """Stop a running listener."""
    listener = ready(call, request.listener_id, "Running")
    call.store.change(listener, life=call.passing(("Stopping", 1.0), to="Stopped"))
    return {"JobId": jobs.begin(call, "StopListener")}


@action(writes=True)
def delete_listener(call: Call, request: DeleteListener) -> Answer:
    """Delete a listener."""
    listener = ready(call, request.listener_id)
    call.store.change(listener, life=call.passing(("Deleting", 1.0), to=DELETED))
    endings.settle(call)
    return {"JobId": jobs.begin(call, "DeleteListener")}
