"""Whether a Node of a cluster that somebody else has built may be told which instance it is."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.api.api_access import UnusableKubeconfigError
from components.api.cluster_api import ClusterError, KubernetesNode, cluster_api


def free_node_hook(name: str, kubeconfig: pulumi.Output[str]) -> pulumi.ResourceHook:
    """Return the hook that runs before a Node's provider id is set.

    It raises `pulumi.RunError` for a missing Node, and for one that belongs to another machine. In
    the second case the provider's own message advises to take over the field by force, which
    Kubernetes forbids; and the Node belongs to another machine.
    """

    async def check(args: pulumi.ResourceHookArgs) -> None:
        problem = await _problem(await kubeconfig.future() or "", args.new_inputs or {})
        if problem is not None:
            raise pulumi.RunError(problem)

    return pulumi.ResourceHook(f"{name}-node-is-free", check)


async def _problem(kubeconfig: str, inputs: Mapping[str, object]) -> str | None:
    """Why this Node cannot get this provider id; None when it can."""
    match inputs:
        case {"metadata": {"name": str(name)}, "spec": {"providerID": str(wanted)}}:
            pass
        case _:
            return None
    try:
        async with cluster_api(kubeconfig) as api:
            nodes = await api.nodes()
    except (UnusableKubeconfigError, ClusterError):
        # The provider reads every kind of kubeconfig, and has its own words for a dead cluster.
        return None
    return node_problem(name, wanted, nodes)


def node_problem(name: str, wanted: str, nodes: Mapping[str, KubernetesNode]) -> str | None:
    """Why the Node `name` cannot become the instance `wanted` (a providerID); None when it can."""
    standing = nodes.get(name)
    if standing is None:
        return (
            f"kubernetes.nodeNames names the Node {name}, and the cluster has none of that name "
            f"(it has {', '.join(sorted(nodes)) or 'no Nodes'}). Write the name that `kubectl get "
            "nodes` shows, or let the machine join first"
        )
    if standing.provider_id in {"", wanted}:
        return None
    return (
        f"Node {name} says {standing.provider_id}, and the machine that was made for it is "
        f"{wanted}. Kubernetes lets nobody change a providerID. If the machine that it names is "
        f"gone: `kubectl delete node {name}`, let the new machine join (a kubelet that runs "
        "already registers again when it is restarted), and `pulumi up`. If that machine is there, "
        "kubernetes.nodeNames names the wrong Node"
    )
