"""The provider ids of the Nodes of an existing cluster: the cloud's instance of each Node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core import v1 as core

from components.api.api_access import UnusableKubeconfigError
from components.api.cluster_api import ClusterError, KubernetesNode, cluster_api
from components.machines.nodes import Node
from planning.model import ClusterPlan


@dataclass(frozen=True, kw_only=True)
class ProviderIdsArgs:
    """The inputs of a `ProviderIds`."""

    plan: ClusterPlan
    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    """To check a Node before it is patched."""
    nodes: Mapping[str, Node]
    """All nodes, by name."""


class ProviderIds(pulumi.ComponentResource):
    """Sets the provider ids of the Nodes of an existing cluster.

    Owns: `spec.providerID` of each named node, by a server-side patch, and no other field. A
    kubeadm cluster does not need this: its kubelets know their instances.
    """

    def __init__(
        self, name: str, args: ProviderIdsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:cloud_controller:ProviderIds", name, {}, opts)
        free = _free_node_hook(name, args.kubeconfig)
        for node, kubernetes_name in args.plan.kubernetes.node_names.items():
            core.NodePatch(
                f"{name}-{node}",
                metadata={"name": kubernetes_name},
                spec={"provider_id": args.nodes[node].provider_id},
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=args.provider,
                    retain_on_delete=True,
                    hooks=pulumi.ResourceHookBinding(before_create=[free], before_update=[free]),
                ),
            )
        self.register_outputs({})


def _free_node_hook(name: str, kubeconfig: pulumi.Output[str]) -> pulumi.ResourceHook:
    """The hook that runs before a Node's provider id is set or changed.

    It raises `pulumi.RunError` for a missing Node, and for one that belongs to another machine: the
    provider's own message advises to take over the field by force, which Kubernetes forbids.
    """

    async def check(args: pulumi.ResourceHookArgs) -> None:
        problem = await _problem(await kubeconfig.future() or "", args.new_inputs or {})
        if problem is not None:
            raise pulumi.RunError(problem)

    return pulumi.ResourceHook(f"{name}-node-is-free", check)


async def _problem(kubeconfig: str, inputs: Mapping[str, object]) -> str | None:
    """Why this Node cannot get this provider id; None when it can."""
    match inputs:
        case {"metadata": {"name": str(name)}, "spec": {"providerID": str(provider_id)}}:
            pass
        case _:
            return None
    try:
        async with cluster_api(kubeconfig) as api:
            nodes = await api.nodes()
    except (UnusableKubeconfigError, ClusterError):
        # The provider reads every kind of kubeconfig, and reports a dead cluster itself.
        return None
    return node_problem(name, provider_id, nodes)


def node_problem(name: str, provider_id: str, nodes: Mapping[str, KubernetesNode]) -> str | None:
    """Why the Node `name` cannot get this `provider_id`; None when it can."""
    node = nodes.get(name)
    if node is None:
        return (
            f"kubernetes.nodeNames names the Node {name}, but the cluster has no Node of that name "
            f"(it has {', '.join(sorted(nodes)) or 'no Nodes'}). Write the name that `kubectl get "
            "nodes` shows, or let the machine join first."
        )
    if node.provider_id in {"", provider_id}:
        return None
    return (
        f"Node {name} has the providerID {node.provider_id}, and the stack created the instance "
        f"{provider_id} for it. Kubernetes never changes a providerID. If the instance that the "
        f"Node names is gone, run `kubectl delete node {name}`, let the new machine join (restart "
        "its kubelet if it already runs), and run `pulumi up`. If that instance still exists, "
        "kubernetes.nodeNames names the wrong Node: correct it."
    )
