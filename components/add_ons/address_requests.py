"""The admission policies that make pods request their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.add_ons.manifests import from_manifests
from planning.model import ClusterPlan
from planning.spiderpool.address_requests import manifests


@dataclass(frozen=True, kw_only=True)
class AddressRequestsArgs:
    """The inputs of `AddressRequests`."""

    plan: ClusterPlan
    provider: kubernetes.Provider
    needs: Sequence[pulumi.Resource] = ()
    """Resources that exist before the policies: only nodes with pools advertise addresses."""
    ends_with: pulumi.Resource | None = None
    """A resource that is deleted only with the whole cluster."""


class AddressRequests(pulumi.ComponentResource):
    """Two policies with their bindings, and the right of each node to read its pools.

    Owns: a ClusterRole, a ClusterRoleBinding, a MutatingAdmissionPolicy and a
    ValidatingAdmissionPolicy with a binding each. It owns nothing where addresses are not counted.

    The validating policy is created last and deleted first, because it would refuse pods that the
    mutating policy has not changed.
    """

    def __init__(
        self, name: str, args: AddressRequestsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:address_requests:AddressRequests", name, {}, opts)
        from_manifests(
            f"{name}-addresses",
            manifests(args.plan),
            parent=self,
            provider=args.provider,
            needs=args.needs,
            ends_with=args.ends_with,
        )
        self.register_outputs({})
