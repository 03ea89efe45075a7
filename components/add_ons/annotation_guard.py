"""The policy that decides who may change this program's annotations of Nodes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.add_ons.manifests import from_manifests
from planning.nodes.annotation_guard import manifests


@dataclass(frozen=True, kw_only=True)
class AnnotationGuardArgs:
    """The inputs of an `AnnotationGuard`."""

    provider: kubernetes.Provider
    ends_with: pulumi.Resource
    """A resource that is deleted only with the whole cluster."""


class AnnotationGuard(pulumi.ComponentResource):
    """A policy for the annotations that a node's unit applies as root.

    Owns: a ValidatingAdmissionPolicy and its binding.
    """

    def __init__(
        self, name: str, args: AnnotationGuardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("spiderpool-alicloud:annotation_guard:AnnotationGuard", name, {}, opts)
        from_manifests(
            f"{name}-annotations",
            manifests(),
            parent=self,
            provider=args.provider,
            ends_with=args.ends_with,
        )
        self.register_outputs({})
