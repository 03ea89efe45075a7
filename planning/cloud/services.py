"""LoadBalancer services as the cloud controller reads them (v2.14.0: `reconcile/annotation`).

Every service here is valid: `config.rules.cluster.services` refuses the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.model import ServiceConfig
from config.rules.cluster.services import PREFIX
from planning.cloud.gateway_places import GATEWAYS
from planning.model import ClusterPlan

NLB_CLASS: Final = "alibabacloud.com/nlb"
_BACKEND_TYPE: Final = "service.beta.kubernetes.io/backend-type"
_SKIP_AWAIT: Final = "pulumi.com/skipAwait"

Object = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class PlacementPlan:
    """The annotation that places a load balancer in vSwitches, by their keys."""

    annotation: str
    vswitches: tuple[tuple[str, str], ...]
    """Zone and key of each vSwitch."""

    def value(self, vswitch_ids: Mapping[str, str]) -> str:
        """The annotation's value, once the vSwitches have ids (by key)."""
        if self.annotation.endswith("zone-maps"):
            return ",".join(f"{zone}:{vswitch_ids[key]}" for zone, key in self.vswitches)
        return vswitch_ids[self.vswitches[0][1]]


def manifest(plan: ClusterPlan, name: str, service: ServiceConfig) -> Object:
    """The Service without its placement, which needs ids that the cloud gives."""
    spec: Object = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": service.external_traffic_policy,
        "ports": [
            {
                "name": key,
                "port": port.port,
                "protocol": "UDP" if port.protocol == "udp" else "TCP",
                "targetPort": port.target_port or port.port,
            }
            for key, port in sorted(service.ports.items())
        ],
        "selector": dict(sorted(service.selector.items())),
    }
    if service.load_balancer == "nlb":
        spec["loadBalancerClass"] = NLB_CLASS
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": service.namespace,
            "annotations": _annotations(plan, service),
        },
        "spec": spec,
    }


def placement(plan: ClusterPlan, service: ServiceConfig) -> PlacementPlan | None:
    """Where the load balancer is placed; None when it is in no vSwitch of the plan."""
    nlb = service.load_balancer == "nlb"
    if service.id is not None or (not nlb and service.address_type == "internet"):
        return None
    vswitches = plan.network.vswitches.values()
    # The configuration's rules require it wherever there is a choice.
    subnet = service.subnet or min(
        (v.subnet for v in vswitches), key=lambda name: (name == GATEWAYS, name)
    )
    places = sorted(
        (v.zone, v.key)
        for v in vswitches
        if v.subnet == subnet and (not service.zones or v.zone in service.zones)
    )
    if not nlb:
        home = plan.network.home_zone
        places = [place for place in places if place[0] == home][:1] or places[:1]
    return PlacementPlan(
        annotation=f"{PREFIX}{'zone-maps' if nlb else 'vswitch-id'}", vswitches=tuple(places)
    )


def replaced_on_changes(service: ServiceConfig) -> list[str]:
    """Property paths that no load balancer can change: a change of one replaces the Service."""
    fixed = [f"{PREFIX}ip-version", f"{PREFIX}id"]
    if service.load_balancer == "clb":
        fixed.append(f"{PREFIX}address-type")
    return ["spec.loadBalancerClass", *(f'metadata.annotations["{key}"]' for key in fixed)]


def _annotations(plan: ClusterPlan, service: ServiceConfig) -> dict[str, str]:
    annotations = dict(service.annotations)
    short = dict(_own_load_balancer(plan, service) if service.id is None else _existing(service))
    layer7 = [
        f"{port.protocol}:{port.port}"
        for port in sorted(service.ports.values(), key=lambda p: p.port)
        if port.protocol in {"http", "https"}
    ]
    if layer7:
        short["protocol-port"] = ",".join(layer7)
    if service.certificate_id is not None:
        short["cert-id"] = service.certificate_id
    scheduler = f"{PREFIX}scheduler"
    if service.external_traffic_policy == "Local" and scheduler not in annotations:
        # A node's weight is the number of its pods; the default, rr, knows no weights.
        short["scheduler"] = "wrr"
    annotations |= {f"{PREFIX}{key}": value for key, value in short.items()}
    if service.backend_type is not None:
        annotations[_BACKEND_TYPE] = service.backend_type
    if not service.wait:
        annotations[_SKIP_AWAIT] = "true"
    return dict(sorted(annotations.items()))


def _own_load_balancer(plan: ClusterPlan, service: ServiceConfig) -> dict[str, str]:
    annotations: dict[str, str] = {"address-type": service.address_type}
    if service.load_balancer == "clb":
        protection = service.deletion_protection
        # The controller itself switches it off before it deletes. An NLB always has it.
        annotations["delete-protection"] = (
            "on" if (plan.protect if protection is None else protection) else "off"
        )
    if service.ipv6:
        # The Service is IPv4, and so are its backends: no backend-ip-version, or they would be put
        # into a server group of the other family (ServerGroupNotSupportIpv6).
        annotations |= {"ip-version": "DualStack", "ipv6-address-type": service.address_type}
    return annotations


def _existing(service: ServiceConfig) -> dict[str, str]:
    return {
        "id": service.id or "",
        "force-override-listeners": "true" if service.override_listeners else "false",
    }
