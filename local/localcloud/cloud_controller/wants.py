"""What a Service of type LoadBalancer asks for, as plain data; nothing here speaks to anybody.

Annotations and names: `pkg/controller/service/reconcile/annotation` of v2.14.0.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .flags import CloudConfig

PREFIX: Final = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
LEGACY: Final = "service.beta.kubernetes.io/alicloud-loadbalancer-"
NLB_CLASS: Final = "alibabacloud.com/nlb"
CLB_FINALIZER: Final = "service.k8s.alibaba/resources"
NLB_FINALIZER: Final = "service.k8s.alibaba/nlb"
OWNER_TAG: Final = "kubernetes.do.not.delete"
CLUSTER_TAG: Final = "ack.aliyun.com"

_CLASS: Final = "service.beta.kubernetes.io/class"
_BACKEND_TYPE: Final = "service.beta.kubernetes.io/backend-type"
_NOT_A_BACKEND: Final = (
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "alpha.service-controller.kubernetes.io/exclude-balancer",
    "service.alibabacloud.com/exclude-node",
    "service.beta.kubernetes.io/exclude-node",
    "node-role.kubernetes.io/master",
)
_WEIGHT: Final = 100

READ: Final = frozenset(
    {
        *("additional-resource-tags", "address-type", "backend-ip-version", "backend-label"),
        *("bandwidth", "cert-id", "charge-type", "delete-protection", "force-override-listeners"),
        *("id", "instance-charge-type", "ip", "ip-version", "ipv6-address-type", "master-zoneid"),
        *("modification-protection", "name", "preserve-lb-on-delete", "protocol-port"),
        *("remove-unscheduled-backend", "resource-group-id", "scheduler", "server-group-type"),
        *("slave-zoneid", "spec", "vswitch-id", "zone-maps"),
    }
)
"""Annotations, after the prefix, that this stand-in acts on."""
OF_CLB_ONLY: Final = frozenset({"delete-protection", "modification-protection"})
"""Those that v2.14.0 does not read for an NLB: it protects each one from both."""


class WantError(Exception):
    """The Service asks for what cannot be; the text is fit for an event."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of a Service, and so one listener. `protocol`: tcp, udp, http or https."""

    name: str
    port: int
    node_port: int
    target: str
    protocol: str


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One server of a group. `kind`: ecs or eni or ip."""

    kind: str
    server: str
    ip: str
    port: int
    weight: int


@dataclass(frozen=True, kw_only=True)
class Want:
    """A Service as its load balancer's kind reads it."""

    uid: str
    namespace: str
    name: str
    cluster: str
    annotations: Mapping[str, str]
    """Without their prefix."""
    ports: tuple[Port, ...]
    eni: bool
    local: bool

    def said(self, short: str, usual: str = "") -> str:
        """An annotation's value."""
        return self.annotations.get(short, usual)

    @property
    def label(self) -> str:
        """The owner tag's value, and the load balancer's usual name."""
        return ("a" + self.uid.replace("-", ""))[:32]

    @property
    def tags(self) -> list[dict[str, str]]:
        """Tags of what is made for this Service."""
        found = {OWNER_TAG: self.label, CLUSTER_TAG: self.cluster}
        for entry in self.said("additional-resource-tags").split(","):
            key, _, value = entry.partition("=")
            if key.strip():
                found[key.strip()] = value.strip()
        return [{"Key": key, "Value": value} for key, value in found.items()]

    @property
    def protected(self) -> bool:
        """Whether the load balancer refuses to be deleted; it does unless told otherwise."""
        return self.said("delete-protection", "on") == "on"

    @property
    def owned(self) -> bool:
        """The load balancer is this controller's own, not one that was there before."""
        return not self.said("id")


def instance_of(node: Mapping[str, Any]) -> str:
    """The instance of a Node: `<region>.<instance>`, with or without `alicloud://`."""
    said = str((node.get("spec") or {}).get("providerID") or "").removeprefix("alicloud://")
    return said.rpartition(".")[2] if "." in said else ""


def kind_of(service: Mapping[str, Any]) -> str | None:
    """`clb`, `nlb`, or None for a Service that is somebody else's."""
    spec = service["spec"]
    annotations = service["metadata"].get("annotations") or {}
    if spec.get("type") != "LoadBalancer" or annotations.get(_CLASS):
        return None
    return {None: "clb", "": "clb", NLB_CLASS: "nlb"}.get(spec.get("loadBalancerClass"))


