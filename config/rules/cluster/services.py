"""Rules about LoadBalancer services: settings that the cloud controller ignores or fails on.

From cloud-provider-alibaba-cloud v2.14.0: `pkg/controller/service/reconcile/annotation`, `clbv1`,
`nlbv2`, and the issues that are named in the rules. An update waits for a service's address, so a
service that can never get one is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from config.facts.load_balancers import EXCLUDING_LABELS
from config.members import home_zone
from config.model import ClusterConfig, Role, ServiceConfig
from config.report import Problem
from config.rules.nodes.labels import key_fault, value_problems
from config.schema_walk import nearest

RESERVED_UDP_PORTS = (250, 4789, 4790)
NLB_ZONES = 2
"""An NLB in one zone needs a privilege of the account."""

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"

_LEGACY = "service.beta.kubernetes.io/alicloud-loadbalancer-"
_CLASS = "service.beta.kubernetes.io/class"
_BACKEND_TYPE = "service.beta.kubernetes.io/backend-type"

_OWN: Mapping[str, str] = {
    "address-type": "addressType",
    "backend-ip-version": "ipv6",
    "cert-id": "certificateId",
    "delete-protection": "deletionProtection",
    "force-override-listeners": "overrideListeners",
    "id": "id",
    "ip-version": "ipv6",
    "ipv6-address-type": "ipv6 and addressType",
    "protocol-port": "ports.*.protocol",
    "vswitch-id": "subnet",
    "zone-maps": "subnet and zones",
}
"""By annotation without its prefix: the key of the stack file that sets it."""

_CLB_ONLY = frozenset(
    {
        "bandwidth",
        "charge-type",
        "domain-extensions",
        "established-timeout",
        "external-ip-type",
        "forward-port",
        "http2-enabled",
        "instance-charge-type",
        "ip",
        "master-zoneid",
        "persistence-timeout",
        "request-timeout",
        "slave-zoneid",
        "spec",
        "sticky-session",
        "sticky-session-type",
        "cookie",
        "cookie-timeout",
    }
)
_NLB_ONLY = frozenset(
    {
        "additional-cert-ids",
        "alpn",
        "alpn-policy",
        "bandwidth-package-id",
        "cps",
        "cross-zone-enabled",
        "listener-port-range",
        "preserve-client-ip",
        "security-group-ids",
        "server-group-type",
    }
)

READ_IN = "v2.14.0"
"""The controller's version that reads these annotations."""
_READ = frozenset(
    {
        *_OWN,
        *_CLB_ONLY,
        *_NLB_ONLY,
        "acl-id",
        "acl-status",
        "acl-type",
        "additional-resource-tags",
        "backend-label",
        "cacert",
        "cacert-id",
        "connection-drain",
        "connection-drain-timeout",
        "default-weight",
        "health-check-connect-port",
        "health-check-connect-timeout",
        "health-check-domain",
        "health-check-flag",
        "health-check-httpcode",
        "health-check-interval",
        "health-check-method",
        "health-check-switch",
        "health-check-timeout",
        "health-check-type",
        "health-check-uri",
        "healthy-threshold",
        "hostname",
        "idle-timeout",
        "ignore-weight-update",
        "modification-protection",
        "name",
        "network-type",
        "ppv2-pvl-ep-id-enabled",
        "ppv2-pvl-eps-id-enabled",
        "ppv2-pvl-vpc-id-enabled",
        "preserve-lb-on-delete",
        "proxy-protocol",
        "remove-unscheduled-backend",
        "resource-group-id",
        "scheduler",
        "slb-network-type",
        "tls-cipher-policy",
        "tunnel-type",
        "type",
        "unhealthy-threshold",
        "vgroup-port",
        "weight",
        "xforwardedfor-clientsrcport",
        "xforwardedfor-proto",
        "xforwardedfor-slbport",
    }
)
"""Every annotation of the controller, without its prefix (`annotations.go`)."""

_CERTIFICATE = re.compile(r"[A-Za-z0-9_-]+")

