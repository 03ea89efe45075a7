"""The API server behind its endpoint, and a kubeconfig that resolves once it is ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_alicloud import ecs, slb

from components.api.readiness import ready_seconds, until_ready
from components.machines.nodes import Node
from components.machines.rollout.rollout import Rollout
from components.network.eips import binding_options
from components.network.endpoint import Endpoint
from config.facts.ports import API_SERVER
from planning.model import ClusterPlan
from planning.names import api_endpoint_name
from planning.nodes.kubeconfig import kubeconfig
from planning.nodes.secrets import ClusterSecrets


@dataclass(frozen=True, kw_only=True)
class ControlPlaneArgs:
    """The inputs of a `ControlPlane`."""

    plan: ClusterPlan
    endpoint: Endpoint
    nodes: Mapping[str, Node]
    """The control planes, by node name."""
    rollout: Rollout
    """Waits until the load balancer has each control plane."""
    secrets: pulumi.Output[ClusterSecrets]
    needs: Sequence[pulumi.Resource]
    """What must outlive every Kubernetes object: network, endpoint, all nodes. Otherwise a destroy
    deletes the security rules first and then cannot reach the API server."""


class ControlPlane(pulumi.ComponentResource):
    """The control planes as one API server.

    Owns: the binding of the EIP, to the one control plane or to the CLB; the membership of each of
    several control planes in the CLB's server group; the Kubernetes provider.

    Never touches: machines and addresses, which the nodes and the endpoint own.

    Outside previews the kubeconfig resolves only after the API server is ready, so no request is
    sent too early. `cluster_identifier` is the cluster's name: without it a changed or
    unknown kubeconfig would replace every Kubernetes resource (pulumi-kubernetes issues 2745 and
    4019).

    Errors: `pulumi.RunError` when the API server is not ready within `ready_seconds()`.
    """

    kubeconfig: pulumi.Output[str]
    """YAML, a secret."""
    provider: kubernetes.Provider

    def __init__(
        self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:control_plane:ControlPlane", name, {}, opts)
        self._name = name
        self._args = args
        self.kubeconfig = self._when_ready(self._reachable())
        self.provider = kubernetes_provider(
            name, self.kubeconfig, keeps_unreachable=True, parent=self, needs=args.needs
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _reachable(self) -> list[pulumi.Output[str]]:
        """Ids of everything that must exist before a packet can reach the API server."""
        endpoint, nodes = self._args.endpoint, self._args.nodes
        attachments = self._attach_all()
        # A refused disk ends the run at once; otherwise the run would wait until it times out.
        disks = [node.disk_attachment_id for node in nodes.values()]
        ids = [attachment.id for attachment in attachments]
        ids += [id_ for id_ in disks if id_ is not None]
        if endpoint.allocation_id is None:
            return [*ids, *(node.instance_id for node in nodes.values())]
        if endpoint.balancer_id is None:
            (only,) = nodes.values()
            # The run sees that the machine serves through this address.
            target, kind = only.machine_id, "EcsInstance"
        else:
            target, kind = endpoint.balancer_id, "SlbInstance"
        # One resource for both targets, so that the EIP moves within one step: from the only
        # control plane to the load balancer once that has a backend, and back. It waits for the
        # first control plane only, because the run reaches the others through this address.
        association = ecs.EipAssociation(
            api_endpoint_name(self._name),
            allocation_id=endpoint.allocation_id,
            instance_id=target,
            instance_type=kind,
            opts=binding_options(
                self, depends_on=attachments[:1], aliases=[pulumi.Alias(parent=endpoint)]
            ),
        )
        return [*ids, association.id]

    def _attach_all(self) -> list[slb.ServerGroupServerAttachment]:
        group = self._args.endpoint.server_group_id
        if group is None:
            return []
        attachments: list[slb.ServerGroupServerAttachment] = []
        for name, node in self._args.nodes.items():
            attachment = slb.ServerGroupServerAttachment(
                f"{self._name}-{name}",
                server_group_id=group,
                server_id=node.instance_id,
                port=API_SERVER,
                type="ecs",
                weight=100,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self._args.rollout.joins_load_balancer(name, attachment.id)
            attachments.append(attachment)
        return attachments

    def _when_ready(self, reachable: list[pulumi.Output[str]]) -> pulumi.Output[str]:
        plan = self._args.plan
        text = pulumi.Output.all(self._args.secrets, self._args.endpoint.address).apply(
            lambda values: kubeconfig(plan, secrets=values[0], server_address=values[1])
        )

        async def wait(values: list[str]) -> str:
            if pulumi.runtime.is_dry_run():
                return values[0]
            try:
                return await until_ready(
                    values[0],
                    within=ready_seconds(),
                    report=lambda line: pulumi.log.info(line, self, ephemeral=True),
                )
            except pulumi.RunError as error:
                pulumi.log.error(str(error), self)
                raise

        return pulumi.Output.secret(pulumi.Output.all(text, *reachable).apply(wait))


def kubernetes_provider(
    name: str,
    config: pulumi.Input[str],
    *,
    keeps_unreachable: bool = False,
    parent: pulumi.Resource,
    needs: Sequence[pulumi.Resource] = (),
) -> kubernetes.Provider:
    """Create the provider that every Kubernetes resource of the cluster `name` uses.

    Kubernetes resources are deleted before anything in `needs`. `keeps_unreachable`: while no API
    server answers, a refresh keeps what the state has instead of failing, so that one run brings a
    lost control plane back (docs/decisions/etcd-disk.md).
    """
    return kubernetes.Provider(
        name,
        kubeconfig=config,
        cluster_identifier=name,
        enable_server_side_apply=True,
        skip_update_unreachable=True if keeps_unreachable else None,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(needs)),
    )
