"""The settings of a CLB listener, and which of them each protocol shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from localcloud.products import choices
from localcloud.requests.actions import Call
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import invalid, missing
from localcloud.wire.parameters import wire, wire_name

from . import access_control_lists, certificates, vserver_groups
from .entities import Listener


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of listeners of all protocols."""

    load_balancer_id: str
    listener_port: int
    region_id: str | None = None
    backend_server_port: int | None = None
    bandwidth: int | None = None
    scheduler: str | None = None
    description: str | None = None
    vserver_group: str | None = wire("VServerGroup", default=None)
    vserver_group_id: str | None = wire("VServerGroupId", default=None)
    master_slave_server_group: str | None = None
    master_slave_server_group_id: str | None = None
    acl_id: str | None = None
    acl_status: str | None = None
    acl_type: str | None = None
    persistence_timeout: int | None = None
    established_timeout: int | None = None
    connection_drain: str | None = None
    connection_drain_timeout: int | None = None
    proxy_protocol_v2_enabled: bool | None = wire("ProxyProtocolV2Enabled", default=None)
    syn_proxy: str | None = None
    health_check: str | None = None
    health_check_switch: str | None = None
    health_check_type: str | None = None
    health_check_method: str | None = None
    health_check_domain: str | None = None
    health_check_uri: str | None = wire("HealthCheckURI", default=None)
    health_check_http_code: str | None = None
    health_check_connect_port: int | None = None
    health_check_connect_timeout: int | None = None
    health_check_timeout: int | None = None
    health_check_interval: int | None = None
    health_check_interval_small: int | None = wire("healthCheckInterval", default=None)
    health_check_req: str | None = wire("healthCheckReq", default=None)
    health_check_exp: str | None = wire("healthCheckExp", default=None)
    healthy_threshold: int | None = None
    unhealthy_threshold: int | None = None
    sticky_session: str | None = None
    sticky_session_type: str | None = None
    cookie: str | None = None
    cookie_timeout: int | None = None
    gzip: str | None = None
    idle_timeout: int | None = None
    request_timeout: int | None = None
    listener_forward: str | None = None
    forward_port: int | None = None
    forwarded_for: str | None = wire("XForwardedFor", default=None)
    forwarded_slb_ip: str | None = wire("XForwardedFor_SLBIP", default=None)
    forwarded_slb_id: str | None = wire("XForwardedFor_SLBID", default=None)
    forwarded_proto: str | None = wire("XForwardedFor_proto", default=None)
    server_certificate_id: str | None = None
    ca_certificate_id: str | None = wire("CACertificateId", default=None)
    tls_cipher_policy: str | None = wire("TLSCipherPolicy", default=None)
    enable_http2: str | None = None
    tag: tuple[TagParameter, ...] = ()


_NO_CERTIFICATE: Final = "ResourceNotFound.Certificate"
"""The code of the actions of HTTPS listeners, for server and CA certificates."""
_NOT_SETTINGS: Final = frozenset({"LoadBalancerId", "ListenerPort", "RegionId", "Tag"})
_SPELLINGS: Final = MappingProxyType(
    {
        "HealthCheckSwitch": "HealthCheck",
        "healthCheckInterval": "HealthCheckInterval",
        "healthCheckReq": "HealthCheckReq",
        "healthCheckExp": "HealthCheckExp",
    }
)

_SHARED: Final[Mapping[str, object]] = MappingProxyType(
    {
        "BackendServerPort": 0,
        "Bandwidth": -1,
        "Scheduler": "wrr",
        "Description": "",
        "VServerGroupId": "",
        "AclId": "",
        "AclStatus": "off",
        "AclType": "",
        "HealthCheckConnectPort": 0,
        "HealthCheckInterval": 2,
        "HealthyThreshold": 3,
        "UnhealthyThreshold": 3,
    }
)
_LAYER_4: Final[Mapping[str, object]] = MappingProxyType(
    {
        **_SHARED,
        "HealthCheck": "on",
        "HealthCheckConnectTimeout": 5,
        "MasterSlaveServerGroupId": "",
        "ProxyProtocolV2Enabled": False,
    }
)
_LAYER_7: Final[Mapping[str, object]] = MappingProxyType(
    {
        **_SHARED,
        "HealthCheck": "off",
        "HealthCheckTimeout": 5,
        "HealthCheckMethod": "head",
        "HealthCheckDomain": "",
        "HealthCheckURI": "/",
        "HealthCheckHttpCode": "http_2xx",
        "StickySession": "off",
        "StickySessionType": "",
        "Cookie": "",
        "CookieTimeout": 0,
        "Gzip": "on",
        "IdleTimeout": 15,
        "RequestTimeout": 60,
        "XForwardedFor": "on",
        "XForwardedFor_SLBIP": "off",
        "XForwardedFor_SLBID": "off",
        "XForwardedFor_proto": "off",
        "XForwardedFor_SLBPORT": "off",
        "XForwardedFor_ClientSrcPort": "off",
        "SecurityStatus": "on",
    }
)
DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "tcp": MappingProxyType(
            {
                **_LAYER_4,
                "PersistenceTimeout": 0,
                "EstablishedTimeout": 900,
                "ConnectionDrain": "off",
                "ConnectionDrainTimeout": 0,
                "SynProxy": "disable",
                "HealthCheckType": "tcp",
                "HealthCheckMethod": "",
                "HealthCheckDomain": "",
                "HealthCheckURI": "",
                "HealthCheckHttpCode": "",
            }
        ),
        # Requests and answers of alibaba-cloud-sdk-go 1.63.107 have PersistenceTimeout.
        "udp": MappingProxyType(
            {**_LAYER_4, "PersistenceTimeout": 0, "HealthCheckReq": "", "HealthCheckExp": ""}
        ),
        "http": MappingProxyType({**_LAYER_7, "ListenerForward": "off", "ForwardPort": 0}),
        "https": MappingProxyType(
            {
                **_LAYER_7,
                "ServerCertificateId": "",
                "CACertificateId": "",
                "TLSCipherPolicy": "tls_cipher_policy_1_0",
                "EnableHttp2": "on",
                "XForwardedFor_ClientCertClientVerify": "off",
                "XForwardedFor_ClientCertFingerprint": "off",
                "XForwardedFor_ClientCertIssuerDN": "off",
                "XForwardedFor_ClientCertSubjectDN": "off",
            }
        ),
    }
)
"""The settings that each protocol shows, with their defaults. Other settings are not stored."""


