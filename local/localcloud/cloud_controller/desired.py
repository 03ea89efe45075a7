"""The load balancer that a Service of type LoadBalancer asks for, as plain data. No I/O.

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
        "additional-resource-tags",
        "address-type",
        "backend-ip-version",
        "backend-label",
        "bandwidth",
        "cert-id",
        "charge-type",
        "delete-protection",
        "force-override-listeners",
        "id",
        "instance-charge-type",
        "ip",
        "ip-version",
        "ipv6-address-type",
        "master-zoneid",
        "modification-protection",
        "name",
        "preserve-lb-on-delete",
        "protocol-port",
        "remove-unscheduled-backend",
        "resource-group-id",
        "scheduler",
        "server-group-type",
        "slave-zoneid",
        "spec",
        "vswitch-id",
        "zone-maps",
    }
)
"""Annotations, after the prefix, that this stand-in acts on."""
OF_CLB_ONLY: Final = frozenset({"delete-protection", "modification-protection"})
"""Annotations that v2.14.0 does not read for an NLB, because it protects every NLB from both."""


class ServiceError(Exception):
    """The Service asks for something impossible; the text is fit for an event."""


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
class DesiredLoadBalancer:
    """The load balancer that a Service asks for."""

    uid: str
    namespace: str
    name: str
    cluster: str
    annotations: Mapping[str, str]
    """Without their prefix."""
    ports: tuple[Port, ...]
    eni: bool
    local: bool

    def annotation(self, name: str, default: str = "") -> str:
        """The value of an annotation, named without its prefix."""
        return self.annotations.get(name, default)

    @property
    def name_suffix(self) -> str:
        """The suffix of the names of the Service's listeners and vServer groups."""
        return f"/{self.name}/{self.namespace}/{self.cluster}"

    def owns_name(self, name: str) -> bool:
        """Whether a listener's description or a vServer group's name is one of this Service."""
        return name.startswith("k8s/") and name.endswith(self.name_suffix)

    def listener_name(self, port: Port) -> str:
        """The description of a port's listener."""
        return f"k8s/{port.port}{self.name_suffix}"

    def backend_port(self, port: Port) -> str | int:
        """The port in a server group's name: the pods' port (name or number), or the node port."""
        return port.target if self.eni else port.node_port

    @property
    def label(self) -> str:
        """The owner tag's value, and the load balancer's usual name."""
        return ("a" + self.uid.replace("-", ""))[:32]

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of everything that is created for this Service."""
        values = {OWNER_TAG: self.label, CLUSTER_TAG: self.cluster}
        for entry in self.annotation("additional-resource-tags").split(","):
            key, _, value = entry.partition("=")
            if key.strip():
                values[key.strip()] = value.strip()
        return [{"Key": key, "Value": value} for key, value in values.items()]

    @property
    def protected(self) -> bool:
        """Whether the load balancer is protected from deletion, which is the default."""
        return self.annotation("delete-protection", "on") == "on"

    @property
    def owned(self) -> bool:
        """Whether this controller created the load balancer, instead of reusing an existing one."""
        return not self.annotation("id")


def instance_of(node: Mapping[str, Any]) -> str:
    """The instance of a Node: `<region>.<instance>`, with or without `alicloud://`."""
    provider_id = str((node.get("spec") or {}).get("providerID") or "").removeprefix("alicloud://")
    return provider_id.rpartition(".")[2] if "." in provider_id else ""


def kind_of(service: Mapping[str, Any]) -> str | None:
    """`clb`, `nlb`, or None for a Service of another controller."""
    spec = service["spec"]
    annotations = service["metadata"].get("annotations") or {}
    if spec.get("type") != "LoadBalancer" or annotations.get(_CLASS):
        return None
    return {None: "clb", "": "clb", NLB_CLASS: "nlb"}.get(spec.get("loadBalancerClass"))


def desired_load_balancer(service: Mapping[str, Any], config: CloudConfig) -> DesiredLoadBalancer:
    """Read a Service; raises ServiceError."""
    metadata, spec = service["metadata"], service["spec"]
    annotations: dict[str, str] = dict(metadata.get("annotations") or {})
    short = {
        key.removeprefix(prefix): value
        for prefix in (LEGACY, PREFIX)
        for key, value in annotations.items()
        if key.startswith(prefix)
    }
    backend_type = annotations.get(_BACKEND_TYPE)
    return DesiredLoadBalancer(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        cluster=config.cluster_id,
        annotations=short,
        ports=tuple(_ports(spec.get("ports") or (), short.get("protocol-port", ""))),
        eni=config.eni_backends if backend_type is None else backend_type == "eni",
        local=spec.get("externalTrafficPolicy") == "Local",
    )


def _ports(ports: Sequence[Mapping[str, Any]], layer7_text: str) -> Iterator[Port]:
    layer7: dict[int, str] = {}
    for entry in filter(None, layer7_text.split(",")):
        protocol, _, number = entry.partition(":")
        if protocol not in {"tcp", "udp", "http", "https"} or not number.isdigit():
            raise ServiceError(f"port and protocol format must be like 'https:443' [{entry}]")
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
    desired: DesiredLoadBalancer,
    port: Port,
    nodes: Sequence[Mapping[str, Any]],
    slices: Sequence[Mapping[str, Any]],
    eni_of: Callable[[Sequence[str]], Mapping[str, str]],
) -> tuple[Backend, ...]:
    """Servers for one port: nodes by node port, or ready pods by their ENI (or by bare address).

    Raises:
        ServiceError: A pod's address is on no ENI of the VPC.
    """
    ready = _ready(desired, port, slices)
    if desired.eni:
        pods = sorted({(ip, number) for ip, number, _ in ready})
        bare = desired.annotation("server-group-type") == "ip"
        enis = {} if bare else eni_of([ip for ip, _ in pods])
        if lost := [] if bare else sorted({ip for ip, _ in pods} - enis.keys()):
            raise ServiceError(f"can not find eni id for ip {', '.join(lost)} in vpc")
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
    servers = []
    for node in nodes:
        name = node["metadata"]["name"]
        if not _eligible(desired, node) or not instance_of(node):
            continue
        if desired.local and name not in pods_of:
            continue
        weight = min(pods_of[name], _WEIGHT) if desired.local else _WEIGHT
        servers.append(
            Backend(kind="ecs", server=instance_of(node), ip="", port=port.node_port, weight=weight)
        )
    return tuple(sorted(servers, key=lambda b: b.server))


def _ready(
    desired: DesiredLoadBalancer, port: Port, slices: Sequence[Mapping[str, Any]]
) -> list[tuple[str, int, str]]:
    family = "IPv6" if desired.annotation("backend-ip-version") == "ipv6" else "IPv4"
    return [
        (address, entry["port"], endpoint.get("nodeName") or "")
        for piece in slices
        if piece["metadata"]["namespace"] == desired.namespace
        and (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        == desired.name
        and piece.get("addressType") == family
        for entry in piece.get("ports") or ()
        if (entry.get("name") or "") == port.name
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        and not (endpoint.get("conditions") or {}).get("terminating")
        for address in endpoint["addresses"]
    ]


def _eligible(desired: DesiredLoadBalancer, node: Mapping[str, Any]) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(label in labels for label in _NOT_A_BACKEND):
        return False
    required = dict(
        entry.partition("=")[::2]
        for entry in desired.annotation("backend-label").split(",")
        if entry
    )
    if any(labels.get(key) != value for key, value in required.items()):
        return False
    if desired.annotation("remove-unscheduled-backend") == "on" and node["spec"].get(
        "unschedulable"
    ):
        return False
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def digest(*parts: object) -> str:
    """A digest that changes when any part of the arguments changes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