_TAKEN: Mapping[tuple[str, str], str] = {
    ("default", "kubernetes"): "the API server's own",
    ("kube-system", "kube-dns"): "CoreDNS's",
    ("kube-system", "spiderpool-controller"): "Spiderpool's webhook's",
}
OWN_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces that Kubernetes creates itself."""

_SAMPLE = ("default", "test-svc")
_IDS: Mapping[str, re.Pattern[str]] = {
    "clb": re.compile(r"lb-[a-z0-9]+"),
    "nlb": re.compile(r"nlb-[a-z0-9]+"),
}


def services_have_a_controller(config: ClusterConfig) -> Iterator[Problem]:
    """Services need a cloud controller, which creates and deletes their load balancers."""
    if not config.services:
        return
    if not config.cloud_controller.enabled:
        yield Problem(
            path="services",
            value=", ".join(sorted(config.services)),
            rule="The cloud controller creates and deletes load balancers, but "
            "cloudController.enabled is false.",
            remedy="Write cloudController.enabled: true, or take the services out.",
        )


def service_names_are_free(config: ClusterConfig) -> Iterator[Problem]:
    """No other service of the cluster has the name in this namespace."""
    for name, service in sorted(config.services.items()):
        place = (service.namespace, name)
        owner = _TAKEN.get(place)
        if owner is None and place == _SAMPLE and config.sample_apps.enabled:
            owner = "the sample apps'"
        if owner is not None:
            yield Problem(
                path=f"services.{name}",
                value=None,
                rule=f"The name {name} in namespace {service.namespace} is taken: it is {owner} "
                "service.",
                remedy="Write another name or another namespace.",
            )
        if not service.selector:
            yield Problem(
                path=f"services.{name}.selector",
                value=None,
                rule="Without labels a service selects no pod, and its load balancer has no "
                "backend.",
                remedy="Write the labels of the pods, for example app: test-app-2.",
            )
        yield from _selector_problems(f"services.{name}.selector", service.selector)


def _selector_problems(path: str, selector: Mapping[str, str]) -> Iterator[Problem]:
    """A pod has only labels of this form, and the API server refuses a selector of another one."""
    for key, value in sorted(selector.items()):
        fault = key_fault(key)
        if fault is not None:
            yield Problem(
                path=f"{path}.{key}",
                value=value,
                rule=fault,
                remedy="Write a label of the pods, for example app: test-app-2.",
            )
        yield from value_problems(f"{path}.{key}", key, value)


def services_have_their_namespace(config: ClusterConfig) -> Iterator[Problem]:
    """Each service's namespace exists or is created.

    A cluster that somebody else built has namespaces of its own.
    """
    if config.kubernetes.mode == "kubeadm":
        for name, service in sorted(config.services.items()):
            if service.namespace not in {*OWN_NAMESPACES, *config.namespaces}:
                yield Problem(
                    path=f"services.{name}.namespace",
                    value=service.namespace,
                    rule="A new cluster has no namespace of this name.",
                    remedy=f"Write namespaces.{service.namespace}: {{}}, and it is created; with "
                    "create: false if it exists already.",
                )
    for name in sorted(set(config.namespaces) & set(OWN_NAMESPACES)):
        if config.namespaces[name].create:
            yield Problem(
                path=f"namespaces.{name}",
                value=None,
                rule="Every cluster has this namespace.",
                remedy="Take it out.",
            )


def service_ports_are_used_once(config: ClusterConfig) -> Iterator[Problem]:
    """Each port has one listener; tcp, http and https share the port numbers, udp has its own."""
    shared: dict[tuple[str, int, bool], str] = {}
    for name, service in sorted(config.services.items()):
        for key, port in sorted(service.ports.items()):
            path = f"services.{name}.ports.{key}"
            owner = service.id or f"services.{name}"
            place = (owner, port.port, port.protocol == "udp")
            other = shared.setdefault(place, path)
            if other != path:
                yield Problem(
                    path=f"{path}.port",
                    value=str(port.port),
                    rule=f"{other} already uses this port of the load balancer; a port has one "
                    "listener.",
                    remedy="Write another port, or another load balancer.",
                )
        layer7 = {p.port for p in service.ports.values() if p.protocol in {"http", "https"}}
        for key, port in sorted(service.ports.items()):
            if port.protocol == "udp" and port.port in layer7:
                yield Problem(
                    path=f"services.{name}.ports.{key}.port",
                    value=str(port.port),
                    rule="Another port of the service has this number with http or https. The "
                    "annotation for the protocol has port numbers only, so it would change this "
                    "port too.",
                    remedy="Write another number, or make it a service of its own.",
                )


def service_ports_are_free(config: ClusterConfig) -> Iterator[Problem]:
    """A CLB keeps some UDP ports for itself (CLB, "Add a UDP listener")."""
    for name, service in sorted(config.services.items()):
        for key, port in sorted(service.ports.items()):
            if service.load_balancer != "clb" or port.protocol != "udp":
                continue
            if port.port in RESERVED_UDP_PORTS:
                yield Problem(
                    path=f"services.{name}.ports.{key}.port",
                    value=str(port.port),
                    rule="A CLB keeps the UDP ports "
                    f"{', '.join(map(str, RESERVED_UDP_PORTS))} for itself.",
                    remedy="Write another port.",
                )


def service_protocols_fit(config: ClusterConfig) -> Iterator[Problem]:
    """HTTP listeners need a CLB, and https needs a certificate."""
    for name, service in sorted(config.services.items()):
        secure = any(port.protocol == "https" for port in service.ports.values())
        for key, port in sorted(service.ports.items()):
            if service.load_balancer == "nlb" and port.protocol in {"http", "https"}:
                yield Problem(
                    path=f"services.{name}.ports.{key}.protocol",
                    value=port.protocol,
                    rule="A network load balancer works at layer 4 and has no HTTP listeners.",
                    remedy="Write protocol: tcp, or loadBalancer: clb.",
                )
        if secure and service.certificate_id is None:
            yield Problem(
                path=f"services.{name}.certificateId",
                value=None,
                rule="An https listener needs a certificate; without one the cloud controller "
                "never succeeds.",
                remedy="Write the id of a certificate that was uploaded to the load balancers.",
            )
        if service.certificate_id is not None and not _CERTIFICATE.fullmatch(
            service.certificate_id
        ):
            yield Problem(
                path=f"services.{name}.certificateId",
                value=service.certificate_id,
                rule="Not the id of a certificate: those have letters, digits, underscores and "
                "hyphens.",
                remedy="Write the id that the console of the load balancers shows.",
            )
        if service.certificate_id is not None and not secure:
            yield Problem(
                path=f"services.{name}.certificateId",
                value=service.certificate_id,
                rule="No port of this service is https, so the certificate has no effect.",
                remedy="Take it out, or write protocol: https for a port.",
            )


def services_have_backends(config: ClusterConfig) -> Iterator[Problem]:
    """Each load balancer can have backends: node ports of workers, or pod addresses of ENIs."""
    workers = any(
        pool.role is Role.WORKER and not EXCLUDING_LABELS & pool.labels.keys()
        for pool in config.node_pools.values()
    )
    for name, service in sorted(config.services.items()):
        eni = service.has_pod_backends(config.cloud_controller)
        if eni and not config.spiderpool.enabled:
            yield Problem(
                path=f"services.{name}.backendType",
                value="eni",
                rule="Backends of type eni are pod addresses of ENIs, which pods have only with "
                "Spiderpool.",
                remedy="Write backendType: ecs.",
            )
        if eni and service.external_traffic_policy == "Local":
            yield Problem(
                path=f"services.{name}.externalTrafficPolicy",
                value="Local",
                rule="With backends of type eni, traffic always goes straight to the pods, so "
                "the cloud controller ignores the policy.",
                remedy="Take it out, or write backendType: ecs.",
            )
        if not eni and not workers and config.kubernetes.mode == "kubeadm":
            yield Problem(
                path=f"services.{name}.backendType",
                value="ecs",
                rule="kubeadm excludes control planes from load balancers, labels exclude "
                "workers, and no other node is left as a backend.",
                remedy="Write backendType: eni, or add a pool of workers.",
            )


def load_balancers_have_a_place(config: ClusterConfig) -> Iterator[Problem]:
    """The subnet and the zones of each load balancer are determined.

    They are required where several are possible: a default by name would change when a subnet or
    zone is added. An NLB is in all zones of its subnet, two or more.
    """
    for name, service in sorted(config.services.items()):
        if service.id is not None:
            continue
        path = f"services.{name}"
        nlb = service.load_balancer == "nlb"
        if not nlb and service.address_type == "internet":
            yield from _public_clb_problems(path, service)
            continue
        subnets = sorted(config.network.subnets)
        if service.subnet is None and len(subnets) > 1:
            yield Problem(
                path=f"{path}.subnet",
                value=None,
                rule="The load balancer takes addresses of one subnet, and there are several. A "
                "default would change when a subnet is added.",
                remedy=f"Write one of {', '.join(subnets)}; best is a subnet without nodes. For a "
                "service that is deployed write the one that its load balancer is in; until now "
                f"that was {subnets[0]}.",
            )
        elif service.subnet is not None and service.subnet not in config.network.subnets:
            yield Problem(
                path=f"{path}.subnet",
                value=service.subnet,
                rule="Unknown subnet.",
                remedy=f"Write one of {', '.join(subnets)}.",
            )
        elif subnets:
            subnet_zones = sorted(config.network.subnets[service.subnet or subnets[0]].zones)
            yield from _zone_problems(config, path, service, subnet_zones)


def _public_clb_problems(path: str, service: ServiceConfig) -> Iterator[Problem]:
    for key, value in (("subnet", service.subnet), ("zones", ", ".join(service.zones))):
        if value:
            yield Problem(
                path=f"{path}.{key}",
                value=value,
                rule="A public CLB is not in a vSwitch.",
                remedy="Take it out, or write addressType: intranet.",
            )


def _zone_problems(
    config: ClusterConfig, path: str, service: ServiceConfig, subnet_zones: list[str]
) -> Iterator[Problem]:
    for place, zone in enumerate(service.zones):
        if zone not in subnet_zones:
            yield Problem(
                path=f"{path}.zones[{place}]",
                value=zone,
                rule="The subnet of this service has no vSwitch in this zone.",
                remedy=f"Write zones of {', '.join(subnet_zones)}.",
            )
    if service.load_balancer == "clb":
        yield from _clb_zone_problems(config, path, service, subnet_zones)
    else:
        yield from _nlb_zone_problems(path, service, subnet_zones)


def _clb_zone_problems(
    config: ClusterConfig, path: str, service: ServiceConfig, subnet_zones: list[str]
) -> Iterator[Problem]:
    chosen = len(subnet_zones) == 1 or home_zone(config) in subnet_zones
    if len(service.zones) > 1 or not (service.zones or chosen):
        yield Problem(
            path=f"{path}.zones",
            value=", ".join(service.zones) or None,
            rule="An intranet CLB is in one vSwitch and so in one zone of its subnet, and "
            f"the first control plane is in none of {', '.join(subnet_zones)}."
            if not service.zones
            else "An intranet CLB is in one vSwitch and so in one zone of its subnet.",
            remedy=f"Write one zone: one of {', '.join(subnet_zones)}. For a service that is "
            "deployed write the one that its load balancer is in; until now that was "
            f"{subnet_zones[0]}.",
        )


def _nlb_zone_problems(
    path: str, service: ServiceConfig, subnet_zones: list[str]
) -> Iterator[Problem]:
    zones = set(service.zones or subnet_zones) & set(subnet_zones)
    if len(zones) < NLB_ZONES:
        yield Problem(
            path=f"{path}.{'zones' if service.zones else 'subnet'}",
            value=", ".join(service.zones) if service.zones else service.subnet,
            rule="A network load balancer needs two zones or more (CreateLoadBalancer), and this "
            f"one would have {len(zones)}.",
            remedy="Give its subnet a second zone, name another subnet, or write "
            "loadBalancer: clb.",
        )
    elif len(set(service.zones)) < len(service.zones):
        yield Problem(
            path=f"{path}.zones",
            value=", ".join(service.zones),
            rule="A zone is named twice.",
            remedy=f"Write [{', '.join(dict.fromkeys(service.zones))}].",
        )


def ports_behind_an_nlb_are_numbers(config: ClusterConfig) -> Iterator[Problem]:
    """Target ports behind an NLB are numbers.

    Its packets pass the security group, whose rules have port numbers. A CLB's packets do not.
    Sources: `planning.cloud.load_balancers`.
    """
    for name, service in sorted(config.services.items()):
        eni = service.has_pod_backends(config.cloud_controller)
        if service.load_balancer != "nlb" or not eni:
            continue
        for key, port in sorted(service.ports.items()):
            if isinstance(port.target_port, str):
                yield Problem(
                    path=f"services.{name}.ports.{key}.targetPort",
                    value=port.target_port,
                    rule="A network load balancer sends packets to this port of the pods, and "
                    "the security rule that allows them needs a number.",
                    remedy="Write the number, or backendType: ecs.",
                )


def service_ipv6_is_whole(config: ClusterConfig) -> Iterator[Problem]:
    """IPv6 needs an NLB, a VPC with IPv6 and, from the internet, an IPv6 gateway."""
    network = config.network
    gates = config.cloud_controller.feature_gates
    for name, service in sorted(config.services.items()):
        if not service.ipv6:
            continue
        path = f"services.{name}.ipv6"
        off = [g for g in ("EndpointSlice", "IPv6DualStack") if gates.get(g) is False]
        if service.load_balancer != "nlb":
            yield Problem(
                path=path,
                value="true",
                rule="A CLB has either IPv4 or IPv6, and IPv6 not in every region.",
                remedy="Write loadBalancer: nlb, which has both.",
            )
        elif not network.ipv6.enabled:
            yield Problem(
                path=path,
                value="true",
                rule="The load balancer takes its IPv6 address from its vSwitches, and "
                "network.ipv6.enabled is false.",
                remedy="Write network.ipv6.enabled: true, or take it out.",
            )
        elif service.address_type == "internet" and not network.ipv6.has_gateway:
            yield Problem(
                path=path,
                value="true",
                rule="IPv6 traffic from the internet passes the VPC's IPv6 gateway, but "
                "network.ipv6.gateway is false.",
                remedy="Write network.ipv6.gateway: true, or addressType: intranet.",
            )
        elif off:
            yield Problem(
                path=path,
                value="true",
                rule=f"cloudController.featureGates turns {', '.join(off)} off, and then the "
                "cloud controller ignores IPv6 without a message.",
                remedy="Take it out of featureGates.",
            )


def existing_load_balancers_stay_as_they_are(config: ClusterConfig) -> Iterator[Problem]:
    """An existing load balancer has only settings that the cloud controller changes."""
    for name, service in sorted(config.services.items()):
        path = f"services.{name}"
        if service.id is None:
            if service.override_listeners:
                yield Problem(
                    path=f"{path}.overrideListeners",
                    value="true",
                    rule="It is for an existing load balancer, but there is no id.",
                    remedy="Take it out: the listeners of a new load balancer are always managed.",
                )
            continue
        if not _IDS[service.load_balancer].fullmatch(service.id):
            yield Problem(
                path=f"{path}.id",
                value=service.id,
                rule=f"The id of {service.load_balancer.upper()} instances begins with "
                f"{'lb' if service.load_balancer == 'clb' else 'nlb'}-.",
                remedy="Write the id of one, or the other kind as loadBalancer.",
            )
        for key, is_set in (
            ("deletionProtection", service.deletion_protection is not None),
            ("ipv6", service.ipv6),
            ("subnet", service.subnet is not None),
            ("zones", bool(service.zones)),
        ):
            if is_set:
                yield Problem(
                    path=f"{path}.{key}",
                    value=None,
                    rule="The cloud controller changes only backends and listeners of an "
                    "existing load balancer.",
                    remedy=f"Take {key} out.",
                )


def network_load_balancers_are_always_protected(config: ClusterConfig) -> Iterator[Problem]:
    """Deletion protection is not turned off: v2.14.0 protects every NLB that it creates."""
    for name, service in sorted(config.services.items()):
        own = service.id is None and service.load_balancer == "nlb"
        if own and service.deletion_protection is False:
            yield Problem(
                path=f"services.{name}.deletionProtection",
                value="false",
                rule="The cloud controller protects every NLB that it creates, and removes the "
                "protection before it deletes one.",
                remedy="Take it out: `pulumi destroy` removes the NLB anyway.",
            )


def service_annotations_are_read(config: ClusterConfig) -> Iterator[Problem]:
    """The cloud controller reads every annotation, and no key of the stack file sets the same."""
    for name, service in sorted(config.services.items()):
        for annotation, value in sorted(service.annotations.items()):
            fault = _annotation_fault(service, annotation, config.cloud_controller.version)
            if fault is not None:
                rule, remedy = fault
                yield Problem(
                    path=f"services.{name}.annotations.{annotation}",
                    value=value,
                    rule=rule,
                    remedy=remedy,
                )


def _annotation_fault(
    service: ServiceConfig, annotation: str, version: str
) -> tuple[str, str] | None:
    """The rule that the annotation breaks and the remedy; None when it breaks none."""
    if annotation == _CLASS:
        return "The cloud controller ignores a service that has a class.", "Take it out."
    if key_fault(annotation.lower()) is not None:
        rule = (
            "Not the key of an annotation: letters, digits, hyphens, underscores and dots, after a "
            "DNS name and a slash."
        )
        return rule, f"Write the whole key, for example {PREFIX}idle-timeout."
    short = annotation.removeprefix(PREFIX).removeprefix(_LEGACY)
    own = "backendType" if annotation == _BACKEND_TYPE else _OWN.get(short)
    if own is not None:
        return "The stack file has a key for it.", f"Write it as {own}."
    return None if short == annotation else _ignored(service, short) or _unread(version, short)


def _unread(version: str, short: str) -> tuple[str, str] | None:
    """Annotations that this version of the controller does not know."""
    if version != READ_IN or short in _READ:
        return None
    meant = nearest(short, _READ)
    remedy = f"Write {PREFIX}{meant} instead, or take it out." if meant else "Take it out."
    return f"The cloud controller {version} does not read it.", remedy


def _ignored(service: ServiceConfig, short: str) -> tuple[str, str] | None:
    others = _NLB_ONLY if service.load_balancer == "clb" else _CLB_ONLY
    if short in others:
        here = service.load_balancer.upper()
        return (
            f"The cloud controller ignores it for a load balancer of kind {here}.",
            "Take it out.",
        )
    if short == "bandwidth-package-id" and service.address_type == "intranet":
        rule = "It has no effect on an NLB without a public address (the controller's issue 414)."
        return rule, "Take it out, or write addressType: internet."
    charge = f"{PREFIX}instance-charge-type"
    if short == "spec" and service.annotations.get(charge) != "PayBySpec":
        rule = "A load balancer that is billed by usage (PayByCLCU) has no spec."
        return rule, f"Take it out, or write {charge}: PayBySpec too."
    return None


RULES = (
    services_have_a_controller,
    service_names_are_free,
    services_have_their_namespace,
    service_ports_are_used_once,
    service_ports_are_free,
    service_protocols_fit,
    services_have_backends,
    load_balancers_have_a_place,
    ports_behind_an_nlb_are_numbers,
    service_ipv6_is_whole,
    existing_load_balancers_stay_as_they_are,
    network_load_balancers_are_always_protected,
    service_annotations_are_read,
)
