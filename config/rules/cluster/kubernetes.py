"""Rules about the cluster itself and its cloud controller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import chain, islice
from typing import Final

from config.facts.image_references import is_reference
from config.facts.ranges import CLOUD_SERVICES, EVERYWHERE, SPECIAL
from config.members import members_of
from config.model import ClusterConfig, KubernetesConfig, Role
from config.ranges import is_address
from config.report import Problem, as_yaml
from config.rules.network.vpc import are_everything, vpc_cidrs

MINORS = range(31, 38)
"""kubeadm's API v1beta4 began with 1.31. 1.37 is the newest minor that the bootstrap was written
for; its kubeadm has v1beta4 as the newest usable API too (`kubernetesv1` is a placeholder)."""
NEW_CLUSTERS = range(35, MINORS.stop)
"""Minors that a new cluster may have. 1.34 reached its end of life on 2026-10-27
(https://kubernetes.io/releases/1.34), and gets no security fixes."""

DEFAULT_VERSION: str = KubernetesConfig.model_fields["version"].default

SERVICE_PREFIX = range(12, 29)
SMALLEST_POD_CIDR = 28
"""A podSubnet has 14 addresses or more (kubeadm, `MinimumAddressesInPodSubnet`)."""

_NODE_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_DNS_NAME = re.compile(
    r"(?=.{1,253}\Z)(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
)
_CONTROLLER_VERSION = re.compile(r"v(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}")
FEATURE_GATES = (
    "EndpointSlice",
    "FilterServiceOnNodeChange",
    "IPv6DualStack",
    "LoadBalancerTypeAnnotation",
)
"""Feature gates of cloud-provider-alibaba-cloud v2.14.0 (`pkg/util/feature`)."""

_CANDIDATES: Final = tuple(
    candidate
    for network in ("10.192.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15")
    for candidate in IPv4Network(network).subnets(new_prefix=18)
)
_PROPOSED: Final = (IPv4Network("198.18.0.0/18"), IPv4Network("198.18.64.0/18"))
"""For a VPC that leaves no free range, which another rule refuses."""


def version_is_supported(config: ClusterConfig) -> Iterator[Problem]:
    """The bootstrap supports the version."""
    if config.kubernetes.mode != "kubeadm":
        return
    major, minor, _ = (int(part) for part in config.kubernetes.version.split("."))
    if major != 1 or minor not in MINORS:
        yield Problem(
            path="kubernetes.version",
            value=config.kubernetes.version,
            rule=f"The bootstrap supports Kubernetes 1.{MINORS.start} to 1.{MINORS.stop - 1}, "
            "with kubeadm's API v1beta4.",
            remedy=f"Write {DEFAULT_VERSION}.",
        )


def cluster_ranges_are_free(config: ClusterConfig) -> Iterator[Problem]:
    """The ranges of Services and pods lie outside of the VPC and of the cloud's own range."""
    kubernetes = config.kubernetes
    proposed = free_ranges(config)
    for key, cidr in (
        ("serviceCidr", kubernetes.service_cidr),
        ("podCidr", kubernetes.pod_cidr),
    ):
        free = proposed[key]
        for path, other in vpc_cidrs(config):
            # A VPC of all addresses is refused by another rule, or replaces one that is missing.
            if cidr.overlaps(other) and other != EVERYWHERE:
                yield Problem(
                    path=f"kubernetes.{key}",
                    value=str(cidr),
                    rule=f"It overlaps {path} ({other}). Pods have addresses of the VPC, and "
                    "traffic to some of them would go to Services.",
                    remedy=f"Write {key}: {free}, which is outside of the VPC.",
                )
        if cidr.overlaps(CLOUD_SERVICES):
            yield Problem(
                path=f"kubernetes.{key}",
                value=str(cidr),
                rule=f"It overlaps {CLOUD_SERVICES}, where Alibaba Cloud's metadata service, DNS "
                "and mirrors are.",
                remedy=f"Write {key}: {free}, which is outside of it.",
            )
        if any(cidr.overlaps(other) for other in SPECIAL):
            yield Problem(
                path=f"kubernetes.{key}",
                value=str(cidr),
                rule="It has loopback, link-local, multicast or reserved addresses, which are not "
                "routed.",
                remedy=f"Write {key}: {free}.",
            )
    if kubernetes.pod_cidr.prefixlen > SMALLEST_POD_CIDR:
        yield Problem(
            path="kubernetes.podCidr",
            value=str(kubernetes.pod_cidr),
            rule=f"kubeadm takes a /{SMALLEST_POD_CIDR} at the smallest.",
            remedy=f"Write podCidr: {proposed['podCidr']}.",
        )
    if kubernetes.service_cidr.overlaps(kubernetes.pod_cidr):
        yield Problem(
            path="kubernetes.podCidr",
            value=str(kubernetes.pod_cidr),
            rule=f"It overlaps kubernetes.serviceCidr ({kubernetes.service_cidr}). kube-proxy "
            "uses podCidr to recognise traffic to Services from outside.",
            remedy=f"Write podCidr: {proposed['podCidr']}.",
        )
    if kubernetes.service_cidr.prefixlen not in SERVICE_PREFIX:
        yield Problem(
            path="kubernetes.serviceCidr",
            value=str(kubernetes.service_cidr),
            rule="kube-apiserver takes service ranges from /12 to /28.",
            remedy=f"Write serviceCidr: {proposed['serviceCidr']}, which holds 16,384 services.",
        )


def free_ranges(config: ClusterConfig) -> dict[str, IPv4Network]:
    """A /18 for each of the two ranges, so that both can be written at once."""
    taken = [cidr for _, cidr in vpc_cidrs(config)]
    taken += [CLOUD_SERVICES, config.kubernetes.pod_cidr, config.kubernetes.service_cidr]
    free = (c for c in _CANDIDATES if not any(c.overlaps(other) for other in taken))
    service, pods = islice(chain(free, _PROPOSED), 2)
    return {"serviceCidr": service, "podCidr": pods}


def endpoint_is_guarded(config: ClusterConfig) -> Iterator[Problem]:
    """The API server is reachable from listed networks, never from the whole internet."""
    endpoint = config.kubernetes.endpoint
    if config.kubernetes.mode == "existing":
        return
    for place, cidr in enumerate(endpoint.allowed_cidrs):
        if cidr.prefixlen == 0:
            yield Problem(
                path=f"kubernetes.endpoint.allowedCidrs[{place}]",
                value=str(cidr),
                rule="It opens the API server to the whole internet.",
                remedy="Write the networks that need it: your office, your build machines.",
            )
    if EVERYWHERE not in endpoint.allowed_cidrs and are_everything(endpoint.allowed_cidrs):
        yield Problem(
            path="kubernetes.endpoint.allowedCidrs",
            value=", ".join(map(str, endpoint.allowed_cidrs)),
            rule="Together these networks open the API server to the whole internet.",
            remedy="Write the networks that need it: your office, your build machines.",
        )
    if endpoint.public and not endpoint.allowed_cidrs:
        yield Problem(
            path="kubernetes.endpoint.allowedCidrs",
            value=None,
            rule="The API server gets a public address that nobody may reach, not even this "
            "program, which installs the add-ons through it.",
            remedy="Write the networks that may reach it, or public: false and run from inside.",
        )


def certificate_names_are_names(config: ClusterConfig) -> Iterator[Problem]:
    """Names of the API server's certificate are DNS names or IP addresses (kubeadm's rule)."""
    names = config.kubernetes.endpoint.cert_sans
    if names and config.kubernetes.mode == "existing":
        yield Problem(
            path="kubernetes.endpoint.certSans",
            value=", ".join(names),
            rule="With mode: existing this program does not create the API server's certificate.",
            remedy="Take it out.",
        )
        return
    for place, name in enumerate(names):
        if not _is_certificate_name(name):
            host = _host_in(name)
            yield Problem(
                path=f"kubernetes.endpoint.certSans[{place}]",
                value=name,
                rule="A certificate's name is a DNS name in small letters, or an IP address.",
                remedy=f"Write {as_yaml(host)}."
                if _is_certificate_name(host)
                else "Write the name under which clients reach the API server, for example "
                "k8s.example.com.",
            )


def _is_certificate_name(name: str) -> bool:
    # No certificate has an address with a zone.
    return is_address(name) or _DNS_NAME.fullmatch(name) is not None


def _host_in(text: str) -> str:
    """The host of a URL, or of an address with a port or a prefix; a name as DNS has it."""
    host = text.strip().rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return host.partition("%")[0].lower().strip(".").replace("_", "-")


def metadata_is_ours_to_block(config: ClusterConfig) -> Iterator[Problem]:
    """Metadata is blocked by rules on machines, which an existing cluster's owner sets up."""
    kubernetes = config.kubernetes
    if kubernetes.mode == "existing" and "metadata_for_pods" in kubernetes.model_fields_set:
        yield Problem(
            path="kubernetes.metadataForPods",
            value=kubernetes.metadata_for_pods,
            rule="The rules that keep pods from the metadata service are the machine's, and with "
            "mode: existing this program does not set machines up.",
            remedy="Take it out, and load rules of your own (docs/decisions/pods-and-metadata.md).",
        )


def kubelet_is_ours_to_set(config: ClusterConfig) -> Iterator[Problem]:
    """Settings of the kubelet reach it by the unit of a machine that this program sets up."""
    kubernetes = config.kubernetes
    if kubernetes.mode == "existing" and kubernetes.kubelet:
        yield Problem(
            path="kubernetes.kubelet",
            value=None,
            rule="With mode: existing this program does not set machines up, so no kubelet gets "
            "these settings.",
            remedy="Take it out, and configure the kubelets of that cluster where they are set up.",
        )


def existing_cluster_is_mapped(config: ClusterConfig) -> Iterator[Problem]:
    """`existing` needs the name of each node in the cluster; `kubeadm` sets the names itself."""
    names = config.kubernetes.node_names
    if config.kubernetes.mode == "kubeadm":
        if names:
            yield Problem(
                path="kubernetes.nodeNames",
                value=None,
                rule="With mode: kubeadm the names in nodePools are the nodes' names.",
                remedy="Take nodeNames out, or write mode: existing.",
            )
        return
    members = members_of(config)
    for node in sorted(set(members) - set(names)):
        yield Problem(
            path=f"kubernetes.nodeNames.{node}",
            value=None,
            rule="An IP pool selects its node by the node's name in the cluster, which this "
            "program does not choose with mode: existing.",
            remedy=f"Write the name that `kubectl get nodes` shows for it, even if it is {node}.",
        )
    owners: dict[str, str] = {}
    for node, name in sorted(names.items()):
        path = f"kubernetes.nodeNames.{node}"
        if node not in members:
            yield Problem(
                path=path,
                value=name,
                rule="Unknown node: nodePools has no node of this name.",
                remedy="Write a node of nodePools, or take it out.",
            )
        if not _NODE_NAME.fullmatch(name):
            yield Problem(
                path=path,
                value=name,
                rule="Not the name of a Kubernetes node: small letters, digits, hyphens and dots.",
                remedy="Write what `kubectl get nodes` shows.",
            )
        if name in owners:
            yield Problem(
                path=path,
                value=name,
                rule=f"{owners[name]} already maps to this node.",
                remedy="Write each node of the cluster once.",
            )
        owners.setdefault(name, node)


def cloud_controller_is_whole(config: ClusterConfig) -> Iterator[Problem]:
    """The controller's version and gates are valid, and it has credentials."""
    controller = config.cloud_controller
    if not _CONTROLLER_VERSION.fullmatch(controller.version):
        yield Problem(
            path="cloudController.version",
            value=controller.version,
            rule="It must be the tag of an image: v and three numbers.",
            remedy="Write v2.14.0.",
        )
    if controller.image is not None and not is_reference(controller.image):
        yield Problem(
            path="cloudController.image",
            value=controller.image,
            rule="It must be a whole image reference: a registry, a name, and a tag or a digest.",
            remedy="Write it as registry.example.com/acs/cloud-controller-manager:v2.14.0, or take "
            "it out.",
        )
    for gate in sorted(set(controller.feature_gates) - set(FEATURE_GATES)):
        yield Problem(
            path=f"cloudController.featureGates.{gate}",
            value=str(controller.feature_gates[gate]).lower(),
            rule=f"The cloud controller has no gate {gate} and ignores it without a message.",
            remedy=f"Write one of {', '.join(FEATURE_GATES)}.",
        )
    with_role = controller.enabled and controller.credentials == "ram-role"
    no_planes = not any(p.role is Role.CONTROL_PLANE for p in config.node_pools.values())
    if with_role and no_planes and config.kubernetes.mode == "existing":
        yield Problem(
            path="cloudController.credentials",
            value="ram-role",
            rule="The cloud controller gets its rights from the RAM role of the control planes, "
            "but this stack has no control planes.",
            remedy="Write credentials: access-key, or enabled: false.",
        )


RULES = (
    version_is_supported,
    cluster_ranges_are_free,
    endpoint_is_guarded,
    certificate_names_are_names,
    metadata_is_ours_to_block,
    kubelet_is_ours_to_set,
    existing_cluster_is_mapped,
    cloud_controller_is_whole,
)
