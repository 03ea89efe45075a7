"""Settings that a stack may not say, because this program must say them itself.

They come from documents that a plan turns into, not from the shape of the stack file: fields of
the kubelet, labels that a node may not give itself, chart values.
"""

from __future__ import annotations

from typing import Final

from config.report import Problem
from planning.model import ClusterPlan

_KUBELET: Final = {
    "apiVersion": "the file's version is this program's",
    "kind": "the file's kind is this program's",
    "cgroupDriver": "containerd is set up for systemd's cgroups",
    "maxPods": "it follows from the pod addresses of each node",
    "providerID": "each node asks its metadata service for it",
    "registerWithTaints": "taints are the node pool's",
    "staticPodPath": "kubeadm keeps the control plane there",
    "authentication": "the API server reaches kubelets by kubeadm's own settings",
    "authorization": "the API server reaches kubelets by kubeadm's own settings",
    "containerRuntimeEndpoint": "bootstrap installs containerd at a place of its own",
}
_ALLOWED_SUFFIXES: Final = ("kubernetes.io", "k8s.io")
_SELF_LABELS: Final = frozenset(
    {
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
"""Kubernetes' own labels that a kubelet may set (upstream kubelet/apis/well_known_labels.go)."""
_SELF_PREFIXES: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")


def kubernetes_problems(plan: ClusterPlan) -> tuple[Problem, ...]:
    """Kubelet settings and node labels that would keep a node from joining, if any."""
    found = [
        Problem(
            path=f"kubernetes.kubelet.{field}",
            value=str(plan.kubernetes.kubelet[field]),
            rule=f"this setting is not free: {reason}",
            remedy=f"remove {field}",
        )
        for field, reason in _KUBELET.items()
        if field in plan.kubernetes.kubelet
    ]
    for node in plan.nodes.values():
        found += [
            Problem(
                path=f"nodePools.{node.pool}.labels.{label}",
                value=node.labels[label],
                rule="a kubelet that gives itself this label does not start, and the API server's "
                "NodeRestriction would refuse it",
                remedy="use a domain of your own, or the prefix node.kubernetes.io/",
            )
            for label in node.labels
            if not _may_set(label)
        ]
    return tuple(dict.fromkeys(found))


def _may_set(label: str) -> bool:
    domain, slash, _ = label.rpartition("/")
    if not slash or label in _SELF_LABELS:
        return True
    if not any(domain == suffix or domain.endswith(f".{suffix}") for suffix in _ALLOWED_SUFFIXES):
        return True
    return any(domain == prefix or domain.endswith(f".{prefix}") for prefix in _SELF_PREFIXES)