def want(service: Mapping[str, Any], config: CloudConfig) -> Want:
    """Read a Service; raises WantError."""
    metadata, spec = service["metadata"], service["spec"]
    given: dict[str, str] = dict(metadata.get("annotations") or {})
    short = {
        key.removeprefix(prefix): value
        for prefix in (LEGACY, PREFIX)
        for key, value in given.items()
        if key.startswith(prefix)
    }
    backend_type = given.get(_BACKEND_TYPE)
    return Want(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        cluster=config.cluster_id,
        annotations=short,
        ports=tuple(_ports(spec.get("ports") or (), short.get("protocol-port", ""))),
        eni=config.eni_backends if backend_type is None else backend_type == "eni",
        local=spec.get("externalTrafficPolicy") == "Local",
    )


def _ports(ports: Sequence[Mapping[str, Any]], said: str) -> Iterator[Port]:
    layer7: dict[int, str] = {}
    for entry in filter(None, said.split(",")):
        protocol, _, number = entry.partition(":")
        if protocol not in {"tcp", "udp", "http", "https"} or not number.isdigit():
            raise WantError(f"port and protocol format must be like 'https:443' [{entry}]")
        layer7[int(number)] = protocol
    for port in ports:
        plain = str(port.get("protocol", "TCP")).lower()
        yield Port(
            name=port.get("name") or "",
            port=port["port"],
            node_port=port.get("nodePort") or 0,
            target=str(port.get("targetPort") or port["port"]),
            protocol=layer7.get(port["port"], plain),
        )


def backends(
    asked: Want,
    port: Port,
    nodes: Sequence[Mapping[str, Any]],
    slices: Sequence[Mapping[str, Any]],
    eni_of: Callable[[Sequence[str]], Mapping[str, str]],
) -> tuple[Backend, ...]:
    """Servers for one port: nodes by their port, or ready pods by their ENI (or by bare address).

    Raises:
        WantError: A pod's address is on no ENI of the VPC.
    """
    ready = _ready(asked, port, slices)
    if asked.eni:
        pods = sorted({(ip, number) for ip, number, _ in ready})
        bare = asked.said("server-group-type") == "ip"
        enis = {} if bare else eni_of([ip for ip, _ in pods])
        if lost := [] if bare else sorted({ip for ip, _ in pods} - enis.keys()):
            raise WantError(f"can not find eni id for ip {', '.join(lost)} in vpc")
        return tuple(
            Backend(
                kind="ip" if bare else "eni",
                server=ip if bare else enis[ip],
                ip=ip,
                port=number,
                weight=_WEIGHT,
            )
            for ip, number in pods
        )
    pods_of: dict[str, int] = {}
    for _, _, place in ready:
        pods_of[place] = pods_of.get(place, 0) + 1
    found = []
    for node in nodes:
        name = node["metadata"]["name"]
        if not _eligible(asked, node) or not instance_of(node):
            continue
        if asked.local and name not in pods_of:
            continue
        weight = min(pods_of[name], _WEIGHT) if asked.local else _WEIGHT
        found.append(
            Backend(kind="ecs", server=instance_of(node), ip="", port=port.node_port, weight=weight)
        )
    return tuple(sorted(found, key=lambda b: b.server))


def _ready(
    asked: Want, port: Port, slices: Sequence[Mapping[str, Any]]
) -> list[tuple[str, int, str]]:
    family = "IPv6" if asked.said("backend-ip-version") == "ipv6" else "IPv4"
    return [
        (address, entry["port"], endpoint.get("nodeName") or "")
        for piece in slices
        if piece["metadata"]["namespace"] == asked.namespace
        and (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == asked.name
        and piece.get("addressType") == family
        for entry in piece.get("ports") or ()
        if (entry.get("name") or "") == port.name
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        and not (endpoint.get("conditions") or {}).get("terminating")
        for address in endpoint["addresses"]
    ]


def _eligible(asked: Want, node: Mapping[str, Any]) -> bool:
    held = node["metadata"].get("labels") or {}
    if any(label in held for label in _NOT_A_BACKEND):
        return False
    wanted = dict(
        entry.partition("=")[::2] for entry in asked.said("backend-label").split(",") if entry
    )
    if any(held.get(key) != value for key, value in wanted.items()):
        return False
    if asked.said("remove-unscheduled-backend") == "on" and node["spec"].get("unschedulable"):
        return False
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def digest(*parts: object) -> str:
    """Changes when any part does."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
