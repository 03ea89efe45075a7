"""Whether the scheduler counts a cluster's pod addresses, and what that needs."""

from __future__ import annotations

from typing import Final

from config.model import ClusterConfig, KubernetesConfig, SpiderpoolConfig

SINCE_MINOR: Final = 36
"""MutatingAdmissionPolicy is stable and served by default since 1.36 (k8s.io/apiserver v0.36,
pkg/features/kube_features.go). In 1.35 it is a beta API that two flags of the API server switch on;
`kubeadm` would keep such flags in all later versions, so clusters of 1.35 do not count."""


def counts_addresses(config: ClusterConfig) -> bool:
    """Whether pods ask for their addresses and nodes advertise them.

    The unit that the bootstrap installs advertises a node's addresses. So addresses are counted
    only in clusters that this program builds (docs/decisions/counted-addresses.md).
    """
    return (
        config.pods.count_addresses
        and missing_for_counting(config.kubernetes, config.spiderpool) is None
    )


def missing_for_counting(kubernetes: KubernetesConfig, spiderpool: SpiderpoolConfig) -> str | None:
    """Why a cluster does not count addresses, as a clause; None where it counts them."""
    if not spiderpool.enabled:
        return "spiderpool.enabled is false"
    if kubernetes.mode == "existing":
        return (
            "with kubernetes.mode: existing the nodes have no unit of this program, and nothing "
            "else advertises their addresses reliably"
        )
    if int(kubernetes.version.split(".")[1]) < SINCE_MINOR:
        return (
            f"Kubernetes {kubernetes.version} does not serve a stable MutatingAdmissionPolicy, "
            f"which began with 1.{SINCE_MINOR}"
        )
    return None


def spreads_pods(config: ClusterConfig) -> bool:
    """Whether a pod that chooses no network may get any NIC; otherwise it gets eth0."""
    if not counts_addresses(config):
        return False
    if config.pods.default_network is not None:
        return config.pods.default_network == "spread"
    return any(
        sum(interface.pod_addresses > 0 for interface in pool.interfaces.values()) > 1
        for pool in config.node_pools.values()
    )
