"""The check of kube-proxy's settings, without which answers of Services bypass the host.

Finding B of docs/data-plane.md: a pod that asks a Service whose backend is on another node gets no
answer unless kube-proxy masquerades the request. It does with `masqueradeAll`, and for sources
outside `clusterCIDR`. Each mode has a `masqueradeAll` of its own: `iptables.masqueradeAll` for
iptables and ipvs, `nftables.masqueradeAll` for nftables (`k8s.io/kube-proxy`,
`config/v1alpha1/types.go` of 1.36; `pkg/proxy/nftables/proxier.go`, `setupNFTables`). So a cluster
whose mode somebody changes by hand loses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import yaml

from operations.verification.checks import Check, Needs, NotRun, Probe
from operations.verification.cluster_objects import Cluster, Object

_SECTIONS = {"": "iptables", "iptables": "iptables", "ipvs": "iptables", "nftables": "nftables"}
"""The section that has a mode's `masqueradeAll`. Without a mode it is iptables up to 1.39."""
_LOCAL_BY_RANGE = ("", "ClusterCIDR")
"""Values of `detectLocalMode` with which `clusterCIDR` decides what is local."""


def _probes(cluster: Cluster) -> Sequence[Probe] | NotRun:
    if cluster.kube_proxy is None:
        return NotRun(reason="the cluster has no ConfigMap kube-system/kube-proxy")
    return [Probe(attempt=lambda _: list(_problems(cluster)))]


def _problems(cluster: Cluster) -> Sequence[str]:
    text = ((cluster.kube_proxy or {}).get("data") or {}).get("config.conf", "")
    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"kube-proxy's config.conf is not YAML: {error}"]
    if not isinstance(settings, dict):
        return ["kube-proxy has no config.conf"]
    mode = settings.get("mode") or ""
    section = _SECTIONS.get(mode)
    if section is None:
        return [f"kube-proxy's mode {mode!r} is not one that this check knows"]
    if (settings.get(section) or {}).get("masqueradeAll") or _pods_are_outside(cluster, settings):
        return []
    consequence = "a pod does not reach a Service whose backend is on another node"
    shown = mode or "iptables"
    return [f"kube-proxy's mode is {shown}, and {section}.masqueradeAll is not true: {consequence}"]


def _pods_are_outside(cluster: Cluster, settings: Object) -> bool:
    """Whether every pod's address is outside the ranges whose traffic is not masqueraded."""
    texts = [text.strip() for text in str(settings.get("clusterCIDR") or "").split(",")]
    try:
        ranges = [ip_network(text) for text in texts if text]
    except ValueError:
        return False  # kube-proxy does not start with such a range.
    if not ranges or (settings.get("detectLocalMode") or "") not in _LOCAL_BY_RANGE:
        return False
    addresses = [ip_address(a) for p in cluster.pods if p.interface for a in p.addresses]
    return not any(address in network for address in addresses for network in ranges)


KUBE_PROXY_CHECK = Check(
    name="services-masqueraded",
    needs=Needs.OBJECTS,
    how="kube-proxy masquerades what pods send to Services",
    cause="kube-proxy's ConfigMap was changed by hand, its mode for instance",
    look="kubectl -n kube-system get configmap kube-proxy -o yaml",
    probes=_probes,
)
