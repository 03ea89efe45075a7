"""A LoadBalancer service; the cloud controller creates its load balancer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.core.v1 import outputs

from components.add_ons.field_ownership import ownership_hook
from components.add_ons.manifests import from_manifest
from config.model import ServiceConfig
from planning.cloud.services import manifest, placement, replaced_on_changes
from planning.model import ClusterPlan


@dataclass(frozen=True, kw_only=True)
class LoadBalancerServiceArgs:
    """The inputs of a `LoadBalancerService`."""

    plan: ClusterPlan
    service_name: str
    """The Service's own name."""
    service: ServiceConfig
    """One of `plan.services`, or one that a program defines itself."""
    provider: kubernetes.Provider
    vswitch_ids: Mapping[str, pulumi.Output[str]]
    """By vSwitch key."""
    kubeconfig: pulumi.Output[str]
    """To hand over the fields of a Service that was just created."""
    needs: Sequence[pulumi.Resource] = ()
    """Resources that must outlive the load balancer, such as the controller that deletes it."""


class LoadBalancerService(pulumi.ComponentResource):
    """One Service of type LoadBalancer, and through it one CLB or NLB.

    Owns: the Service. The cloud controller owns the load balancer and deletes it with the Service,
    by a finalizer: if the controller went first, the Service would never be deleted.

    A change that a load balancer cannot make (its kind, its IP version) replaces the Service and
    with it the address. So does a change of the name or the namespace. Ports, selector and all
    other annotations change in place, and the cloud controller keeps the load balancer. After a
    Service's creation a hook hands over its fields, so that the preview of a changed port is
    correct.
    """

    address: pulumi.Output[str | None]
    """IP of a CLB or host name of an NLB; None until the load balancer has one."""

    def __init__(
        self, name: str, args: LoadBalancerServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:services:LoadBalancerService", name, {}, opts)
        service = from_manifest(
            name,
            _placed(args),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.provider,
                depends_on=list(args.needs),
                delete_before_replace=True,
                replace_on_changes=replaced_on_changes(args.service),
                hooks=ownership_hook(
                    name,
                    f"/api/v1/namespaces/{args.service.namespace}/services/{args.service_name}",
                    args.kubeconfig,
                ),
            ),
        )
        if not isinstance(service, core.Service):
            raise TypeError(f"the manifest of {args.service_name} is not a Service")
        self.address = service.status.apply(_address)
        self.register_outputs({"address": self.address})


def _placed(args: LoadBalancerServiceArgs) -> dict[str, object]:
    """The manifest with the vSwitches' ids; only that annotation is unknown in a preview."""
    document = manifest(args.plan, args.service_name, args.service)
    place = placement(args.plan, args.service)
    metadata = document["metadata"]
    if place is None or not isinstance(metadata, dict):
        return document
    vswitch_ids = {key: args.vswitch_ids[key] for _, key in place.vswitches}
    ids = pulumi.Output.all(**vswitch_ids).apply(place.value)
    annotations = {**metadata["annotations"], place.annotation: ids}
    return {**document, "metadata": {**metadata, "annotations": annotations}}


def _address(status: outputs.ServiceStatus | None) -> str | None:
    balancer = None if status is None else status.load_balancer
    ingress = (None if balancer is None else balancer.ingress) or []
    return next((address for i in ingress if (address := i.ip or i.hostname)), None)