_NOT_OF_A_REDIRECTION: Final = frozenset(
    {
        "BackendServerPort",
        "Bandwidth",
        "Cookie",
        "CookieTimeout",
        "Gzip",
        "HealthCheck",
        "HealthCheckConnectPort",
        "HealthCheckDomain",
        "HealthCheckHttpCode",
        "HealthCheckURI",
        "IdleTimeout",
        "RequestTimeout",
        "StickySession",
        "StickySessionType",
    }
)
"""Settings that are hidden for a listener that only redirects to an HTTPS listener. The provider's
acceptance test finds none of them in its state (1.285.0, `TestAccAliCloudSLBListener_Forward`)."""


_RANGES: Final[Mapping[str, range]] = MappingProxyType(
    {
        "PersistenceTimeout": range(3601),
        "EstablishedTimeout": range(10, 901),
        "ConnectionDrainTimeout": range(901),
        "HealthyThreshold": range(2, 11),
        "UnhealthyThreshold": range(2, 11),
        "HealthCheckConnectTimeout": range(1, 301),
        "HealthCheckTimeout": range(1, 301),
        "HealthCheckInterval": range(1, 51),
        "CookieTimeout": range(86401),
        "IdleTimeout": range(1, 61),
        "RequestTimeout": range(1, 181),
    }
)
"""The values that a setting may have (field texts of the Create…Listener actions, 2025-12-19)."""
_WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Scheduler": ("wrr", "wlc", "rr", "sch", "tch", "qch"),
        "AclStatus": ("on", "off"),
        "AclType": ("white", "black"),
        "HealthCheck": ("on", "off"),
        "StickySession": ("on", "off"),
        "StickySessionType": ("insert", "server"),
    }
)
_MOST_BANDWIDTH: Final = 5120


def _check(name: str, text: str) -> None:
    """Raise unless a setting may have this value."""
    if name in _RANGES and not (text.isdecimal() and int(text) in _RANGES[name]):
        allowed = _RANGES[name]
        raise invalid(name, text, f"it must be {allowed.start} to {allowed.stop - 1}")
    if name in _WORDS:
        choices.require(name, text, *_WORDS[name])
    if name == "Bandwidth" and text != "-1" and int(text) not in range(1, _MOST_BANDWIDTH + 1):
        raise invalid(name, text, f"it must be -1 or 1 to {_MOST_BANDWIDTH} Mbit/s")


def _check_named(call: Call, request: Settings, protocol: str) -> None:
    """Raise unless the group, the lists and the certificates of a request exist."""
    if request.vserver_group_id:
        group = vserver_groups.find(
            call, request.vserver_group_id, code="ResourceNotFound.VServerGroup", status=400
        )
        if group.load_balancer_id != request.load_balancer_id:
            raise invalid("VServerGroupId", group.id, "it belongs to another CLB")
    access_control_lists.check_lists(call, request.acl_id or "")
    if protocol == "https" and request.server_certificate_id:
        certificates.find(
            call, request.server_certificate_id, certificates.SERVER, code=_NO_CERTIFICATE
        )
    if protocol == "https" and request.ca_certificate_id:
        certificates.find(call, request.ca_certificate_id, certificates.CA, code=_NO_CERTIFICATE)


def changed(
    call: Call, request: Settings, protocol: str, before: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The checked settings of a listener after a request."""
    settings = dict(before)
    for field in fields(request):
        name = wire_name(field)
        value = getattr(request, field.name)
        if value is None or name in _NOT_SETTINGS:
            continue
        name = _SPELLINGS.get(name, name)
        if name in DEFAULTS[protocol]:
            settings[name] = str(value).lower() if isinstance(value, bool) else str(value)
            _check(name, settings[name])
    if settings.get("AclStatus") == "on" and not settings.get("AclId"):
        raise missing("AclId")
    if request.vserver_group == "off":
        settings.pop("VServerGroupId", None)
    _check_named(call, request, protocol)
    return tuple(sorted(settings.items()))


def shown(listener: Listener) -> dict[str, object]:
    """A listener's settings as its protocol shows them."""
    texts = dict(listener.settings)
    values: dict[str, object] = {}
    hidden = _NOT_OF_A_REDIRECTION if texts.get("ListenerForward") == "on" else frozenset()
    for name, default in DEFAULTS[listener.protocol].items():
        if name in hidden:
            continue
        text = texts.get(name)
        if text is None:
            values[name] = default
        elif isinstance(default, bool):
            values[name] = text == "true"
        else:
            values[name] = int(text) if isinstance(default, int) else text
    return values
