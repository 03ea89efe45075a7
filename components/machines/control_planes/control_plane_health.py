"""Whether a control plane may leave: the health of the others, and etcd's majority without it.

etcd decides by a majority of its members, the stopped ones included (etcd documentation, "Failure
modes"), so the members are counted and not the machines that answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from components.api.cluster_api import ControlPlanePod, KubernetesNode

COMPONENTS: Final = ("etcd", "kube-apiserver")
"""Static pods without which a control plane does not serve, by kubeadm's `component` label."""


def unready_components(pods: Sequence[ControlPlanePod], node: KubernetesNode) -> list[str]:
    """Which of `COMPONENTS` are not ready on the node; empty when all are.

    A mirror of the previous machine does not count: it shows that machine's status until the
    garbage collector deletes it.
    """
    ready = {
        pod.component
        for pod in pods
        if pod.node == node.name and pod.node_uid == node.uid and pod.ready
    }
    return [component for component in COMPONENTS if component not in ready]


def members(pods: Sequence[ControlPlanePod]) -> frozenset[str]:
    """Control planes with an etcd member, ready or not."""
    return frozenset(pod.node for pod in pods if pod.component == "etcd")


def unready_planes(
    nodes: Mapping[str, KubernetesNode],
    pods: Sequence[ControlPlanePod],
    expected: Collection[str],
) -> dict[str, str]:
    """Each of `expected` that does not serve, with the reason, by name."""
    reasons: dict[str, str] = {}
    for name in sorted(expected):
        node = nodes.get(name)
        if node is None:
            reasons[name] = "it has no Node"
        elif not node.ready:
            reasons[name] = "its Node is not ready"
        elif unready := unready_components(pods, node):
            reasons[name] = f"{', '.join(unready)} not ready"
    return reasons


def majority_problem(pods: Sequence[ControlPlanePod], node: str) -> str | None:
    """Why etcd's majority would be lost without this member; None when it would not."""
    all_members = members(pods)
    if node not in all_members:
        return None
    others = len(all_members) - 1
    if others == 0:
        return f"{node} is the only control plane and has the only etcd member."
    if others < len(all_members) // 2 + 1:
        return (
            f"Without {node} only {others} of {len(all_members)} etcd members would be left, and a "
            f"majority needs {len(all_members) // 2 + 1}."
        )
    return None
