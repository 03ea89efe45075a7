"""All objects inside Kubernetes, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core import v1 as core

from components.add_ons.address_requests import AddressRequests, AddressRequestsArgs
from components.add_ons.annotation_guard import AnnotationGuard, AnnotationGuardArgs
from components.add_ons.cloud_controller import CloudController, CloudControllerArgs
from components.add_ons.cloud_controller_role import CloudControllerRole
from components.add_ons.provider_ids import ProviderIds, ProviderIdsArgs
from components.add_ons.sample_apps import SampleApps, SampleAppsArgs
from components.add_ons.services import LoadBalancerService, LoadBalancerServiceArgs
from components.add_ons.spiderpool import Spiderpool, SpiderpoolArgs
from components.machines.nodes import Node
from components.network.endpoint import Endpoint
from components.network.network import Network
from components.stack import StackInputs


@dataclass(frozen=True, kw_only=True)
class AddOnsArgs:
    """The inputs of `make_add_ons`."""

    inputs: StackInputs
    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    network: Network
    nodes: Mapping[str, Node]
    """By node name."""
    role: CloudControllerRole | None
    endpoint: Endpoint | None
    """None for a cluster that somebody else has built."""


@dataclass(frozen=True, kw_only=True)
class AddOns:
    """The objects inside Kubernetes whose outputs the stack shows."""

    spiderpool: Spiderpool | None
    services: Mapping[str, LoadBalancerService]
    """By service name."""


def make_add_ons(name: str, args: AddOnsArgs, *, parent: pulumi.Resource) -> AddOns:
    """Register everything from the guard of the nodes' annotations to the sample apps.

    All are children of `parent`, the cluster called `name`.
    """
    plan = args.inputs.plan
    if args.endpoint is not None:
        # Other clusters have no unit on their nodes.
        AnnotationGuard(
            name,
            AnnotationGuardArgs(provider=args.provider, ends_with=args.endpoint),
            opts=pulumi.ResourceOptions(parent=parent),
        )
    before = _make_cloud_controller(name, args, parent=parent)
    services = (
        _make_services(name, args, before, parent=parent) if plan.cloud_controller.enabled else {}
    )
    spiderpool = _make_spiderpool(name, args, before, parent=parent)
    return AddOns(spiderpool=spiderpool, services=services)


def _make_cloud_controller(
    name: str, args: AddOnsArgs, *, parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Register the provider ids, if somebody else built the cluster, and the cloud controller."""
    plan = args.inputs.plan
    inside = pulumi.ResourceOptions(parent=parent)
    resources: list[pulumi.Resource] = []
    if args.endpoint is None:
        resources.append(
            ProviderIds(
                name,
                ProviderIdsArgs(
                    plan=plan,
                    provider=args.provider,
                    kubeconfig=args.kubeconfig,
                    nodes=args.nodes,
                ),
                opts=inside,
            )
        )
    if plan.cloud_controller.enabled:
        resources.append(
            CloudController(
                name,
                CloudControllerArgs(
                    plan=plan,
                    provider=args.provider,
                    vpc_id=args.network.vpc_id,
                    vswitch_ids=args.network.vswitch_ids,
                    access_key=args.inputs.access_key,
                    needs=[*resources, *([] if args.role is None else [args.role])],
                ),
                opts=inside,
            )
        )
    return resources


def _make_services(
    name: str, args: AddOnsArgs, before: Sequence[pulumi.Resource], *, parent: pulumi.Resource
) -> dict[str, LoadBalancerService]:
    plan = args.inputs.plan
    namespaces = {
        namespace: _make_namespace(f"{name}-{namespace}", namespace, args.provider, parent=parent)
        for namespace, settings in plan.namespaces.items()
        if settings.create
    }
    services = {}
    for key, service in plan.services.items():
        own = namespaces.get(service.namespace)
        services[key] = LoadBalancerService(
            f"{name}-{key}",
            LoadBalancerServiceArgs(
                plan=plan,
                service_name=key,
                service=service,
                provider=args.provider,
                vswitch_ids=args.network.vswitch_ids,
                kubeconfig=args.kubeconfig,
                needs=before if own is None else [*before, own],
            ),
            opts=pulumi.ResourceOptions(parent=parent),
        )
    return services


def _make_namespace(
    resource_name: str, name: str, provider: kubernetes.Provider, *, parent: pulumi.Resource
) -> core.NamespacePatch:
    """Create a namespace, or take over one that exists: a patch is a server-side apply.

    Pulumi never deletes it, because others may have objects in it.
    """
    return core.NamespacePatch(
        resource_name,
        metadata={"name": name},
        opts=pulumi.ResourceOptions(parent=parent, provider=provider, retain_on_delete=True),
    )


def _make_spiderpool(
    name: str, args: AddOnsArgs, before: Sequence[pulumi.Resource], *, parent: pulumi.Resource
) -> Spiderpool | None:
    """Register Spiderpool, the counting policies and the sample apps; None where it is off."""
    plan = args.inputs.plan
    if not plan.spiderpool.enabled:
        return None
    inside = pulumi.ResourceOptions(parent=parent)
    spiderpool = Spiderpool(
        name,
        SpiderpoolArgs(
            plan=plan,
            provider=args.provider,
            kubeconfig=args.kubeconfig,
            secrets=args.inputs.secrets,
            nodes=args.nodes,
            ipv6_ranges=args.network.ipv6_ranges,
            needs=before,
            ends_with=args.endpoint,
        ),
        opts=inside,
    )
    pods_need: list[pulumi.Resource] = [spiderpool]
    if plan.counting is not None:
        requests = AddressRequests(
            name,
            AddressRequestsArgs(
                plan=plan, provider=args.provider, needs=[spiderpool], ends_with=args.endpoint
            ),
            opts=inside,
        )
        pods_need.append(requests)
    if plan.sample_apps.enabled:
        SampleApps(
            name,
            SampleAppsArgs(plan=plan, provider=args.provider, needs=pods_need),
            opts=inside,
        )
    return spiderpool
