"""The Alibaba Cloud Controller Manager by the project's own manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.rbac import v1 as rbac

from components.nodes import Node
from components.stack import AccessKey
from planning.cloud_controller import cloud_config, manifests
from planning.model import ClusterPlan


@dataclass(frozen=True, kw_only=True)
class CloudControllerArgs:
    """What a `CloudController` is made from."""

    plan: ClusterPlan
    provider: kubernetes.Provider
    vpc_id: pulumi.Input[str]
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key."""
    access_key: pulumi.Output[AccessKey] | None = None
    """Only with `credentials: access-key`; a RAM role on the control planes otherwise."""
    needs: Sequence[pulumi.Resource] = ()
    """What must outlive the controller: its RAM policy, or it could not clean up."""


class CloudController(pulumi.ComponentResource):
    """The cloud controller in `kube-system`, on control planes.

    Owns: ServiceAccount, RBAC, the Secret with its configuration, the Deployment.

    Never touches: load balancers. The controller makes one for each LoadBalancer Service, and
    takes it away with the Service: Services go before this component does.

    The Deployment is awaited: until it runs, every node keeps the `uninitialized` taint.
    """

    def __init__(
        self, name: str, args: CloudControllerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:cloud_controller:CloudController", name, {}, opts)
        self._name = name
        self._args = args
        configuration = self._make_configuration()
        for key, manifest in manifests(args.plan).items():
            self._make(key, manifest, after=configuration)
        self.register_outputs({})

    def _make_configuration(self) -> core.Secret:
        plan = self._args.plan
        text = pulumi.Output.all(
            vpc_id=self._args.vpc_id, vswitch_ids=dict(self._args.vswitch_ids)
        ).apply(
            lambda ids: cloud_config(plan, vpc_id=ids["vpc_id"], vswitch_ids=ids["vswitch_ids"])
        )
        return core.Secret(
            f"{self._name}-cloud-config",
            metadata={"name": "cloud-config", "namespace": "kube-system"},
            string_data={"cloud-config.conf": text},
            opts=self._after(*self._args.needs),
        )

    def _make(self, key: str, manifest: Mapping[str, object], *, after: core.Secret) -> None:
        kind = str(manifest["kind"])
        make = _KINDS.get(kind)
        if make is None:
            raise NotImplementedError(f"no resource class for a manifest of kind {kind}")
        fields = {
            _snake(field): value
            for field, value in manifest.items()
            if field not in {"apiVersion", "kind"}
        }
        make(f"{self._name}-{key}", **fields, opts=self._after(*self._args.needs, after))

    def _after(self, *needs: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, provider=self._args.provider, depends_on=list(needs)
        )


class ProviderIds(pulumi.ComponentResource):
    """Tells a cluster that exists already which instance each of its nodes is.

    Owns: `spec.providerID` of each named node, by a server-side patch, and nothing else of it. A
    kubeadm cluster needs none of this: its kubelets know their instances.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: ClusterPlan,
        provider: kubernetes.Provider,
        nodes: Mapping[str, Node],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("spiderpool-alicloud:cloud_controller:ProviderIds", name, {}, opts)
        for node, theirs in plan.kubernetes.node_names.items():
            core.NodePatch(
                f"{name}-{node}",
                metadata={"name": theirs},
                spec={"provider_id": nodes[node].provider_id},
                opts=pulumi.ResourceOptions(parent=self, provider=provider, retain_on_delete=True),
            )
        self.register_outputs({})


_KINDS: Mapping[str, Callable[..., pulumi.CustomResource]] = {
    "ClusterRole": rbac.ClusterRole,
    "ClusterRoleBinding": rbac.ClusterRoleBinding,
    "Deployment": apps.Deployment,
    "Role": rbac.Role,
    "RoleBinding": rbac.RoleBinding,
    "ServiceAccount": core.ServiceAccount,
}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
